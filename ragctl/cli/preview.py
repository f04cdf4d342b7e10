"""ragctl preview."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragctl.cli.options import Format, FormatOption, SetOption, load
from ragctl.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from ragctl.run.looking.preview import Preview, PreviewedDocument
    from ragctl.types import Document

HEAD_LINES = 12
SECTIONS_SHOWN = 20
PARTS_SHOWN = 20


def register(app: typer.Typer) -> None:
    app.command(
        "preview",
        short_help="Show what a file would become.",
        epilog="Example: ragctl preview report.pdf docs.yaml",
    )(preview)


def preview(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to read.", show_default=False)],
    spec: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SPEC]", help="The spec, a YAML file; the defaults without.", show_default=False
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Print the whole text, and every document, section and chunk.")
    ] = False,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
) -> None:
    """Show what a file would become: reader, media type, structure, text, and chunks with their tokens."""
    from ragctl.cli.output import data_console, print_json
    from ragctl.run.looking.preview import default_spec
    from ragctl.run.looking.preview import preview as preview_file

    if spec is None and overrides:
        raise UsageError(
            "--set changes a value of a spec, and none is given", hint="ragctl preview FILE SPEC"
        )
    loaded = default_spec(file) if spec is None else load(spec, overrides)
    found = preview_file(loaded, file, full=full)
    if output is Format.JSON:
        print_json(found.as_json(full=full))
    else:
        _print(data_console(), found, full)


def _print(console: Console, found: Preview, full: bool) -> None:
    def line(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    console.print(f"{found.file}  ({found.size:,} bytes)", style="bold", markup=False, soft_wrap=True)
    line(f"  media type  {found.media_type or 'unknown'}")
    if found.note:
        line(f"  note        {found.note}")
    if found.skipped:
        line(f"  skipped     {found.skipped}")
        return
    line(f"  reader      {found.reader}")
    for text in _totals(found):
        line(text)
    for one in found.documents:
        line("")
        _print_document(console, one, full)
    if found.document_count > len(found.documents):
        line(
            f"\n… and {found.document_count - len(found.documents):,} more documents; --full prints them all"
        )
    _print_parts(console, found)


def _totals(found: Preview) -> list[str]:
    from ragctl.cli.output import counted

    lines = []
    if found.document_count != 1:
        lines.append(f"  documents   {found.document_count:,}, {found.characters:,} characters")
    if found.chunk_count is None:
        lines.append(f"  chunks      cannot be counted here: {found.not_chunked}")
    else:
        lines.append(
            f"  chunks      {found.chunk_count:,}, {counted(found.tokens or 0, 'token')}, "
            f"the longest {found.longest:,}"
        )
    return lines


def _print_document(console: Console, one: PreviewedDocument, full: bool) -> None:
    from rich.text import Text

    from ragctl.cli.output import print_indented, visible

    document = one.document
    console.print(document.path, style="bold", markup=False, soft_wrap=True)
    for text in _facts(document):
        console.print(text, markup=False, soft_wrap=True)
    for text in _structure(document, full):
        console.print(text, markup=False, soft_wrap=True)
    head = document.text if full else "\n".join(document.text.split("\n", HEAD_LINES)[:HEAD_LINES])[:2000]
    console.print("  text", markup=False)
    print_indented(console, Text(visible(head)))
    if len(head) < len(document.text):
        console.print(
            f"    … {len(document.text) - len(head):,} more characters; --full prints them", markup=False
        )
    for number, chunk in enumerate(one.chunks or ()):
        if number >= SECTIONS_SHOWN and not full:
            console.print(
                f"  … and {len(one.chunks or ()) - number:,} more chunks; --full prints them", markup=False
            )
            break
        place = _place(chunk.line, chunk.page, chunk.sheet)
        console.print(
            f"  chunk {chunk.ordinal}  characters {chunk.start}-{chunk.end}{place}, {chunk.tokens} tokens  "
            f"{' > '.join(chunk.headings)}",
            style="cyan",
            markup=False,
            soft_wrap=True,
        )


def _facts(document: Document) -> list[str]:
    lines = []
    if document.media_type:
        lines.append(f"  media type  {document.media_type}, read by {document.reader}")
    made = "  (made of the file name: no part of any embed input)" if document.title_is_fallback else ""
    lines.append(f"  title       {document.title}{made}")
    size = f"{len(document.text):,} characters, {document.text.count(chr(10)) + 1:,} lines"
    after = f", after {document.offset:,} others of the file" if document.offset else ""
    lines.append(f"  text        {size}{after}")
    pages = {one.page for one in document.anchors if one.page is not None}
    sheets = [one.sheet for one in document.anchors if one.sheet is not None]
    if pages:
        lines.append(f"  pages       {min(pages)}-{max(pages)}")
    if sheets:
        lines.append(f"  sheets      {', '.join(dict.fromkeys(sheets))}")
    if document.metadata:
        lines.append(f"  metadata    {dict(document.metadata)}")
    return lines


def _structure(document: Document, full: bool) -> list[str]:
    lines = []
    headed = [one for one in document.sections if one.headings]
    for number, one in enumerate(headed):
        if number >= SECTIONS_SHOWN and not full:
            lines.append(f"              … and {len(headed) - number:,} more; --full prints them")
            break
        label = "  sections   " if number == 0 else "             "
        lines.append(f"{label} {one.start}-{one.end}  {'  ' * (len(one.headings) - 1)}{one.headings[-1]}")
    for number, block in enumerate(document.blocks):
        if number >= SECTIONS_SHOWN and not full:
            lines.append(f"              … and {len(document.blocks) - number:,} more; --full prints them")
            break
        label = "  blocks     " if number == 0 else "             "
        header = f"  {block.header}" if block.header else ""
        lines.append(f"{label} {block.start}-{block.end}  {block.kind}{header}")
    return lines


def _place(line: int | None, page: int | None, sheet: str | None) -> str:
    found = [f"line {line}"] if line is not None else []
    found += [f"page {page}"] if page is not None else []
    found += [f"sheet {sheet}"] if sheet is not None else []
    return f", {', '.join(found)}" if found else ""


def _print_parts(console: Console, found: Preview) -> None:
    for label, parts in (("failed", found.parts_failed), ("skipped", found.parts_skipped)):
        for part in parts[:PARTS_SHOWN]:
            console.print(f"  {label:<10}  {part.path}: {part.reason}", markup=False, soft_wrap=True)
        if len(parts) > PARTS_SHOWN:
            console.print(f"  {label:<10}  and {len(parts) - PARTS_SHOWN:,} more", markup=False)
