"""The embed stage asks a model for what is new, once, and keeps what it paid for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest

from ragctl.errors import OverlongInput, RejectedInputs, RejectedText, Unavailable
from ragctl.stages.embed import KEEP_VECTORS, embed, input_hash
from ragctl.stages.failures import StageFailure
from ragctl.types import Chunk, ChunkedDocument, Document, EmbeddedBatch, Section

DIMENSION = 4


class FakeEmbedder:
    """A fake: vectors made of a hash of the text, in batches of three, last batch first."""

    identity = "fake"
    dimension = DIMENSION
    max_tokens = 100

    def __init__(self, *, fail_after: int | None = None, spoil: np.ndarray | None = None) -> None:
        self.asked: list[str] = []
        self._fail_after = fail_after
        self._spoil = spoil

    def embed(self, inputs: Sequence[str]) -> Iterator[EmbeddedBatch]:
        for start in reversed(range(0, len(inputs), 3)):
            if self._fail_after is not None and len(self.asked) >= self._fail_after:
                raise Unavailable("the model went away")
            texts = inputs[start : start + 3]
            self.asked += texts
            vectors = np.stack([vector_of(text) for text in texts]) if self._spoil is None else self._spoil
            yield EmbeddedBatch(tuple(range(start, start + len(texts))), vectors)

    def embed_queries(self, questions: Sequence[str]) -> np.ndarray:
        return np.stack([vector_of(text) for text in questions])


class MemoryCache:
    """A cache in memory, real in all but durability."""

    def __init__(self) -> None:
        self.vectors: dict[bytes, np.ndarray] = {}

    def find(self, hashes: Iterable[bytes]) -> dict[bytes, np.ndarray]:
        return {key: self.vectors[key] for key in hashes if key in self.vectors}

    def keep(self, hashes: Sequence[bytes], vectors: np.ndarray) -> None:
        self.vectors.update(zip(hashes, vectors, strict=True))


def vector_of(text: str) -> np.ndarray:
    raw = np.frombuffer(input_hash(text)[:DIMENSION], dtype=np.uint8).astype(np.float32) + 1
    return raw / np.linalg.norm(raw)


def document(path: str, *texts: str) -> ChunkedDocument:
    chunks = tuple(
        Chunk(ordinal=n, start=n, end=n + 1, text=text, embed_input=text, tokens=len(text))
        for n, text in enumerate(texts)
    )
    whole = Document("docs", path, "", "".join(texts), path, "text/plain", (Section(0, len(texts)),))
    return ChunkedDocument(whole, chunks)


def test_vectors_come_back_to_their_chunks_whatever_the_order_of_batches() -> None:
    documents = [document("a", *"abcdefg"), document("b", *"hij")]
    result = list(embed(documents, FakeEmbedder(), window=100))
    assert [one.document.path for one in result] == ["a", "b"]
    for before, after in zip(documents, result, strict=True):
        for chunk, vector in zip(before.chunks, after.vectors, strict=True):
            np.testing.assert_array_equal(vector, vector_of(chunk.embed_input))


def test_each_text_is_asked_for_once_and_counted_so() -> None:
    embedder, cache = FakeEmbedder(), MemoryCache()
    first = list(embed([document("a", "x", "y", "x"), document("b", "y")], embedder, cache=cache))
    assert sorted(embedder.asked) == ["x", "y"]
    assert [(one.embedded, one.cached, one.tokens) for one in first] == [(2, 1, 2), (0, 1, 0)]
    again = list(embed([document("renamed", "x", "y", "x")], embedder, cache=cache))
    assert sorted(embedder.asked) == ["x", "y"]
    assert (again[0].embedded, again[0].cached) == (0, 3)


def test_what_was_paid_for_is_kept_when_the_model_goes_away() -> None:
    cache = MemoryCache()
    texts = [f"text {number}" for number in range(KEEP_VECTORS + 20)]
    first = FakeEmbedder(fail_after=KEEP_VECTORS + 6)
    with pytest.raises(Unavailable):
        list(embed([document("a", *texts)], first, cache=cache))
    assert len(cache.vectors) == len(first.asked)
    second = FakeEmbedder()
    list(embed([document("a", *texts)], second, cache=cache))
    assert set(second.asked) == set(texts) - set(first.asked)


@pytest.mark.parametrize(
    "spoilt",
    [
        np.zeros((1, DIMENSION), dtype=np.float32),
        np.full((1, DIMENSION), np.nan, dtype=np.float32),
        np.ones((1, DIMENSION + 1), dtype=np.float32),
        np.ones((2, DIMENSION), dtype=np.float32),
    ],
    ids=["zero", "nan", "dimension", "count"],
)
def test_a_broken_vector_is_never_kept(spoilt: np.ndarray) -> None:
    cache = MemoryCache()
    with pytest.raises(Unavailable, match="the embedder returned"):
        list(embed([document("a", "x")], FakeEmbedder(spoil=spoilt), cache=cache))
    assert not cache.vectors


def test_windows_bound_what_is_in_hand() -> None:
    taken: list[str] = []

    def stream() -> Iterator[ChunkedDocument]:
        for name in "abcdef":
            taken.append(name)
            yield document(name, f"{name}1", f"{name}2")

    results = embed(stream(), FakeEmbedder(), window=4)
    next(results)
    assert taken == ["a", "b"]


class PickyEmbedder(FakeEmbedder):
    """A fake that refuses texts which hold "bad", after it has embedded the others."""

    def embed(self, inputs: Sequence[str]) -> Iterator[EmbeddedBatch]:
        taken = [position for position, text in enumerate(inputs) if "bad" not in text]
        vectors = [vector_of(inputs[position]) for position in taken]
        self.asked += [inputs[position] for position in taken]
        if taken:
            yield EmbeddedBatch(tuple(taken), np.stack(vectors))
        refused = {
            position: RejectedText("the server refuses the text")
            for position in range(len(inputs))
            if position not in taken
        }
        if refused:
            raise RejectedInputs("some were refused", refused=refused)


def test_a_document_with_a_refused_text_fails_alone_by_name() -> None:
    failures: list[StageFailure] = []
    documents = [
        document("good", "one", "two"),
        document("ill", "one", "bad three"),
        document("also good", "four"),
        document("also ill", "bad three"),
    ]
    cache = MemoryCache()
    result = list(embed(documents, PickyEmbedder(), cache=cache, on_failure=failures.append))
    assert [one.document.path for one in result] == ["good", "also good"]
    found = [(one.failure.source, one.failure.document, one.failure.stage) for one in failures]
    assert found == [("docs", "ill", "embed"), ("docs", "also ill", "embed")]
    assert failures[0].failure.error == "rejected_text"
    assert failures[0].failure.message == "chunk 2 of 2: the server refuses the text"
    assert not failures[0].failure.retryable
    assert set(cache.vectors) == {input_hash(text) for text in ("one", "two", "four")}


def test_without_a_handler_the_first_refused_document_ends_the_stage() -> None:
    results = embed([document("good", "one"), document("ill", "bad")], PickyEmbedder())
    assert next(results).document.path == "good"
    with pytest.raises(StageFailure, match="ill"):
        next(results)


def test_an_embedder_that_gives_neither_vector_nor_reason_is_found_out() -> None:
    class Forgetful(FakeEmbedder):
        def embed(self, inputs: Sequence[str]) -> Iterator[EmbeddedBatch]:
            yield EmbeddedBatch((0,), vector_of(inputs[0])[None])
            raise RejectedInputs("one was refused", refused={1: OverlongInput("too long")})

    with pytest.raises(Unavailable, match="1 vectors for 2 texts"):
        list(embed([document("a", "x", "y", "z")], Forgetful(), on_failure=lambda failure: None))
