"""Before money is spent, the plan is shown, and somebody at a terminal asked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragctl.run.ingesting.consent import Agree
    from ragctl.run.ingesting.planning import PlanReport


def agree_at_terminal() -> Agree | None:
    """Asks whoever sits there; None where nobody does."""
    return _ask if _is_terminal(sys.stdin) and _is_terminal(sys.stderr) else None


def _is_terminal(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty is not None and isatty())


def _ask(report: PlanReport) -> bool:
    from ragctl.cli.output import talk_console
    from ragctl.cli.plan import print_plan

    print_plan(report, talk_console())
    sys.stderr.write("spend that? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
