"""Weaviate: one generation of an index, written to and searched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ragctl.conditions import Condition
from ragctl.errors import Mismatch
from ragctl.stores.weaviate_collection import Consistency
from ragctl.stores.weaviate_faults import weaviate_errors
from ragctl.stores.weaviate_objects import NewObject, new_objects
from ragctl.stores.weaviate_reading import WeaviateReading
from ragctl.stores.weaviate_schema import document_key, object_id
from ragctl.stores.weaviate_search import WeaviateSearch
from ragctl.stores.weaviate_versions import CurrentVersions
from ragctl.stores.weaviate_writing import WeaviateWriter, any_of
from ragctl.types import EmbeddedDocument, Hit, ItemKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from weaviate import WeaviateClient

    Vectors = NDArray[np.float32]

# Documents of a filter: each is 32 characters of a request.
_AT_ONCE = 500
# Objects of versions that were never given: some of them show how far it goes.
_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class Staged:
    """Documents that are written and not to be seen yet: how many chunks each has, in which version."""

    chunks: Mapping[ItemKey, int]
    version: int


class WeaviateStore(WeaviateReading):
    """A generation's documents and chunks: replaced and deleted whole, found by vectors and by words.

    A document is replaced in three steps, which `replace` takes one after another:

    1. `stage` writes its chunks under a version of their own, which nobody sees;
    2. `commit` notes in the state that this version is current, in the caller's transaction if there is one;
    3. `tidy` deletes what is not current any more, once that transaction has ended. If it is not called, or
       the process is killed before, the next `replace`, `create` or `optimize` does it.

    What a killed run has staged is deleted when the same document is replaced or deleted next; `doctor`
    finds what is left of others.

    Args:
        batch_objects: objects of a request at most.
        concurrency: requests under way at once in writing.
            The others are those of `WeaviateCollection`.
    """

    def __init__(
        self,
        client: WeaviateClient,
        versions: CurrentVersions,
        *,
        prefix: str,
        dimension: int,
        language: str = "english",
        tenant: str | None = None,
        consistency: Consistency | None = None,
        batch_objects: int = 200,
        concurrency: int = 2,
    ) -> None:
        super().__init__(
            client,
            versions,
            prefix=prefix,
            dimension=dimension,
            language=language,
            tenant=tenant,
            consistency=consistency,
        )
        self._writer = WeaviateWriter(self._collection, batch_objects=batch_objects, concurrency=concurrency)
        self._search = WeaviateSearch(self._collection, versions, language=language)

    def create(self) -> None:
        """Makes the collection unless it is there, and deletes what an earlier run left to be deleted.

        Raises:
            Mismatch, Unavailable, KeyRejected: see `WeaviateCollection.create`.
        """
        super().create()
        self.outrun_versions()
        self.tidy()

    def outrun_versions(self) -> None:
        """Sees that no version which lies in the collection is given again.

        There are such where the state was lost, or is that of a backup.
        """
        from weaviate.classes.query import Filter

        while True:
            higher = Filter.by_property("version").greater_than(self._versions.last())
            with weaviate_errors():
                found = self._collection.query.fetch_objects(
                    filters=higher, limit=_LOOKED_AT, return_properties=["version"]
                ).objects
            if not found:
                return
            self._versions.go_on_after(max(int(one.properties["version"]) for one in found))

    # Writing

    def replace(
        self, documents: Sequence[EmbeddedDocument], *, fingerprints: Mapping[ItemKey, str] | None = None
    ) -> None:
        """Each document's chunks are those given, and no others; readers see old or new, whole.

        Args:
            fingerprints: of the items, by (source, path), to be kept beside their documents.

        Raises:
            Mismatch: a vector has another dimension, or the collection is gone; readers see what they saw.
            RefusedObjects, Unavailable: the server did not take all of it; likewise.
            LeaseLost: another run has stored one of them meanwhile; likewise.
        """
        self.commit(self.stage(documents, fingerprints=fingerprints))
        if not self._versions.in_transaction():
            self.tidy()

    def stage(
        self, documents: Sequence[EmbeddedDocument], *, fingerprints: Mapping[ItemKey, str] | None = None
    ) -> Staged:
        """Writes the documents beside what there is of them; nobody sees that.

        Best called outside a transaction, which it would hold up.

        Raises:
            ValueError: a document has not one vector and one hash for each chunk; nothing was written.
            Mismatch, RefusedObjects, Unavailable: see `replace`.
        """
        for document in documents:
            self._refuse_misfit(document)
        chunks = {(one.document.source, one.document.path): len(one.chunks) for one in documents}
        if not chunks:
            return Staged({}, 0)
        self.expect()
        version = self._versions.reserve()
        self._writer.insert(self._objects(documents, fingerprints or {}, version))
        return Staged(chunks, version)

    def _refuse_misfit(self, document: EmbeddedDocument) -> None:
        where = f"{document.document.source}:{document.document.path}"
        if document.vectors.shape[1] != self._dimension:
            raise Mismatch(
                f"its vectors have {document.vectors.shape[1]} dimensions, the index has {self._dimension}",
                where=where,
            )
        if not len(document.chunks) == len(document.vectors) == len(document.input_hashes):
            raise ValueError(f"{where}: there must be one vector and one hash for each chunk")

    def _objects(
        self, documents: Sequence[EmbeddedDocument], fingerprints: Mapping[ItemKey, str], version: int
    ) -> Iterator[NewObject]:
        for document in documents:
            fingerprint = fingerprints.get((document.document.source, document.document.item), "")
            yield from new_objects(
                document, version=version, fingerprint=fingerprint, language=self._language
            )

    def commit(self, staged: Staged) -> None:
        """From now on readers see what was staged, and nothing else of these documents.

        Raises:
            LeaseLost: another run has stored one of them meanwhile.
        """
        if staged.chunks:
            self._versions.flip(staged.chunks, staged.version)

    def delete(self, documents: Sequence[ItemKey]) -> int:
        """Removes documents by (source, path); returns how many chunks went.

        Nobody sees them once the caller's transaction has ended; `tidy` is then to delete them. Outside a
        transaction that is done at once.

        Raises:
            Mismatch: the collection is gone.
        """
        self.expect()
        if not documents:
            return 0
        self.outrun_versions()
        gone = self._versions.remove(documents, self._versions.reserve())
        if not self._versions.in_transaction():
            self.tidy()
        return sum(gone.values())

    def tidy(self) -> int:
        """Deletes what has ceased to be current, in transactions that have ended; how many objects went.

        Raises:
            Unavailable: the server did not do it; call it again.
        """
        from weaviate.classes.query import Filter

        gone = 0
        while stale := self._versions.stale(_AT_ONCE):
            for below, some in groupby(stale, key=lambda one: one[1]):
                documents = any_of("document", [document_key(key) for key, _ in some])
                gone += self._writer.delete(documents & Filter.by_property("version").less_than(below))
            self._versions.cleaned(stale)
        return gone

    def note_fingerprint(self, item: ItemKey, fingerprint: str) -> None:
        """The item was looked at again and is the same: keeps the newer fingerprint beside its document.

        With the first of its chunks, from which a lost state would be rebuilt. A document that is only a
        part of its item keeps the older one.
        """
        version = self._versions.current([item]).get(item)
        if version is None:
            return
        first = object_id(item, version, 0)
        with weaviate_errors():
            found = self._collection.query.fetch_object_by_id(first, return_properties=["item", "path"])
            if found is not None and found.properties["item"] == found.properties["path"]:
                self._collection.data.update(uuid=first, properties={"fingerprint": fingerprint})

    # Searching

    def at_one_moment(self) -> AbstractContextManager[None]:
        """Of a document that one search inside it has met, the others show no other version."""
        return self._search.at_one_moment()

    def search(self, vectors: Vectors, *, k: int, where: Sequence[Condition] = ()) -> list[list[Hit]]:
        """The k nearest chunks by cosine for each row of `vectors` (questions, dimension), best first.

        By way of the server's HNSW index, which may pass over a chunk. `score` is the cosine; of equal
        scores the first by source, path and span comes first.

        Args:
            where: what the documents of the chunks must fulfil, all of it; see `weaviate_filter`.

        Raises:
            Mismatch: the vectors have another dimension, or the collection is gone.
        """
        if vectors.shape[1] != self._dimension:
            raise Mismatch(
                f"the question's vector has {vectors.shape[1]} dimensions, the index has {self._dimension}"
            )
        return [self._search.by_vector(vector.tolist(), k=k, where=where) for vector in vectors]

    def search_text(
        self, questions: Sequence[str], *, k: int, where: Sequence[Condition] = ()
    ) -> list[list[Hit]]:
        """The k best chunks by the server's BM25 for each question, best first; words are not stemmed.

        Args:
            where: what the documents of the chunks must fulfil, all of it; see `weaviate_filter`.

        Raises:
            Mismatch: the collection is gone.
        """
        return [self._search.by_words(question, k=k, where=where) for question in questions]

    # Upkeep: the server keeps its indexes up to date with every write.

    def has_text_index(self) -> bool:
        """Would `search_text` find what is stored?"""
        return self.exists()

    def has_vector_index(self) -> bool:
        """Has it the index that it should have?"""
        return self.exists()

    def index_inputs(self) -> None:
        """Vectors are found by their embed input from the beginning."""

    def optimize(self, *, exact: bool = False, tell: Callable[[str], None] | None = None) -> None:
        """Deletes what has ceased to be current; the rest is the server's to do."""
        self.tidy()

    def size_bytes(self) -> int | None:
        """None: the server does not say."""
        return None
