"""What is wrong in a generation's collection, and what of it can be put right there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from ragctl.stores.unit_length import LENGTH_TOLERANCE
from ragctl.stores.weaviate_faults import weaviate_errors
from ragctl.stores.weaviate_objects import VECTOR, key_of
from ragctl.stores.weaviate_whole import WeaviateWhole
from ragctl.stores.weaviate_writing import any_id
from ragctl.types import DocumentRecord, ItemKey

_AT_ONCE = 1_000
_RECORD = ["source", "path", "version", "ordinal", "chunks", "item", "reader", "fingerprint", "digest"]


class WeaviateSurvey(WeaviateWhole):
    """A generation's collection, looked at as a whole; every method reads all of it."""

    def column_dimension(self) -> int | None:
        """Numbers in each vector, by the first object; 0 if there is none, None if the collection is gone."""
        if not self.exists():
            return None
        with weaviate_errors():
            found = self._collection.query.fetch_objects(
                limit=1, include_vector=True, return_properties=["ordinal"]
            ).objects
        return len(found[0].vector[VECTOR]) if found else 0

    def holds_vectors(self) -> bool:
        """Is there a collection that can hold this generation's vectors?"""
        return self.column_dimension() in (0, self._dimension)

    def records(self) -> dict[ItemKey, DocumentRecord]:
        """Every document with what lies beside its vectors, and how many chunks it has."""
        current = self._versions.every()
        chunks: Counter[ItemKey] = Counter()
        first: dict[ItemKey, Any] = {}
        for values in self.scan(_RECORD):
            key = key_of(values)
            if key in current and current[key][0] == values["version"]:
                chunks[key] += 1
                # The one of the first chunk is the newest, see `note_fingerprint`.
                if key not in first or values["ordinal"] == 0:
                    first[key] = values
        return {
            key: DocumentRecord(
                source=key[0],
                path=key[1],
                item=values["item"] or key[1],
                reader=values["reader"],
                fingerprint=values["fingerprint"],
                digest=values["digest"],
                chunks=chunks[key],
            )
            for key, values in first.items()
        }

    def whole_versions(self) -> dict[ItemKey, tuple[int, int]]:
        """(version, chunks) of the latest version of each document of which every chunk is there.

        What `DocumentVersions.restore` takes when the state was lost. If a run was killed between writing
        a document and committing it, that is the version which it had written.
        """
        there: dict[ItemKey, Counter[tuple[int, int]]] = defaultdict(Counter)
        for values in self.scan(["source", "path", "version", "chunks"]):
            there[key_of(values)][values["version"], values["chunks"]] += 1
        whole = {
            key: [version for version, found in versions.items() if found == version[1]]
            for key, versions in there.items()
        }
        return {key: max(versions) for key, versions in whole.items() if versions}

    def recall(self) -> int:
        """Notes in the state which versions are current, unless it knows of any; returns how many documents.

        What else lies there of these documents, `tidy` will delete.
        """
        if self._versions.totals()[0]:
            return 0
        found = self.whole_versions()
        self._versions.restore(found)
        self.outrun_versions()
        return len(found)

    def without_record(self) -> int:
        """Documents without item, reader and fingerprint: there are none, no release wrote such."""
        return 0

    def describe(self, records: Sequence[DocumentRecord]) -> int:
        """Writes what `without_record` counts: nothing."""
        return 0

    def orphan_chunks(self) -> int:
        """Objects of no current version, which no search shows."""
        return sum(1 for _ in self._orphans())

    def delete_orphan_chunks(self) -> int:
        """Removes what `orphan_chunks` counts. Not while a run is writing: what it has staged is of these."""
        ids = list(self._orphans())
        return sum(
            self._writer.delete(any_id(ids[start : start + _AT_ONCE]))
            for start in range(0, len(ids), _AT_ONCE)
        )

    def _orphans(self) -> Iterator[str]:
        current = self._versions.every()
        with weaviate_errors():
            for one in self._collection.iterator(
                return_properties=["source", "path", "version"], cache_size=_AT_ONCE
            ):
                version, _ = current.get(key_of(one.properties), (None, 0))
                if version != one.properties["version"]:
                    yield str(one.uuid)

    def wrong_vectors(self) -> dict[ItemKey, int]:
        """Documents with chunks whose vector is missing, zero, NaN or of another dimension; how many."""
        return Counter(key for key, _, _ in self._wrong())

    def disown_wrong_vectors(self) -> list[bytes]:
        """Sees that no embed input leads to a wrong vector any more; returns the hashes of those inputs."""
        hashes = []
        for _, found, digest in self._wrong():
            if digest:
                with weaviate_errors():
                    self._collection.data.update(uuid=found, properties={"input_hash": ""})
                hashes.append(bytes.fromhex(digest))
        return hashes

    def _wrong(self) -> list[tuple[ItemKey, str, str]]:
        """Document, id and input hash of each object of a current version with a wrong vector."""
        import numpy as np

        current = self._versions.every()
        wrong = []
        with weaviate_errors():
            for one in self._collection.iterator(
                include_vector=True,
                return_properties=["source", "path", "version", "input_hash"],
                cache_size=_AT_ONCE,
            ):
                key = key_of(one.properties)
                vector = np.asarray(one.vector.get(VECTOR, ()), dtype=np.float64)
                length = float(np.linalg.norm(vector)) if vector.size else 0.0
                right = vector.size == self._dimension and abs(length - 1) <= LENGTH_TOLERANCE
                if not right and current.get(key, (None, 0))[0] == one.properties["version"]:
                    wrong.append((key, str(one.uuid), str(one.properties["input_hash"])))
        return wrong
