"""One task of an exported DAG in a Python that has no Airflow to report to: its log and its exit status.

Airflow takes an exception there for a failure for good (by the retry policy that the DAG gives such a
task, from Airflow 3.3 on) and an exit status for one that may be tried again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from ragctl.errors import RagctlError
from ragctl.run.tasks.stage_task import run_stage as run_stage_anywhere

# sysexits.h: EX_TEMPFAIL, "the user is invited to retry later".
TRY_AGAIN = 75
LOG_PREFIX = "ragctl_error: "


def run_stage(
    *names: str,
    spec: Mapping[str, Any],
    run: str,
    conf: Mapping[str, Any] | str | None = None,
    given: Any = None,
) -> Any:
    """As `ragctl.run.tasks.run_stage`; what goes wrong is also a line of JSON in the task's log.

    Raises:
        RagctlError: trying again cannot mend it.
        SystemExit: it may.
    """
    try:
        return run_stage_anywhere(*names, spec=spec, run=run, conf=conf, given=given, note=_say)
    except RagctlError as error:
        _say(f"{LOG_PREFIX}{json.dumps(error.as_json(), ensure_ascii=False)}")
        if error.may_pass:
            sys.exit(TRY_AGAIN)
        raise


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
