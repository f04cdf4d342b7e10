"""ragctl plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, load
from ragctl.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from ragctl.run.ingesting.planning import PlanReport
    from ragctl.run.models.selection_report import SelectionReport

DOCUMENTS_SHOWN = 20
SIGNS = {"add": "+", "change": "~", "delete": "-"}


def register(app: typer.Typer) -> None:
    app.command(
        "plan",
        short_help="Show what an ingest would do and cost.",
        epilog="Example: ragctl plan docs.yaml --out docs.plan",
    )(plan)


def plan(
    spec: SpecArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the plan, for ragctl ingest --plan FILE.", show_default=False
        ),
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 10 if there is anything to do.")
    ] = False,
    allow_delete: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="As for ragctl ingest.", show_default=False)
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="As for ragctl ingest.")] = False,
    relock: Annotated[
        bool, typer.Option("--relock", help="As for ragctl ingest; nothing is written.")
    ] = False,
    reselect: Annotated[
        bool, typer.Option("--reselect", help="As for ragctl ingest; nothing is written.")
    ] = False,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
) -> None:
    """Show what an ingest would do: documents, chunks, tokens, money and seconds. Embeds nothing."""
    from ragctl.cli.output import data_console, print_json, talk
    from ragctl.cli.progress import make_progress
    from ragctl.run.ingesting.planning import plan as make_plan
    from ragctl.run.ingesting.planning import write_plan

    loaded = load(spec, overrides)
    progress = make_progress(log_json=False, verbose=False)
    report = make_plan(
        loaded,
        allow_delete=allow_delete,
        retry_failed=retry_failed,
        relock=relock,
        reselect=reselect,
        progress=progress,
    )
    if output is Format.JSON and report.selection is not None and report.selection.note is not None:
        talk(f"note: {report.selection.note}")
    if out is not None:
        write_plan(report, out)
        talk(f"wrote {out}")
    if output is Format.JSON:
        print_json(report.as_json())
    else:
        print_plan(report, data_console())
    if detailed_exitcode and report.changes:
        raise typer.Exit(int(ExitCode.CHANGES_PENDING))


def print_plan(report: PlanReport, console: Console) -> None:
    """The plan for people."""
    from rich.table import Table

    target = f"generation {report.generation}" if report.generation is not None else "a new generation"
    console.print(f"{report.pipeline} → index {report.index}, {target}", markup=False)
    table = Table.grid(padding=(0, 1))
    columns = ("add", "change", "delete", "unchanged", "skipped", "failed", "chunks", "embed", "tokens")
    for number in range(len(columns) + 1):
        table.add_column(justify="right" if number else "left")
    table.add_row("", *columns)
    for name, one in report.estimate.sources.items():
        table.add_row(name, *(f"{getattr(one, column):,}" for column in columns))
    if len(report.estimate.sources) > 1:
        table.add_row("all", *(f"{report.estimate.total(column):,}" for column in columns))
    console.print(table)
    for document in report.estimate.documents[:DOCUMENTS_SHOWN]:
        size = f"  ({document.chunks:,} chunks, {document.embed:,} to embed)"
        line = f"  {SIGNS[document.action]} {document.source}: {document.document}"
        console.print(line + ("" if document.action == "delete" else size), markup=False, soft_wrap=True)
    if len(report.estimate.documents) > DOCUMENTS_SHOWN:
        console.print(f"  and {len(report.estimate.documents) - DOCUMENTS_SHOWN:,} more")
    for failure in report.estimate.failures:
        known = " (known)" if failure.known else ""
        console.print(
            f"  ! {failure.source}: {failure.document}: {failure.message}{known}",
            markup=False,
            soft_wrap=True,
        )
    if report.selection is not None:
        _print_selection(report.selection, console)
    console.print(_sentence(report), markup=False)


def _print_selection(selection: SelectionReport, console: Console) -> None:
    from ragctl.cli.selection_table import print_selection

    print_selection(console, selection.now)
    if selection.tokens_are == "estimated":
        console.print("tokens are estimated from the sizes of what is listed, 4 bytes a token", markup=False)
    for line in (selection.sentence, *([f"note: {selection.note}"] if selection.note else [])):
        console.print(line, markup=False, soft_wrap=True)


def _sentence(report: PlanReport) -> str:
    if not report.changes:
        return "nothing to do"
    cost = "costs nothing" if report.cost_usd == 0 else "cost unknown"
    if report.cost_usd:
        cost = f"costs ${report.cost_usd:,.4f}"
    time = "time unknown: nothing was embedded by this model yet"
    if report.seconds is not None:
        time = f"takes the model about {report.seconds:,.0f} s"
    return f"{report.estimate.total('tokens'):,} tokens to embed: {cost}, {time}"
