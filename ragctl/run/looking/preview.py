"""What a file becomes: reader, media type, text, structure and chunks. Nothing is stored."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.errors import (
    EmptyDocument,
    MissingPackage,
    TooLarge,
    Unavailable,
    UnreadableDocument,
    UsageError,
)
from ragctl.ports import Splitter
from ragctl.readers.auto import HEAD_BYTES, Choice
from ragctl.readers.nested import read_nested, skip_reason
from ragctl.readers.parts import PartFailed, PartSkipped
from ragctl.readers.segments import can_be_cut, first_look, segments_of
from ragctl.run.composition import Composition
from ragctl.stages.chunk import chunk
from ragctl.types import Chunk, Document, Item

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

SCHEMA_VERSION = 1
SHOWN_DOCUMENTS = 20
SHOWN_CHARACTERS = 2000


@dataclass(slots=True)
class PreviewedDocument:
    """One document, and its chunks; None if they cannot be counted here."""

    document: Document
    chunks: tuple[Chunk, ...] | None

    def as_json(self, *, full: bool) -> dict[str, Any]:
        document, text = self.document, self.document.text
        return {
            "path": document.path,
            "title": document.title,
            "title_is_fallback": document.title_is_fallback,
            "media_type": document.media_type,
            "reader": document.reader,
            "characters": len(text),
            "offset": document.offset,
            "metadata": dict(document.metadata),
            "sections": [asdict(one) for one in document.sections],
            "blocks": [asdict(one) for one in document.blocks],
            "anchors": [asdict(one) for one in document.anchors],
            "text": text if full else text[:SHOWN_CHARACTERS],
            "text_is_whole": full or len(text) <= SHOWN_CHARACTERS,
            "chunks": None if self.chunks is None else [asdict(one) for one in self.chunks],
        }


@dataclass(slots=True)
class Preview:
    """What a file becomes.

    Attributes:
        media_type: what its content and name say that it is; None if that is nothing that is read here.
        note: content and name do not agree.
        skipped: why it has no document.
        documents: the first of them; all if the whole was asked for.
        document_count, characters, chunk_count, tokens: of all of them; the last two None if the model's
            tokens cannot be counted here, for the reason `not_chunked`.
    """

    file: str
    size: int
    media_type: str | None = None
    reader: str | None = None
    note: str = ""
    skipped: str = ""
    documents: list[PreviewedDocument] = field(default_factory=list)
    document_count: int = 0
    characters: int = 0
    chunk_count: int | None = 0
    tokens: int | None = 0
    longest: int = 0
    not_chunked: str = ""
    parts_failed: list[PartFailed] = field(default_factory=list)
    parts_skipped: list[PartSkipped] = field(default_factory=list)

    def as_json(self, *, full: bool) -> dict[str, Any]:
        """The document that `--format json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "file": self.file,
            "bytes": self.size,
            "media_type": self.media_type,
            "reader": self.reader,
            "note": self.note or None,
            "skipped": self.skipped or None,
            "document_count": self.document_count,
            "characters": self.characters,
            "chunk_count": self.chunk_count,
            "tokens": self.tokens,
            "longest_chunk_tokens": self.longest,
            "not_chunked": self.not_chunked or None,
            "documents": [one.as_json(full=full) for one in self.documents],
            "parts_failed": [{"path": one.path, "reason": one.reason} for one in self.parts_failed],
            "parts_skipped": [{"path": one.path, "reason": one.reason} for one in self.parts_skipped],
        }


def default_spec(file: Path) -> LoadedSpec:
    """A spec with every key at its default, whose source is the file's folder."""
    from ragctl.spec.load import load_spec

    source = {"type": "directory", "path": str(file.resolve().parent), "name": "files"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "preview.yaml"
        path.write_text(json.dumps({"name": "preview", "sources": [source]}), encoding="utf-8")
        return load_spec(path)


def preview(loaded: LoadedSpec, file: Path, *, full: bool = False) -> Preview:
    """Reads and chunks the file as an ingest of the spec would.

    Args:
        full: keep every document, and not only the first.

    Raises:
        UsageError: there is no such file.
        DocumentError: it cannot be read, is too large, or is not what it should be.
    """
    if not file.is_file():
        what = "is no regular file" if file.exists() else "is not there"
        raise UsageError(f"the file {what}", where=str(file))
    with Composition(loaded) as composition:
        return _Previewing(composition, file, full).preview()


class _Previewing:
    def __init__(self, composition: Composition, file: Path, full: bool) -> None:
        self._composition = composition
        self._file = file
        self._full = full
        size = file.stat().st_size
        self._item = Item("files", file.name, file.resolve().as_uri(), "", size=size)
        self._found = Preview(str(file), size)
        self._splitter = self._make_splitter()

    def preview(self) -> Preview:
        readers = self._composition.document_readers
        readers.check(self._note)
        most = self._composition.spec.extract.max_bytes
        large = self._found.size > most
        content = self._read(HEAD_BYTES if large else most)
        choice = readers.choose(self._item, content)
        found = self._found
        found.media_type = choice.media_type
        if choice.note:
            self._note(choice.note)
        if choice.reader is None or not content.strip():
            found.skipped = choice.reason or "it is empty"
            return found
        found.reader = f"{choice.reader.name}@{choice.reader.output_version}"
        try:
            for document in self._segments(choice, most) if large else self._documents(choice, content):
                self._add(document)
        except MissingPackage as error:
            found.skipped = skip_reason(error)
        except EmptyDocument as error:
            found.skipped = f"{error.message}; {error.hint}" if error.hint else error.message
        return found

    def _note(self, text: str) -> None:
        self._found.note = "; ".join(filter(None, (self._found.note, text.removeprefix("note: "))))

    def _read(self, most: int) -> bytes:
        try:
            with self._file.open("rb") as stream:
                return stream.read(most)
        except OSError as error:
            raise UnreadableDocument(f"it cannot be read: {error.strerror}", where=str(self._file)) from None

    def _documents(self, choice: Choice, content: bytes) -> Iterator[Document]:
        assert choice.reader is not None
        for found in read_nested(
            choice.reader, self._item, content, self._composition.document_readers.choose
        ):
            if isinstance(found, Document):
                yield found
            elif isinstance(found, PartFailed):
                self._found.parts_failed.append(found)
            else:
                self._found.parts_skipped.append(found)

    def _segments(self, choice: Choice, most: int) -> Iterator[Document]:
        assert choice.reader is not None
        if not can_be_cut(choice.reader):
            raise TooLarge(
                f"it is larger than extract.max_bytes ({most:,} bytes), and only plain text, CSV, TSV and "
                "JSON Lines are read in segments",
                where=str(self._file),
            )
        encodings = self._composition.spec.extract.encodings
        look = first_look(lambda: self._file.open("rb"), choice.reader.name, encodings)
        yield from segments_of(self._item, lambda: self._file.open("rb"), choice.reader, look)

    def _add(self, document: Document) -> None:
        found = self._found
        found.document_count += 1
        found.characters += len(document.text)
        chunks = None
        if self._splitter is not None:
            chunks = tuple(one for chunked in chunk([document], self._splitter) for one in chunked.chunks)
            found.chunk_count = (found.chunk_count or 0) + len(chunks)
            found.tokens = (found.tokens or 0) + sum(one.tokens for one in chunks)
            found.longest = max([found.longest, *(one.tokens for one in chunks)])
        if self._full or len(found.documents) < SHOWN_DOCUMENTS:
            found.documents.append(PreviewedDocument(document, chunks))

    def _make_splitter(self) -> Splitter | None:
        try:
            return self._composition.splitter
        except Unavailable as error:  # no model here: the rest can be shown all the same
            self._found.not_chunked = f"{error.message}; {error.hint}" if error.hint else error.message
            self._found.chunk_count = self._found.tokens = None
            return None
