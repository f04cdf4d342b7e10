"""Every reader by name: the class, what it takes, and where it runs. Imports none of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal

from ragctl.errors import MissingPackage
from ragctl.readers import kinds
from ragctl.readers.parts import FormatReader
from ragctl.types import RECORD_MEDIA_TYPE

LARGE_BYTES = 1 << 20
FORMATS_EXTRA = "formats"


@dataclass(frozen=True, slots=True)
class Entry:
    """One reader.

    Attributes:
        module, cls: the class, imported when something is read.
        takes: media types.
        where: it runs in this process (`inline`), in a worker process, or in one if there are more than
            `LARGE_BYTES`.
        version: the class's `output_version`, here so that a recipe is made without importing it.
        since_first: it was there when the first indexes were made, and is named by every recipe.
        encodings: its constructor takes `encodings`.
        program: its module has `available() -> str | None`: why it cannot be used here.
        extra: of the ragctl package, brings its libraries.
    """

    module: str
    cls: str
    takes: tuple[str, ...]
    where: Literal["inline", "worker", "large"] = "inline"
    version: int = 1
    since_first: bool = False
    encodings: bool = False
    program: bool = False
    extra: str | None = None


def _worker(module: str, cls: str, *takes: str, program: bool = False, encodings: bool = False) -> Entry:
    return Entry(
        module, cls, takes, where="worker", program=program, encodings=encodings, extra=FORMATS_EXTRA
    )


READERS: Mapping[str, Entry] = {
    "text": Entry("plain_text", "PlainTextReader", (kinds.TEXT,), since_first=True, encodings=True),
    "markdown": Entry("markdown", "MarkdownReader", (kinds.MARKDOWN,), since_first=True, encodings=True),
    "rst": Entry(
        "restructured_text", "RestructuredTextReader", (kinds.RST,), since_first=True, encodings=True
    ),
    "html": Entry("html", "HtmlReader", (kinds.HTML,), version=2, since_first=True, encodings=True),
    "record": Entry("record", "RecordReader", (RECORD_MEDIA_TYPE,)),
    "org": Entry("org", "OrgReader", (kinds.ORG,), encodings=True),
    "delimited": Entry("delimited", "DelimitedReader", (kinds.CSV, kinds.TSV), where="large", encodings=True),
    "json": Entry("json_document", "JsonReader", (kinds.JSON,), encodings=True),
    "json_lines": Entry("json_lines", "JsonLinesReader", (kinds.JSON_LINES,), encodings=True),
    "xml": Entry("xml_document", "XmlReader", (kinds.XML,), encodings=True),
    "notebook": Entry("notebook", "NotebookReader", (kinds.NOTEBOOK,), encodings=True),
    "code": Entry("source_code", "SourceCodeReader", (kinds.CODE,), encodings=True),
    "mail": _worker("mail", "MailReader", kinds.MAIL, encodings=True),
    "outlook": _worker("outlook", "OutlookReader", kinds.MSG),
    "pdf": _worker("pdf", "PdfReader", kinds.PDF),
    "docx": _worker("docx", "DocxReader", kinds.DOCX),
    "pptx": _worker("pptx", "PptxReader", kinds.PPTX),
    "xlsx": _worker("xlsx", "XlsxReader", kinds.XLSX, kinds.XLS),
    "odf": _worker("odf", "OpenDocumentReader", *kinds.OPEN_DOCUMENT),
    "rtf": _worker("rtf", "RtfReader", kinds.RTF),
    "epub": _worker("epub", "EpubReader", kinds.EPUB),
    "legacy_office": _worker("legacy_office", "LegacyOfficeReader", kinds.DOC, kinds.PPT, program=True),
    "ocr": _worker("ocr", "ImageReader", *kinds.IMAGES, program=True),
    "archive": Entry("containers", "ArchiveReader", kinds.ARCHIVES),
    "encrypted_office": Entry("encrypted_office", "EncryptedOfficeReader", (kinds.ENCRYPTED_OFFICE,)),
    "unstructured": Entry(
        "unstructured_partition", "UnstructuredReader", (), where="worker", extra="unstructured"
    ),
}
BY_KIND = {kind: name for name, entry in READERS.items() for kind in entry.takes}


def made(name: str, options: Mapping[str, Any]) -> FormatReader:
    """The reader of that name.

    Raises:
        MissingPackage: a library that its module needs is not installed.
    """
    entry = READERS[name]
    try:
        reader: FormatReader = getattr(import_module(f"ragctl.readers.{entry.module}"), entry.cls)(**options)
    except ModuleNotFoundError as error:
        raise missing_library(name, error) from error
    return reader


def missing_library(name: str, error: ModuleNotFoundError) -> MissingPackage:
    """What is said where a library is not installed."""
    extra = READERS[name].extra
    return MissingPackage(
        f"the reader {name!r} needs the Python package {error.name!r}, which is not installed",
        hint=f"pip install 'ragctl[{extra}]'" if extra else "pip install ragctl",
    )


@cache
def lacking(name: str) -> str:
    """Why the reader cannot be used here, for want of a program; empty if it can."""
    entry = READERS[name]
    if not entry.program:
        return ""
    return import_module(f"ragctl.readers.{entry.module}").available() or ""


def options_of(
    name: str, encodings: Sequence[str] = (), unstructured: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Arguments of its constructor: only what is not the default."""
    if name == "unstructured":
        return dict(unstructured or {})
    return {"encodings": tuple(encodings)} if encodings and READERS[name].encodings else {}


def reader_versions() -> dict[str, int]:
    """Name → `output_version` of every reader. Imports none."""
    return {name: entry.version for name, entry in READERS.items()}


def recipe_readers(*, records: bool, named: Iterable[str] = ()) -> dict[str, int]:
    """Of `reader_versions`, those that a recipe names. A later version of a reader makes another recipe.

    The four readers that were there when the first indexes were made are always named. One that came later
    is named from its second version on: its first read what nothing had read before, so an index without it
    holds nothing that it would read in another way, and the recipes of indexes made before are what they
    were.

    Args:
        records: does some source give records? If none does, the `record` reader is never named.
        named: readers that the spec names.
    """
    return {
        name: entry.version
        for name, entry in READERS.items()
        if entry.since_first or name in named or (entry.version != 1 and (records or name != "record"))
    }
