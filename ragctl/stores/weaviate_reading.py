"""What lies in a collection, read as a whole or document by document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragctl.stores.weaviate_collection import WeaviateCollection
from ragctl.stores.weaviate_faults import weaviate_errors
from ragctl.stores.weaviate_objects import VECTOR, chunk_of, is_current, key_of
from ragctl.stores.weaviate_schema import document_key
from ragctl.stores.weaviate_versions import settled
from ragctl.stores.weaviate_writing import any_of
from ragctl.types import ItemKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

MOST_RESULTS = 10_000
"""Objects that a server returns at once, unless QUERY_MAXIMUM_RESULTS says otherwise."""

_PAGE = 1_000
_CHUNK = [
    "source",
    "path",
    "version",
    "chunks",
    "ordinal",
    "span_start",
    "span_end",
    "line",
    "page",
    "sheet",
    "headings",
    "tokens",
    "text",
]


class WeaviateReading(WeaviateCollection):
    """A generation's collection, with what is asked of it besides searches.

    Only current versions count. What of a document is being written, or was left by a run that was
    killed, is not there for these readings.
    """

    def counts(self) -> tuple[int, int]:
        """(documents, chunks) in the collection; (0, 0) if it is gone."""
        if not self.exists():
            return 0, 0
        known = self._versions.totals()
        if self.objects() == known[1] and not self._versions.stale(1):
            return known
        found = self._found()
        return len(found), sum(found.values())

    def documents(self) -> set[ItemKey]:
        """(source, path) of every document in the collection.

        Raises:
            Mismatch: it is gone.
        """
        self.expect()
        return set(self._found())

    def objects(self) -> int:
        """All there are, those of no current version too."""
        with weaviate_errors():
            return int(self._collection.aggregate.over_all(total_count=True).total_count or 0)

    def _found(self) -> dict[ItemKey, int]:
        """How many chunks each document has, by a look at every object; also those without chunks."""

        def read() -> tuple[Counter[tuple[ItemKey, int]], Collection[ItemKey]]:
            known = self._versions.every()
            seen = Counter((key_of(one), one["version"]) for one in self.scan(["source", "path", "version"]))
            empty = [key for key, (_, chunks) in known.items() if not chunks]
            return seen, {*(key for key, _ in seen), *empty}

        seen, current = settled(self._versions, read)
        chunks = {key: seen[key, version] for key, version in current.items()}
        empty = {key for key, (_, count) in self._versions.every().items() if not count}
        return {key: count for key, count in chunks.items() if count or key in empty}

    def scan(self, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """These properties of every object there is, in the order of their ids."""
        with weaviate_errors():
            for one in self._collection.iterator(return_properties=list(names), cache_size=_PAGE):
                yield one.properties

    def chunks_of(self, source: str, path: str) -> list[dict[str, Any]]:
        """A document's chunks in order: ordinal, start, end, line, page, sheet, headings, tokens, text.

        Raises:
            Mismatch: the collection is gone.
        """
        key = (source, path)

        def read() -> tuple[list[Mapping[str, Any]], Collection[ItemKey]]:
            version = self._versions.current([key]).get(key)
            if version is None:
                self.expect()
                return [], [key]
            return list(self._pages_of(key, _CHUNK, version)), [key]

        found, _ = settled(self._versions, read)
        return [chunk_of(values) for values in sorted(found, key=lambda values: values["ordinal"])]

    def _pages_of(
        self, key: ItemKey, names: Sequence[str], version: int | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """A document's objects, of one version or of all, a span of ordinals at a time.

        Weaviate pages no further than 10,000 objects, and not at all from where a filtered page ended.
        """
        from weaviate.classes.query import Filter

        which = Filter.by_property("document").equal(document_key(key))
        if version is not None:
            which = which & Filter.by_property("version").equal(version)
        first, chunks = 0, 1
        while first < chunks:
            span = (
                which
                & Filter.by_property("ordinal").greater_or_equal(first)
                & Filter.by_property("ordinal").less_than(first + _PAGE)
            )
            with weaviate_errors():
                found = self._collection.query.fetch_objects(
                    filters=span, limit=MOST_RESULTS, return_properties=sorted({*names, "chunks"})
                ).objects
            chunks = max([chunks, *(one.properties["chunks"] for one in found)])
            yield from (one.properties for one in found)
            first += _PAGE

    def input_hashes(self, documents: Sequence[ItemKey]) -> set[bytes]:
        """Hashes of the embed inputs of all chunks of these documents, of whatever version."""
        return {
            bytes.fromhex(values["input_hash"])
            for key in documents
            for values in self._pages_of(key, ["input_hash"])
        }

    def current_hashes(self) -> Iterator[bytes]:
        """Hashes of the embed inputs of all current chunks, as often as they occur; reads all of them."""
        current = {key: version for key, (version, _) in self._versions.every().items()}
        for values in self.scan(["source", "path", "version", "input_hash"]):
            if is_current(values, current):
                yield bytes.fromhex(values["input_hash"])

    def vectors_of(self, hashes: Collection[bytes]) -> dict[bytes, Vectors]:
        """Vectors by the hash of their embed input, of those that there are, each of shape (dimension,).

        Of unit length: Weaviate scales vectors that it compares by cosine. Empty if the collection is gone.
        """
        if not hashes or not self.exists():
            return {}
        found: dict[bytes, Vectors] = {}
        wanted = sorted(key.hex() for key in hashes)
        for start in range(0, len(wanted), _PAGE):
            found.update(self._vectors_of(wanted[start : start + _PAGE]))
        return found

    def _vectors_of(self, hashes: list[str]) -> dict[bytes, Vectors]:
        """Asked again for what is left, because one input may be that of any number of chunks."""
        import numpy as np

        found: dict[bytes, Vectors] = {}
        while hashes:
            with weaviate_errors():
                some = self._collection.query.fetch_objects(
                    filters=any_of("input_hash", hashes),
                    limit=MOST_RESULTS,
                    include_vector=True,
                    return_properties=["input_hash"],
                ).objects
            for one in some:
                found[bytes.fromhex(one.properties["input_hash"])] = np.array(
                    one.vector[VECTOR], dtype=np.float32
                )
            if len(some) < MOST_RESULTS:
                break
            hashes = [one for one in hashes if bytes.fromhex(one) not in found]
        return found
