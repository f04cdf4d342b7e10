"""From an item to its documents: unchanged, skipped, found among the kept texts, or read."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ragctl.errors import EmptyDocument, MalformedDocument, TooLarge, UnreadableDocument
from ragctl.readers.auto import HEAD_BYTES, Choice
from ragctl.readers.media_types import suffix_of
from ragctl.readers.nested import skip_reason
from ragctl.readers.parts import PartFailed, PartSkipped
from ragctl.readers.segments import FirstLook, can_be_cut, first_look, segments_of
from ragctl.readers.table import READERS
from ragctl.run.composition import Composition
from ragctl.run.ingesting.format_tally import FormatTally
from ragctl.run.ingesting.item_parts import digest_of_part
from ragctl.run.ingesting.parsing import Ahead, ToParse, parse
from ragctl.stages.extract import Segments
from ragctl.state.texts import TextCache
from ragctl.types import Document, Failure, Item, ItemKey, LedgerItem


@dataclass(slots=True)
class InParts:
    """An item that gave other than one document of its own path.

    Attributes:
        digest: of its bytes; None if its documents come from kept texts.
        documents: paths of what it gave.
        failed: paths of parts that could not be read.
    """

    item: Item
    digest: str | None
    documents: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told of what becomes of items.

    Attributes:
        unchanged: an item whose bytes are those that are stored, and their digest.
        skipped: an item that has no reader, and why.
        kept: an item that has changed, and whose stored version stays (`existing: skip`).
        part_failed: a part that cannot be read, and the item it is in.
        part_skipped: the same of one that has no reader: its path and why.
        in_parts: an item that is not one document, before its documents go on. It is stored only when
            `settling` has seen it, after they have been written.
    """

    unchanged: Callable[[Item, str], None]
    skipped: Callable[[Item, str], None]
    kept: Callable[[Item], None]
    part_failed: Callable[[Failure, Item], None] = lambda failure, item: None
    part_skipped: Callable[[Item, str, str], None] = lambda item, path, reason: None
    in_parts: Callable[[InParts], None] = lambda parts: None


class ItemReader:
    """Called with an item, it gives the item's documents; none if there is nothing to be done about it.

    Args:
        ledger: what is known of the items.
        texts: documents that were extracted before.
        in_index: items that somebody can find now, in whatever generation: they are not skipped.
        tell: see there.
        as_planned: are these the bytes (their digest) that the plan was made with?

    Attributes:
        tally: what was read, by format.
        texts_found: items whose documents were kept from an earlier reading.
    """

    def __init__(
        self,
        composition: Composition,
        ledger: Mapping[ItemKey, LedgerItem],
        texts: TextCache,
        *,
        in_index: Container[ItemKey],
        tell: Listeners,
        as_planned: Callable[[Item, str], bool] = lambda item, digest: True,
    ) -> None:
        self._sources = {source.name: source for source in composition.sources}
        self._readers = composition.document_readers
        self._readers.check(composition.tell)
        self._ahead = Ahead(self._readers, self._decide, composition.spec.extract.workers)
        self._max_bytes = composition.spec.extract.max_bytes
        self._encodings = composition.spec.extract.encodings
        self._ledger = ledger
        self._texts = texts
        self._in_index = in_index
        self._tell = tell
        self._keep_stored = composition.spec.store.existing == "skip"
        self._as_planned = as_planned
        self.tally = FormatTally()
        self.texts_found = 0

    def __call__(self, item: Item) -> Iterable[Document]:
        """The item's documents; `Segments` of one that is too large to be read as one.

        Raises:
            DocumentError: it cannot be read, is too large, or is not what it should be.
        """
        decided = self._ahead.decided(item)
        return self._finish(decided) if isinstance(decided, ToParse) else decided

    def ahead(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items; with several workers, the next of them are being read while one is gone on with."""
        return self._ahead.items(items)

    def _decide(self, item: Item) -> Iterable[Document] | ToParse:
        """All that needs the ledger and the database: the documents, or what is to be parsed."""
        in_index = (item.source, item.path) in self._in_index
        choice = self._by_name(item, in_index)
        if choice.reader is None and choice.reason and not in_index:
            self._skip(item, choice)
            return ()
        row = self._ledger.get((item.source, item.path))
        stored = row is not None and row.stored
        kept = None if stored and self._keep_stored else self._texts.find(item)
        if kept is not None:
            self.texts_found += 1
            return self._noted(item, kept, None)
        if self._is_large(item):
            return self._large(item)
        data = self._bytes(item)
        digest = hashlib.sha256(data).hexdigest()
        if self._is_done(item, row, digest):
            return ()
        if not data.strip() and not in_index:
            self._skip(item, Choice(None, "it is empty", choice.media_type))
            return ()
        if not self._as_planned(item, digest):
            raise UnreadableDocument("it has changed since the plan was made")
        found = self._texts.find(item, digest)
        self.texts_found += bool(found)
        return self._noted(item, found, digest) if found else ToParse(item, data, digest, in_index)

    def _by_name(self, item: Item, in_index: bool) -> Choice:
        """By its name, or its first bytes where the name says nothing and only these decide about opening."""
        choice = self._readers.choose(item)
        if choice.reader is not None or choice.reason or in_index:
            return choice
        with self._sources[item.source].open(item) as stream:
            return self._readers.choose(item, stream.read(HEAD_BYTES))

    def _is_done(self, item: Item, row: LedgerItem | None, digest: str) -> bool:
        """Are these the bytes that are stored, all their parts included; or is what is stored to stay?"""
        if row is None or not row.stored:
            return False
        if row.digest == digest:
            self._tell.unchanged(item, digest)
            return True
        if self._keep_stored:
            self._tell.kept(item)
        return self._keep_stored

    def _skip(self, item: Item, choice: Choice, seconds: float = 0.0) -> None:
        self.tally.count(_format(item, choice), "skipped", seconds)
        self._tell.skipped(item, choice.reason)

    def _finish(self, begun: ToParse) -> list[Document]:
        item, digest, in_index = begun.item, begun.digest, begun.in_index
        parsed = begun.parsing.result() if begun.parsing else parse(self._readers, item, begun.data)
        choice, outcomes = parsed.choice, parsed.outcomes
        if choice.note:
            self.tally.mislabelled.append((item.source, item.path, choice.note))
        if parsed.lacks is not None:
            choice = Choice(None, skip_reason(parsed.lacks), choice.media_type)
        if isinstance(parsed.error, EmptyDocument) and not in_index and _may_be_hollow(choice):
            choice = Choice(None, _why_empty(parsed.error), choice.media_type)
        if choice.reader is None:
            return self._cannot(item, choice, in_index, parsed.seconds)
        self.tally.count(_format(item, choice), "failed" if parsed.error else "read", parsed.seconds)
        if parsed.error is not None:
            raise parsed.error
        documents = [one for one in outcomes if isinstance(one, Document)]
        several = [one.path for one in documents] != [item.path]
        documents = [_of_item(one, item, digest, several) for one in documents]
        parts = [one for one in outcomes if not isinstance(one, Document)]
        for part in parts:
            self._part(item, _hollow_part(part, in_index))
        if not documents:
            return self._hollow(item, in_index)
        failed = {one.path for one in parts if isinstance(one, PartFailed)}
        if not parts:  # else what became of them would be forgotten with the next look at the kept texts
            self._texts.keep(item, digest, documents)
        return self._noted(item, documents, digest, failed)

    def _cannot(self, item: Item, choice: Choice, in_index: bool, seconds: float) -> list[Document]:
        if in_index:
            raise MalformedDocument(f"it is in the index and can no longer be read: {choice.reason}")
        self._skip(item, choice, seconds)
        return []

    def _hollow(self, item: Item, in_index: bool) -> list[Document]:
        reason = "nothing in it can be read"
        if in_index:
            raise MalformedDocument(f"it is in the index, and by now {reason}")
        self._tell.skipped(item, reason)
        return []

    def _part(self, item: Item, part: PartFailed | PartSkipped) -> None:
        if isinstance(part, PartSkipped):
            self.tally.count(part.media_type or suffix_of(replace(item, path=part.path)) or "?", "skipped")
            self._tell.part_skipped(item, part.path, part.reason)
            return
        self.tally.count(suffix_of(replace(item, path=part.path)) or "?", "failed")
        failure = Failure(item.source, part.path, "extract", part.error, part.reason, part.retryable)
        self._tell.part_failed(failure, item)

    def _noted(
        self, item: Item, documents: list[Document], digest: str | None, failed: Iterable[str] = ()
    ) -> list[Document]:
        """Remembers an item that is more than one document."""
        paths = {one.path for one in documents}
        if paths != {item.path} or failed:
            self._tell.in_parts(InParts(item, digest, paths, set(failed)))
        return documents

    # What is too large to be held as a whole.

    def _is_large(self, item: Item) -> bool:
        return item.size is not None and item.size > self._max_bytes

    def _large(self, item: Item) -> Iterable[Document]:
        """Segments, or nothing if it is stored as it is."""
        source = self._sources[item.source]
        with source.open(item) as stream:
            head = stream.read(HEAD_BYTES)
        choice = self._readers.choose(item, head)
        if choice.reader is None or not can_be_cut(choice.reader):
            raise self._too_large()
        look = first_look(lambda: source.open(item), choice.reader.name, self._encodings)
        row = self._ledger.get((item.source, item.path))
        if self._is_done(item, row, look.digest):
            return ()
        if not self._as_planned(item, look.digest):
            raise UnreadableDocument("it has changed since the plan was made")
        parts = InParts(item, look.digest)
        self._tell.in_parts(parts)
        return Segments(self._segments(item, choice, look, parts))

    def _segments(self, item: Item, choice: Choice, look: FirstLook, parts: InParts) -> Iterator[Document]:
        assert choice.reader is not None
        source = self._sources[item.source]
        started = time.perf_counter()
        outcome = "failed"
        try:
            for document in segments_of(item, lambda: source.open(item), choice.reader, look):
                parts.documents.add(document.path)
                yield _of_item(document, item, look.digest, True)
            outcome = "read"
        finally:
            self.tally.count(_format(item, choice), outcome, time.perf_counter() - started)

    def _bytes(self, item: Item) -> bytes:
        with self._sources[item.source].open(item) as stream:
            data = stream.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            raise self._too_large()
        return data

    def _too_large(self) -> TooLarge:
        return TooLarge(f"it is larger than extract.max_bytes ({self._max_bytes:,} bytes)")


def _format(item: Item, choice: Choice) -> str:
    return choice.media_type or suffix_of(item) or "?"


def _may_be_hollow(choice: Choice) -> bool:
    """Is a document of that format whole though it has no text, as a photograph is?

    Of the formats for text that is not so: a page without any is one that a script fills, or was cut off.
    """
    return choice.reader is not None and not READERS[choice.reader.name].since_first


def _why_empty(error: EmptyDocument) -> str:
    """Why an item without text is skipped: with what would help, such as a program that reads pictures."""
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _hollow_part(part: PartFailed | PartSkipped, in_index: bool) -> PartFailed | PartSkipped:
    """A part without text is skipped, unless a version of it that had some may be in the index."""
    if isinstance(part, PartFailed) and part.error == EmptyDocument.kind and not in_index:
        return PartSkipped(part.path, f"{part.reason}; {part.hint}" if part.hint else part.reason)
    return part


def _of_item(document: Document, item: Item, digest: str, several: bool) -> Document:
    own = digest_of_part(digest, document.path) if several else digest
    return replace(document, item=item.path, digest=own)


def digest_of(composition: Composition, item: Item) -> str | None:
    """SHA-256 (hex) of the item's bytes; None if they cannot be had."""
    source = next(one for one in composition.sources if one.name == item.source)
    try:
        with source.open(item) as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except UnreadableDocument:
        return None
