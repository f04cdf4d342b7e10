"""An answer from a database for people: a sentence, the rows, the statement, and what speaks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragctl.cli.output import counted, one_line, print_indented, visible

if TYPE_CHECKING:
    from rich.console import Console

    from ragctl.run.answering.asked import AskResult

ROWS_SHOWN = 50
"""Rows of a result that are printed; `--full` and `--format json` have them all."""
LONGEST_CELL = 200


def print_sql_answer(console: Console, result: AskResult, *, full: bool, explain: bool) -> None:
    """The answer in words, the rows, the statement, and a line of what speaks for it."""
    from rich.text import Text

    found = result.sql or {}
    console.print()
    if result.answer is not None:
        print_indented(console, Text(visible(result.answer.text)), first="")
        console.print()
    if found["unfounded"]:
        numbers = ", ".join(found["unfounded"])
        console.print(f"Not in the rows: {numbers}.\n", markup=False, style="yellow")
    if found["columns"]:
        _print_rows(console, found, full=full)
    if found["statement"]:
        for line in found["statement"].split("\n"):
            console.print(Text(f"  {visible(line)}", style="cyan"), soft_wrap=True)
        console.print()
    console.print(_facts(result, found), markup=False, soft_wrap=True)
    if explain:
        _explain(console, result, found)


def _print_rows(console: Console, found: Mapping[str, Any], *, full: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    rows = found["rows"] if full else found["rows"][:ROWS_SHOWN]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, name in enumerate(found["columns"]):
        numbers = all(isinstance(row[place], int | float | None) for row in found["rows"])
        table.add_column(Text(one_line(name)), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(one) for one in row))
    console.print(table)
    left = len(found["rows"]) - len(rows)
    if found["truncated"]:
        console.print(f"... and more rows: these are the first {len(found['rows']):,}", markup=False)
    elif left:
        console.print(f"... and {counted(left, 'more row')}: --full prints them", markup=False)
    if not found["rows"]:
        console.print("no rows", markup=False)
    console.print()


def _cell(value: Any) -> Any:
    from rich.text import Text

    if value is None:
        return Text("NULL", style="dim")
    text = one_line(f"{value}")
    return Text(text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…")


def _facts(result: AskResult, found: Mapping[str, Any]) -> str:
    """`2 of 3 versions agree; tables: a, b; 1.2 s; 0.0012 USD`."""
    parts = []
    if found["statement"]:
        agreement = found["agreement"]
        agree = "agree" if found["status"] == "answered" else "have this statement"
        parts.append(f"{agreement['versions']} of {agreement['of']} versions {agree}")
    if found["status"] == "not_executed":
        parts.append("not run")
    if found["tables"]:
        parts.append(f"tables: {', '.join(map(one_line, found['tables']))}")
    parts.append(f"{result.timings.get('total_ms', 0.0) / 1000:.1f} s")
    if result.usage.cost_usd:
        parts.append(f"{result.usage.cost_usd:.6f} USD")
    return "; ".join(parts)


def _explain(console: Console, result: AskResult, found: Mapping[str, Any]) -> None:
    from ragctl.cli.explain import print_explanation

    schema = found["schema"]
    console.print(
        f"\nschema {schema['fingerprint'][:12]}, shown: {', '.join(map(one_line, schema['tables']))}",
        markup=False,
        soft_wrap=True,
    )
    for number, one in enumerate(found["candidates"], start=1):
        versions = ", ".join(map(str, one["versions"]))
        console.print(f"\ncandidate {number}, of version {versions}: {_outcome(one)}", markup=False)
        if one["first_fault"]:
            console.print(f"  before its repair: {one_line(one['first_fault']['message'])}", markup=False)
        console.print(f"  {one_line(' '.join(one['statement'].split()))}", markup=False, soft_wrap=True)
    print_explanation(console, result)


def _outcome(one: Mapping[str, Any]) -> str:
    if one["fault"]:
        return f"{one['fault']['kind']}: {one_line(one['fault']['message'])}"
    rows = "not run" if one["rows"] is None else counted(one["rows"], "row")
    cost = f", cost {one['cost']:.6g} by the planner" if one["cost"] is not None else ""
    return f"{rows}{cost}{', repaired' * one['repaired']}"
