"""The model of a spec's section `extract`: how documents are read."""

from __future__ import annotations

import codecs
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ragctl.spec.names import FORMAT
from ragctl.spec.section import Section, wrong
from ragctl.spec.sizes import MIB, Bytes

ReaderName = Literal[
    "text",
    "markdown",
    "rst",
    "html",
    "org",
    "delimited",
    "json",
    "json_lines",
    "xml",
    "notebook",
    "code",
    "mail",
    "outlook",
    "pdf",
    "docx",
    "pptx",
    "xlsx",
    "odf",
    "rtf",
    "epub",
    "legacy_office",
    "ocr",
    "archive",
    "unstructured",
]
"""Readers that a spec may choose; a test holds that they are those of `readers.table`."""


def _encoding(value: Any) -> Any:
    if isinstance(value, str):
        try:
            text = codecs.lookup(value)._is_text_encoding  # of no name that is public
        except (LookupError, ValueError):
            raise wrong(("", "is no encoding that Python knows, such as cp1251 or shift_jis")) from None
        if not text or value.lower() in ("utf-7", "utf7", "unicode_escape", "raw_unicode_escape", "idna"):
            raise wrong(("", "is no encoding of text files, such as cp1251 or shift_jis"))
    return value


Encoding = Annotated[str, BeforeValidator(_encoding)]
FormatName = Annotated[str, Field(pattern=FORMAT)]


class ReadLimits(Section):
    """What reading one file may take; one that takes more fails by name. Of readers in worker processes."""

    example = "{seconds: 60, memory: 1 GiB}"

    seconds: float = Field(default=300.0, ge=0.1, le=86_400, description="By the clock.")
    memory: Bytes = Field(
        default=2048 * MIB,
        description="Memory of the worker process, in bytes or as a size. Linux enforces it; on macOS it is "
        "looked at four times a second; on Windows there is no such limit.",
    )
    output: Bytes = Field(
        default=256 * MIB, description="Characters of text, and bytes of attachments, that may come of it."
    )


class UnstructuredSettings(Section):
    """Options of the `unstructured` reader."""

    example = "{strategy: fast, languages: [eng, deu]}"

    strategy: Literal["auto", "fast", "hi_res", "ocr_only"] = Field(
        default="auto", description="How Unstructured reads PDF and images; hi_res and ocr_only need more."
    )
    languages: tuple[Annotated[str, Field(pattern=r"^[a-zA-Z_-]{2,20}$")], ...] = Field(
        default=(),
        description="Languages of the texts, for OCR as Tesseract names them; found out if left empty.",
    )


class ExtractSettings(Section):
    """How documents are read."""

    example = "{reader: auto}"

    reader: Literal["auto", "unstructured"] = Field(
        default="auto",
        description="What reads a file: `auto` chooses by its content and name; `unstructured` reads all of "
        "them with Unstructured.",
    )
    readers: dict[FormatName, ReaderName] = Field(
        default={},
        description="Other readers, by media type or by suffix in small letters, as in "
        "`{.conf: text, application/pdf: unstructured}`. A suffix comes before a media type.",
    )
    encodings: tuple[Encoding, ...] = Field(
        default=(),
        description="Encodings to try, in order, for text that is not UTF-8; guessed if none of them fits.",
    )
    max_bytes: Bytes = Field(
        default=64 * MIB,
        description="The largest file or record that is read as one, in bytes or as a size such as `64 MiB`. "
        "Of a larger one, plain text, CSV, TSV and JSON Lines are read in segments; any other fails by name. "
        "Changing it makes no new generation.",
    )
    limits: ReadLimits = ReadLimits()
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Worker processes that read files of heavy formats at the same time.",
    )
    unstructured: UnstructuredSettings = UnstructuredSettings()
