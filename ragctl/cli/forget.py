"""ragctl forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, load

if TYPE_CHECKING:
    from ragctl.run.upkeep.forget import Forgotten


def register(app: typer.Typer) -> None:
    app.command(
        "forget",
        short_help="Remove a document everywhere.",
        epilog="Example: ragctl forget docs.yaml guide/install.md",
    )(forget)


def forget(
    spec: SpecArgument,
    document: Annotated[
        str, typer.Argument(metavar="DOCUMENT", help="Its path, or source:path.", show_default=False)
    ],
    unused_vectors: Annotated[
        bool,
        typer.Option(
            "--unused-vectors",
            help="Remove every cached vector that belongs to no chunk any more, too.",
        ),
    ] = False,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
) -> None:
    """Remove a document from all generations, the ledger, kept texts, cached vectors and run records.

    The file itself is left alone.
    """
    from ragctl.cli.output import print_json, talk
    from ragctl.run.upkeep.forget import forget as run_forget

    done = run_forget(load(spec, overrides), document, unused_vectors=unused_vectors)
    if output is Format.JSON:
        print_json(done.as_json())
    else:
        _print_forgotten(done)
    talk(
        "note: the next ingest adds it again if its source still lists it; "
        "name it under the source's `exclude` to keep it out"
    )
    if done.unused_vectors and not done.unused_vectors_removed:
        talk(
            f"note: {done.unused_vectors:,} cached vectors belong to no chunk; an older version of the "
            "document may have left some of them: --unused-vectors removes them all"
        )


def _print_forgotten(done: Forgotten) -> None:
    from ragctl.cli.output import data_console

    lines = [f"{done.source}: {done.item} has been forgotten"]
    for one in done.generations:
        place = f"generation {one.generation} ({one.status})"
        lines.append(f"  {place:<26} {one.documents:,} documents, {one.chunks:,} chunks")
    lines += [
        f"  {'kept texts':<26} {done.texts:,}",
        f"  {'kept answers':<26} {done.answers:,}",
        f"  {'cached vectors':<26} {done.vectors:,}",
        f"  {'run records':<26} {done.run_records:,}",
    ]
    if done.unused_vectors_removed:
        lines.append(f"  {'unused vectors':<26} {done.unused_vectors:,}")
    console = data_console()
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
