"""Documents as they lie in a generation's collection, read as a whole and written as they were read."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ragctl.errors import Mismatch
from ragctl.stores.weaviate import Staged, WeaviateStore
from ragctl.stores.weaviate_faults import weaviate_errors
from ragctl.stores.weaviate_objects import VECTOR, key_of
from ragctl.stores.weaviate_reading import MOST_RESULTS
from ragctl.stores.weaviate_schema import PROPERTIES, document_key
from ragctl.stores.weaviate_writing import any_of
from ragctl.stores.whole_document import WholeDocument, grouped, likely_input
from ragctl.types import Chunk, Document, EmbeddedDocument, ItemKey

_READ = sorted(set(PROPERTIES) - {"document", "terms", "words"})
_SPAN = 500
"""Chunks of one document that are read at a time: with vectors of 3,072 numbers, some 10 MB of a reply."""

Found = list[tuple[Mapping[str, Any], list[float]]]


class WeaviateWhole(WeaviateStore):
    """A generation's collection, from which documents are carried elsewhere, or which they are carried to."""

    def whole_documents(self, most_chunks: int) -> Iterator[list[WholeDocument]]:
        """Every document, some at a time: up to `most_chunks` chunks together, or one that has more.

        Raises:
            Mismatch: of a document other chunks are there than the state says, or the collection is gone.
        """
        self.expect()
        every = self._versions.every()
        sizes = ((key, chunks) for key, (_, chunks) in every.items())
        for keys in grouped(sizes, min(most_chunks, _SPAN)):
            yield self._wholes({key: every[key] for key in keys})

    def whole_of(self, documents: Sequence[ItemKey]) -> list[WholeDocument]:
        """Those of these documents that are there."""
        known = self._versions.current(documents)
        every: dict[ItemKey, tuple[int, int | None]] = {key: (one, None) for key, one in known.items()}
        return self._wholes(every) if every else []

    def stage_whole(self, documents: Sequence[WholeDocument]) -> Staged:
        """As `stage`."""
        fingerprints = {one.item: one.fingerprint for one in documents}
        return self.stage([one.stored for one in documents], fingerprints=fingerprints)

    def commit_whole(self, staged: Staged) -> None:
        """As `commit`."""
        self.commit(staged)

    def _wholes(self, known: Mapping[ItemKey, tuple[int, int | None]]) -> list[WholeDocument]:
        """By document its version, and how many chunks it has as far as that is known."""
        found = self._together(known)
        wholes = []
        for key, (_, chunks) in known.items():
            rows = sorted(found[key], key=lambda one: one[0]["ordinal"])
            expected = rows[0][0]["chunks"] if chunks is None and rows else chunks or 0
            if len(rows) != expected:
                raise Mismatch(
                    f"{len(rows):,} of its {expected:,} chunks are in the collection",
                    where=f"{key[0]}:{key[1]}",
                    hint="ragctl doctor SPEC says more, and --repair mends it",
                )
            wholes.append(self._document(key, rows))
        return wholes

    def _together(self, known: Mapping[ItemKey, tuple[int, int | None]]) -> dict[ItemKey, Found]:
        """Objects by document; small ones are asked for in one request, what it leaves out one by one."""
        found: dict[ItemKey, Found] = defaultdict(list)
        small = [key for key, (_, chunks) in known.items() if chunks is None or chunks <= _SPAN]
        if len(small) > 1:
            with weaviate_errors():
                objects = self._collection.query.fetch_objects(
                    filters=any_of("document", [document_key(key) for key in small]),
                    limit=MOST_RESULTS,
                    include_vector=True,
                    return_properties=_READ,
                ).objects
            for one in objects:
                key = key_of(one.properties)
                if key in known and known[key][0] == one.properties["version"]:
                    found[key].append((one.properties, _vector_of(one)))
        for key, (version, _) in known.items():
            if not found[key] or len(found[key]) != found[key][0][0]["chunks"]:
                found[key] = list(self._spans(key, version))
        return found

    def _spans(self, key: ItemKey, version: int) -> Iterator[tuple[Mapping[str, Any], list[float]]]:
        from weaviate.classes.query import Filter

        which = Filter.by_property("document").equal(document_key(key))
        which = which & Filter.by_property("version").equal(version)
        first, chunks = 0, 1
        while first < chunks:
            span = Filter.by_property("ordinal").greater_or_equal(first)
            span = span & Filter.by_property("ordinal").less_than(first + _SPAN)
            with weaviate_errors():
                found = self._collection.query.fetch_objects(
                    filters=which & span, limit=MOST_RESULTS, include_vector=True, return_properties=_READ
                ).objects
            chunks = max([chunks, *(one.properties["chunks"] for one in found)])
            yield from ((one.properties, _vector_of(one)) for one in found)
            first += _SPAN

    def _document(self, key: ItemKey, rows: Found) -> WholeDocument:
        import numpy as np

        # Of a document without chunks nothing lies there, but that it is there.
        first: Mapping[str, Any] = rows[0][0] if rows else {}
        document = Document(
            source=key[0],
            path=key[1],
            uri=first.get("uri") or "",
            text="",
            title=first.get("title") or "",
            media_type=first.get("media_type") or "",
            sections=(),
            item=first.get("item") or key[1],
            digest=first.get("digest") or "",
            reader=first.get("reader") or "",
            metadata=json.loads(first.get("metadata") or "{}"),
        )
        vectors = np.array([vector for _, vector in rows], dtype=np.float32)
        return WholeDocument(
            stored=EmbeddedDocument(
                document=document,
                chunks=tuple(_chunk(document, values) for values, _ in rows),
                vectors=vectors.reshape(len(rows), -1) if rows else vectors.reshape(0, self._dimension),
                input_hashes=tuple(bytes.fromhex(values.get("input_hash") or "") for values, _ in rows),
            ),
            fingerprint=first.get("fingerprint") or "",
        )


def _vector_of(found: Any) -> list[float]:
    """The one vector of an object: each has one, by its name."""
    vector: list[float] = found.vector[VECTOR]
    return vector


def _chunk(document: Document, values: Mapping[str, Any]) -> Chunk:
    headings, text = tuple(values.get("headings") or ()), values.get("text") or ""
    return Chunk(
        ordinal=values["ordinal"],
        start=values["span_start"],
        end=values["span_end"],
        text=text,
        embed_input=likely_input(document.path, document.title, headings, text),
        tokens=values["tokens"],
        headings=headings,
        line=values.get("line"),
        page=values.get("page"),
        sheet=values.get("sheet"),
    )
