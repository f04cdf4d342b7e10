"""What a worker loads ahead serves the tasks that it forks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
import ragctl.airflow.ahead
from ragctl.airflow.ahead import _failure
assert _failure is None, _failure
before = set(sys.modules)
child = os.fork()
if not child:
    from ragctl.providers.local import first_questions
    from ragctl.providers.local.encoder import LocalEmbedder
    def refuse(*_):
        raise AssertionError("the model is loaded again")
    first_questions.load_encoder = refuse
    vector = LocalEmbedder().embed_queries(["What is a generation?"])[0]
    assert abs(float(vector @ vector) - 1) < 1e-5
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    assert not new & {"tokenizers", "openvino", "psycopg", "pydantic"}, new
    os._exit(0)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_task_loads_nothing_again(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
