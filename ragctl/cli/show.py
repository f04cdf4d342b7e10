"""ragctl show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, load

if TYPE_CHECKING:
    from ragctl.run.inspect import DocumentView, IndexOverview


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
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
) -> None:
    """Print what is in the index: every document's state, or one document's chunks and failures."""
    from ragctl.cli.output import print_json
    from ragctl.run.inspect import overview, show_document

    loaded = load(spec, overrides)
    view = overview(loaded) if document is None else show_document(loaded, document)
    if output is Format.JSON:
        print_json(view.as_json())
    else:
        _print_view(view)


def _print_view(view: IndexOverview | DocumentView) -> None:
    from ragctl.run.inspect import IndexOverview

    if isinstance(view, IndexOverview):
        _print_overview(view)
    else:
        _print_document(view)


def _print_overview(view: IndexOverview) -> None:
    from ragctl.cli.output import data_console
    from ragctl.run.inspect import item_state

    console = data_console()
    console.print(
        f"index {view.index}, generation {view.generation}: {len(view.items):,} documents\n", markup=False
    )
    for row in view.items:
        reason = row["skipped"] or (row["failure"] or {}).get("message")
        detail = reason or f"{row['chunks']:,} chunks"
        console.print(
            f"{item_state(row):<12} {row['source']}: {row['path']}  ({detail})", markup=False, soft_wrap=True
        )


def _print_document(view: DocumentView) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from ragctl.cli.output import data_console
    from ragctl.run.inspect import item_state

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
            f"{row['attempts']} attempts: {failure['message']}",
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
        console.print(Padding(Text(chunk["text"]), (0, 0, 0, 2)))
