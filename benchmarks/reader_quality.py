"""Reading files of many formats: what becomes of each, in how long, and how near its text is to a reference.

    python benchmarks/reader_quality.py FOLDER [--formats pdf,docx] [--files] [--json OUT]

FOLDER is searched for files. The reference of `a.docx` is looked for as `groundtruth/a.docx.md` or
`groundtruth/a.md` beside its folder `sources`, that of a PDF also as `expected_outputs/a.md` beside it.
ragctl's own reader is compared with every library named in `RIVALS` that is installed, side by side in one
process, so that the seconds can be compared though not taken for more.

Words are runs of letters and digits, case and compatibility forms folded. Recall and precision count words
as a bag; order is twice the longest common subsequence of words over the sum of both lengths, so it is 1 only
if the same words come in the same order. The mean over files is given, each file weighing the same.
"""

from __future__ import annotations

import argparse
import html
import io
import json
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ragctl.errors import EmptyDocument, RagctlError
from ragctl.readers.auto import reader_for
from ragctl.types import Document, Item

_MARKUP = re.compile(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)|(?<=\])\([^)]*\)", re.S)
_WORD = re.compile(r"\w+")
_MOST_ORDERED = 20_000
"""Words of a text whose order is compared."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file with one reader. Without a reference, the three ratios are None."""

    file: str
    format: str
    reader: str
    seconds: float
    words: int = 0
    reason: str = ""
    recall: float | None = None
    precision: float | None = None
    order: float | None = None

    @property
    def result(self) -> str:
        if not self.reason:
            return "read"
        return next((one for one in ("skipped", "no text") if self.reason.startswith(one)), "failed")


class Skipped(Exception):
    """No reader takes the file."""


def by_ragctl(path: Path, data: bytes) -> str:
    """All documents of the file, one after another."""
    item = Item("files", path.name, path.as_uri(), "f")
    choice = reader_for(item, data)
    if choice.reader is None:
        raise Skipped(choice.reason)
    return "\n".join(one.text for one in choice.reader.read(item, data) if isinstance(one, Document))


def by_pypdf(path: Path, data: bytes) -> str:
    from pypdf import PdfReader

    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def by_pdfium_alone(path: Path, data: bytes) -> str:
    """PDFium's own text, without what ragctl makes of it."""
    import pypdfium2

    with pypdfium2.PdfDocument(data) as file:
        return "\n".join(page.get_textpage().get_text_range() for page in file)


def by_python_docx(path: Path, data: bytes) -> str:
    from docx import Document as Docx
    from docx.table import Table

    lines: list[str] = []
    for block in Docx(io.BytesIO(data)).iter_inner_content():
        if isinstance(block, Table):
            lines += [" | ".join(cell.text for cell in row.cells) for row in block.rows]
        else:
            lines.append(block.text)
    return "\n".join(lines)


def by_python_pptx(path: Path, data: bytes) -> str:
    from pptx import Presentation

    lines: list[str] = []
    for slide in Presentation(io.BytesIO(data)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                lines.append(shape.text_frame.text)
            if shape.has_table:
                lines += [" | ".join(cell.text for cell in row.cells) for row in shape.table.rows]
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame:
            lines.append(slide.notes_slide.notes_text_frame.text)
    return "\n".join(lines)


def by_openpyxl(path: Path, data: bytes) -> str:
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    return "\n".join(
        " | ".join("" if value is None else str(value) for value in row)
        for sheet in book.worksheets
        for row in sheet.iter_rows(values_only=True)
    )


def by_trafilatura(path: Path, data: bytes) -> str:
    import trafilatura

    return trafilatura.extract(data, include_tables=True, include_comments=False) or ""


def by_trafilatura_for_recall(path: Path, data: bytes) -> str:
    import trafilatura

    return trafilatura.extract(data, include_tables=True, include_comments=False, favor_recall=True) or ""


def by_readability(path: Path, data: bytes) -> str:
    import readability
    from lxml import html as tree

    found = readability.Document(data.decode("utf-8", "replace")).summary()
    return "\n".join(tree.fromstring(found).itertext())


Reader = Callable[[Path, bytes], str]
RIVALS: Mapping[str, Mapping[str, Reader]] = {
    "pdf": {"pdfium alone": by_pdfium_alone, "pypdf": by_pypdf},
    "docx": {"python-docx": by_python_docx},
    "pptx": {"python-pptx": by_python_pptx},
    "xlsx": {"openpyxl": by_openpyxl},
    "html": {
        "trafilatura": by_trafilatura,
        "trafilatura, favor_recall": by_trafilatura_for_recall,
        "readability": by_readability,
    },
}
"""Suffix → other readers. A library that is not installed is left out."""


def words(text: str) -> list[str]:
    text = html.unescape(_MARKUP.sub(" ", text)).replace("\\_", "_")
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def compared(got: Sequence[str], wanted: Sequence[str]) -> tuple[float, float, float]:
    """Recall, precision and order."""
    common = (Counter(got) & Counter(wanted)).total()
    total = len(got) + len(wanted)
    shared = _common_in_order(got[:_MOST_ORDERED], wanted[:_MOST_ORDERED])
    cut = min(len(got), _MOST_ORDERED) + min(len(wanted), _MOST_ORDERED)
    return common / max(len(wanted), 1), common / max(len(got), 1), 2 * shared / cut if total else 1.0


def _common_in_order(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence: bit-parallel (Hyyrö, 2004), one integer a row."""
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | (1 << index)
    every = (1 << len(first)) - 1
    row = every
    for word in second:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & every
    return len(first) - row.bit_count()


def reference_of(path: Path) -> Path | None:
    """The reference output of a file, if there is one."""
    truth = path.parent.parent / "groundtruth"
    names = [path.parent / "test_evaluate_files" / "gold_standard_cct" / f"{path.name}.txt"]
    if path.parent.name == "sources":
        names += [truth / f"{path.name}.md", truth / f"{path.stem}.md"]
    if _format_of(path) == "pdf":  # those beside other formats are of the PDF of the same name
        names.append(path.parent / "expected_outputs" / f"{path.stem}.md")
    return next((one for one in names if one.is_file()), None)


def outcome(path: Path, name: str, reader: Reader, root: Path) -> Outcome | None:
    """None if the reader's library is not installed."""
    data = path.read_bytes()
    kind, file = _format_of(path), path.relative_to(root).as_posix()
    began = time.perf_counter()
    try:
        text = reader(path, data)
    except ModuleNotFoundError:
        return None
    except Skipped as error:
        return Outcome(file, kind, name, time.perf_counter() - began, reason=f"skipped: {error}")
    except EmptyDocument as error:
        return Outcome(file, kind, name, time.perf_counter() - began, reason=f"no text: {error.message}")
    except RagctlError as error:
        return Outcome(file, kind, name, time.perf_counter() - began, reason=error.message)
    except Exception as error:  # other libraries raise anything
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:120]
        return Outcome(file, kind, name, time.perf_counter() - began, reason=reason)
    seconds = time.perf_counter() - began
    got = words(text)
    reference = reference_of(path)
    if reference is None:
        return Outcome(file, kind, name, seconds, len(got))
    wanted = words(reference.read_text(encoding="utf-8", errors="replace"))
    if not wanted:  # what made the reference saw no text, as in a scan
        return Outcome(file, kind, name, seconds, len(got))
    ratios = compared(got, wanted)
    return Outcome(file, kind, name, seconds, len(got), "", *ratios)


def _format_of(path: Path) -> str:
    return path.suffix.lower().lstrip(".") or "none"


def files_in(folder: Path, formats: Iterable[str]) -> list[Path]:
    wanted = set(formats)
    skipped = {"groundtruth", "expected_outputs", "test_evaluate_files"}
    found = (path for path in folder.rglob("*") if path.is_file() and not skipped & set(path.parts))
    return sorted(path for path in found if not wanted or _format_of(path) in wanted)


def _mean(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.3f}" if known else "-"


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """A table in Markdown: a row for each format and reader."""
    lines = [
        "| Format | Reader | Files | Read | Skipped | No text | Failed | Seconds "
        "| With reference | Recall | Precision | Order |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for key in dict.fromkeys((one.format, one.reader) for one in outcomes):
        rows = [one for one in outcomes if (one.format, one.reader) == key]
        results = Counter(one.result for one in rows)
        lines.append(
            f"| {key[0]} | {key[1]} | {len(rows)} | {results['read']} | {results['skipped']} "
            f"| {results['no text']} | {results['failed']} | {sum(one.seconds for one in rows):.2f} "
            f"| {sum(one.recall is not None for one in rows)} | {_mean(one.recall for one in rows)} "
            f"| {_mean(one.precision for one in rows)} | {_mean(one.order for one in rows)} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--formats", default="", help="suffixes, joined by commas; all, if not given")
    parser.add_argument("--files", action="store_true", help="print a line for each file too")
    parser.add_argument("--json", type=Path, help="write every outcome to this file")
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    for path in files_in(options.folder.resolve(), filter(None, options.formats.split(","))):
        readers = {"ragctl": by_ragctl, **RIVALS.get(_format_of(path), {})}
        for name, reader in readers.items():
            one = outcome(path, name, reader, options.folder.resolve())
            if one is None:
                continue
            outcomes.append(one)
            if options.files:
                line = f"{one.reader:12}  {one.file}  {one.reason}"
                ratios = " ".join(_mean([value]) for value in (one.recall, one.precision, one.order))
                print(f"{one.seconds:7.3f} s  {ratios}  {line}", flush=True)
    outcomes.sort(key=lambda one: one.format)
    print("\n".join(summary(outcomes)))
    if options.json:
        rows = [asdict(one) for one in outcomes]
        options.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
