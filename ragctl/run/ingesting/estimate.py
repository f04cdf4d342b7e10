"""What a draft would cost: its documents extracted and chunked, their embed inputs counted, none embedded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragctl.run.composition import Composition
from ragctl.run.ingesting.draft import Draft
from ragctl.run.ingesting.reading import ItemReader, Listeners
from ragctl.stages.chunk import chunk
from ragctl.stages.embed import input_hash, windows
from ragctl.stages.extract import extract
from ragctl.stages.failures import StageFailure
from ragctl.state.texts import TextCache
from ragctl.types import ChunkedDocument, Failure, Item

if TYPE_CHECKING:
    from ragctl.ports import VectorCache

# Embed inputs looked up in the cache together.
LOOK_UP_CHUNKS = 2000


@dataclass(slots=True)
class SourceEstimate:
    """Items by what is to become of them, and what they come to. Tokens are those to embed."""

    add: int = 0
    change: int = 0
    delete: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    chunks: int = 0
    embed: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class PlannedDocument:
    """One document that is to be added, changed or deleted. The counts of a deletion are 0."""

    source: str
    document: str
    action: str
    chunks: int = 0
    embed: int = 0
    tokens: int = 0


@dataclass(slots=True)
class Estimate:
    """By source, by document, and what failed while it was made."""

    sources: dict[str, SourceEstimate]
    documents: list[PlannedDocument] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    digests: dict[tuple[str, str], str] = field(default_factory=dict)

    def total(self, name: str) -> int:
        """The sum of one of `SourceEstimate`'s numbers over all sources."""
        return sum(getattr(one, name) for one in self.sources.values())


class Estimator:
    """Makes the estimate of one draft. It reads and chunks as an ingest does, and keeps the texts."""

    def __init__(
        self, composition: Composition, draft: Draft, *, advance: Callable[[int], None] = lambda _: None
    ) -> None:
        self._composition = composition
        self._draft = draft
        self._advance = advance
        self._add = {(item.source, item.path) for item in draft.plan.add}
        self._seen: set[bytes] = set()
        names = {source.name for source in composition.sources}
        names |= {source for source, _ in [*draft.plan.unchanged, *draft.plan.skipped, *draft.deleted]}
        self._estimate = Estimate({name: SourceEstimate() for name in sorted(names)})

    def estimate(self) -> Estimate:
        """Extracts and chunks what is to be read; looks up which vectors are known."""
        plan = self._draft.plan
        for source, _ in plan.unchanged:
            self._estimate.sources[source].unchanged += 1
        for source, _ in plan.skipped:
            self._estimate.sources[source].skipped += 1
        for failure in (*plan.unlisted, *plan.known_failures):
            self._fail(failure)
        if plan.to_read:
            self._measure()
        for source, document in sorted(self._draft.deleted):
            self._estimate.sources[source].delete += 1
            self._estimate.documents.append(PlannedDocument(source, document, "delete"))
        return self._estimate

    def _measure(self) -> None:
        composition = self._composition
        connection = composition.connect()
        texts = TextCache(connection, composition.index, composition.recipe.extract)
        cache = composition.vector_cache()
        read = ItemReader(
            composition,
            self._draft.ledger,
            texts,
            in_index=self._draft.stored,
            tell=Listeners(
                self._unchanged,
                self._skipped,
                lambda item: self._skipped(item, "existing: skip"),
                part_failed=lambda failure, item: self._fail(failure),
            ),
        )
        documents = extract(read.ahead(self._draft.plan.to_read), read, on_failure=self._failed)
        chunked = chunk(documents, composition.splitter, on_failure=self._failed)
        for group in windows(chunked, LOOK_UP_CHUNKS):
            self._count(group, cache)
        texts.flush()

    def _count(self, group: list[ChunkedDocument], cache: VectorCache) -> None:
        hashes = [[input_hash(one.embed_input) for one in document.chunks] for document in group]
        known = cache.find({key for keys in hashes for key in keys} - self._seen)
        for document, keys in zip(group, hashes, strict=True):
            embed = tokens = 0
            for key, one in zip(keys, document.chunks, strict=True):
                if key not in known and key not in self._seen:
                    embed += 1
                    tokens += one.tokens
                self._seen.add(key)
            self._planned(document, embed, tokens)

    def _planned(self, document: ChunkedDocument, embed: int, tokens: int) -> None:
        whole = document.document
        action = "add" if (whole.source, whole.item) in self._add else "change"
        source = self._estimate.sources[whole.source]
        setattr(source, action, getattr(source, action) + 1)
        source.chunks += len(document.chunks)
        source.embed += embed
        source.tokens += tokens
        self._estimate.documents.append(
            PlannedDocument(whole.source, whole.path, action, len(document.chunks), embed, tokens)
        )
        if whole.path == whole.item:  # else the digest is not that of the item's bytes
            self._estimate.digests[whole.source, whole.item] = whole.digest
        self._advance(1)

    def _unchanged(self, item: Item, digest: str) -> None:
        self._estimate.sources[item.source].unchanged += 1
        self._advance(1)

    def _skipped(self, item: Item, reason: str) -> None:
        self._estimate.sources[item.source].skipped += 1
        self._advance(1)

    def _failed(self, failed: StageFailure) -> None:
        self._fail(failed.failure)
        self._advance(1)

    def _fail(self, failure: Failure) -> None:
        self._estimate.sources.setdefault(failure.source, SourceEstimate()).failed += 1
        self._estimate.failures.append(failure)
