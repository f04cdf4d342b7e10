"""ragctl show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, load
from ragctl.errors import UsageError

if TYPE_CHECKING:
    from ragctl.run.ingesting.failed_items import FailedItems
    from ragctl.run.looking.inspect import DocumentView, IndexOverview
    from ragctl.spec.load import LoadedSpec

    View = IndexOverview | DocumentView | FailedItems


def register(app: typer.Typer) -> None:
    app.command(
        "show",
        short_help="Print what is in the index.",
        epilog="Example: ragctl show docs.yaml guide/install.md",
    )(show)


def show(
    spec: SpecArgument,
    document: Annotated[
        str | None,
        typer.Argument(
            metavar="[DOCUMENT]",
            help="A document's path, or source:path. All, if left out.",
            show_default=False,
        ),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only those that failed: stage, reason, attempts, since when.")
    ] = False,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
) -> None:
    """Print what is in the index: every document's state, or one document's chunks and failures."""
    from ragctl.cli.output import print_json

    if failed and document is not None:
        raise UsageError("--failed lists all that failed; leave the document out, or the option")
    loaded = load(spec, overrides)
    view = _view(loaded, document, failed)
    if output is Format.JSON:
        print_json(view.as_json())
    else:
        _print_view(view)


def _view(loaded: LoadedSpec, document: str | None, failed: bool) -> View:
    from ragctl.run.ingesting.failed_items import failed_items
    from ragctl.run.looking.inspect import overview, show_document

    if failed:
        return failed_items(loaded)
    return overview(loaded) if document is None else show_document(loaded, document)


def _print_view(view: View) -> None:
    from ragctl.run.ingesting.failed_items import FailedItems
    from ragctl.run.looking.inspect import IndexOverview

    if isinstance(view, FailedItems):
        _print_failed(view)
    elif isinstance(view, IndexOverview):
        _print_overview(view)
    else:
        _print_document(view)


def _print_failed(view: FailedItems) -> None:
    from ragctl.cli.output import counted, data_console, one_line

    console = data_console()
    console.print(f"index {view.index}: {counted(len(view.items), 'failed document')}", markup=False)
    for item in view.items:
        console.print()
        building = "" if item.active else f"  (generation {item.generation}, not published)"
        console.print(one_line(f"{item.source}: {item.document}{building}"), markup=False, soft_wrap=True)
        remarks = [
            f"{counted(item.attempts, 'attempt')} since {item.first_failed_at:%Y-%m-%d %H:%M:%S %Z}",
            "tried on every run" if item.retryable else "not tried again until it changes",
            *(["its version before is in the index"] if item.stored else []),
            *(["ignored"] if item.ignored else []),
        ]
        console.print(one_line(f"  {item.stage}: {item.message}"), markup=False, soft_wrap=True)
        console.print(f"  {', '.join(remarks)}", markup=False, soft_wrap=True)


def _print_overview(view: IndexOverview) -> None:
    from ragctl.cli.output import counted, data_console, one_line
    from ragctl.run.looking.inspect import item_state

    console = data_console()
    console.print(
        f"index {view.index}, generation {view.generation}: {counted(len(view.items), 'document')}\n",
        markup=False,
    )
    for row in view.items:
        reason = row["skipped"] or (row["failure"] or {}).get("message")
        detail = reason or counted(row["chunks"], "chunk")
        line = f"{item_state(row):<12} {row['source']}: {row['path']}  ({detail})"
        console.print(one_line(line), markup=False, soft_wrap=True)


def _print_document(view: DocumentView) -> None:
    from rich.text import Text

    from ragctl.cli.output import counted, data_console, print_indented, visible
    from ragctl.run.looking.inspect import item_state

    console = data_console()
    row = view.row
    console.print(f"{row['source']}: {row['path']}", style="bold", markup=False)
    console.print(f"  state      {item_state(row)}", markup=False)
    if row["stored_at"]:
        console.print(
            f"  stored     {row['stored_at']:%Y-%m-%d %H:%M:%S %Z} by run {row['run']}, "
            f"generation {view.generation}",
            markup=False,
        )
        console.print(f"  read by    {row['reader']}, SHA-256 {row['digest'][:16]}…", markup=False)
    if row["skipped"]:
        console.print(f"  skipped    {row['skipped']}", markup=False)
    if row["failure"]:
        failure = row["failure"]
        console.print(
            f"  failed     {row['failed_at']:%Y-%m-%d %H:%M:%S %Z} in {failure['stage']}, "
            f"{counted(row['attempts'], 'attempt')}: {failure['message']}",
            markup=False,
        )
    for chunk in view.chunks:
        place = f", line {chunk['line']}" if chunk["line"] is not None else ""
        heading = " > ".join(chunk["headings"])
        console.print(
            f"\nchunk {chunk['ordinal']}  characters {chunk['start']}-{chunk['end']}{place}, "
            f"{chunk['tokens']} tokens  {heading}",
            style="cyan",
            markup=False,
        )
        print_indented(console, Text(visible(chunk["text"])), first="  ")
