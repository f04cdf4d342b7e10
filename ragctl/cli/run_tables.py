"""Runs as tables for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragctl.run.looking.audit import RunHistory, RunView
    from ragctl.run.looking.run_difference import RunComparison

STATUSES = ("grounded", "partial", "none")
"""Of answers, see `types.Answer`."""
_DIGEST = re.compile("[0-9a-f]{64}")


def print_history(found: RunHistory) -> None:
    """One line a run, the newest first."""
    from ragctl.cli.output import data_console

    console = data_console()
    console.print(f"index {found.index}: {len(found.runs):,} runs, the newest first\n", markup=False)
    for run in found.as_json()["runs"]:
        time = f"{run['seconds']:,.1f} s" if run["seconds"] is not None else ""
        number = f"g{run['generation']}" if run["generation"] is not None else ""
        what = f"{run['command']:<8}  {run['status']:<11}"
        line = f"{run['run_id']}  {what}  {time:>9}  {number:<4} {_outcome(run)}"
        console.print(line.rstrip(), markup=False, soft_wrap=True)


def _outcome(run: dict[str, Any]) -> str:
    """`5 added, 2 failed, 31 chunks`: what was not nothing; why it ended, if it was not completed."""
    counts = run["counts"] or {}
    names = ("questions", "added", "changed", "deleted", "failed", "chunks", "embedded", *STATUSES)
    parts = [f"{counts[name]:,} {name}" for name in names if counts.get(name)]
    if run["error"]:
        parts.append(run["error"]["message"])
    return ", ".join(parts) or ("no change" if run["status"] == "done" else "")


def print_run(view: RunView) -> None:
    """Everything that is known of a run, with its spec at the end."""
    from ragctl.cli.output import data_console

    console = data_console()
    document = view.as_json()
    failures, spec = document.pop("failures", []), document.pop("spec", None)
    console.print(f"run {document.pop('run_id')}", style="bold", markup=False)
    document.pop("schema_version")
    for key, value in document.items():
        console.print(f"  {key.replace('_', ' '):<14} {_plain(value)}", markup=False, soft_wrap=True)
    for failure in failures:
        console.print(
            f"  failed         {failure['source']}: {failure['document']}: {failure['stage']}: "
            f"{failure['message']}",
            markup=False,
            soft_wrap=True,
        )
    if spec is not None:
        import yaml

        text = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
        console.print(
            f"\n# the spec, with every default filled in\n{text}", markup=False, soft_wrap=True, end=""
        )


def _plain(value: Any) -> str:
    """A mapping as `name value, name value`, without what is zero or empty; a digest shortened."""
    if isinstance(value, dict):
        shown = [
            f"{key} ({_plain(one)})" if isinstance(one, dict) else f"{key} {_plain(one)}"
            for key, one in value.items()
            if one or one is False or one is None
        ]
        return ", ".join(shown) or "–"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "–"
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value[:12]
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_comparison(comparison: RunComparison) -> None:
    """What differs between two runs, in two columns."""
    from rich.table import Table
    from rich.text import Text

    from ragctl.cli.output import data_console

    console = data_console()
    if not comparison.differences:
        console.print(f"{comparison.a} and {comparison.b} do not differ", markup=False)
        return
    console.print(f"a  run {comparison.a}\nb  run {comparison.b}\n", markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("", "", "a", "b"):
        table.add_column(title, overflow="fold")
    section = ""
    for one in comparison.differences:
        name = one.section if one.section != section else ""
        section = one.section
        table.add_row(name, Text(one.key), Text(_plain(one.a)), Text(_plain(one.b)))
    console.print(table)
