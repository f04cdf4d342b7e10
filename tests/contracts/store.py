"""What every vector store must do. A store's own tests inherit `VectorStoreContract`."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from contracts.store_filters import Filters
from contracts.store_text import AnyText
from contracts.stored import (
    DIMENSION,
    Opener,
    StoreUnderTest,
    embedded,
    places,
    random_vectors,
    texts_of,
    unit,
)

from ragctl.errors import Mismatch
from ragctl.types import EmbeddedDocument, Hit


class VectorStoreContract(AnyText, Filters):
    """Inherit it, and give a fixture `open_store`."""

    @pytest.fixture
    def open_store(self) -> Opener:
        """`open_store(dimension=DIMENSION)`: a new client of one generation of this test's own.

        Nothing is in it and `create` was not called; each call is as another process would do it.
        """
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: Opener) -> StoreUnderTest:
        opened = open_store()
        opened.create()
        return opened

    # Writing

    def test_a_new_store_is_empty(self, store: StoreUnderTest) -> None:
        assert store.exists()
        assert store.counts() == (0, 0)
        assert store.documents() == set()
        assert store.search(random_vectors(2, seed=1), k=5) == [[], []]
        assert store.chunks_of("docs", "a.md") == []

    def test_what_is_written_comes_back_in_order(self, store: StoreUnderTest) -> None:
        written = embedded("a.md", ["first ", "second ", "third"], headings=("Top", "Below"))
        placed = tuple(
            replace(chunk, line=10 + number, page=number + 1, sheet=f"sheet {number}")
            for number, chunk in enumerate(written.chunks)
        )
        store.replace([replace(written, chunks=placed)])
        assert store.counts() == (1, 3)
        assert store.documents() == {("docs", "a.md")}
        assert store.chunks_of("docs", "a.md") == [
            {
                "ordinal": chunk.ordinal,
                "start": chunk.start,
                "end": chunk.end,
                "line": chunk.line,
                "page": chunk.page,
                "sheet": chunk.sheet,
                "headings": list(chunk.headings),
                "tokens": chunk.tokens,
                "text": chunk.text,
            }
            for chunk in placed
        ]

    def test_places_that_are_not_known_stay_unknown(self, store: StoreUnderTest) -> None:
        written = embedded("a.md", ["only"])
        store.replace([replace(written, chunks=(replace(written.chunks[0], line=None),))])
        [chunk] = store.chunks_of("docs", "a.md")
        assert (chunk["line"], chunk["page"], chunk["sheet"]) == (None, None, None)
        [[hit]] = store.search(written.vectors, k=1)
        assert (hit.line, hit.page, hit.sheet, hit.headings) == (None, None, None, ())

    @pytest.mark.parametrize("count", [1, 2, 5])
    def test_a_document_is_replaced_whole(self, store: StoreUnderTest, count: int) -> None:
        store.replace([embedded("a.md", ["old 0", "old 1", "old 2"]), embedded("b.md", ["other"])])
        new = [f"new {number}" for number in range(count)]
        store.replace([embedded("a.md", new, title="New title")])
        assert texts_of(store, "a.md") == new
        assert texts_of(store, "b.md") == ["other"]
        assert store.counts() == (2, count + 1)
        [hits] = store.search(random_vectors(1, seed=3), k=50)
        assert Counter(hit.text for hit in hits) == Counter([*new, "other"])
        assert {hit.title for hit in hits if hit.document == "a.md"} == {"New title"}

    def test_replacing_with_no_chunks_leaves_none(self, store: StoreUnderTest) -> None:
        store.replace([embedded("a.md", ["one", "two"])])
        store.replace([embedded("a.md", [], np.zeros((0, DIMENSION), dtype=np.float32))])
        assert store.counts() == (1, 0)
        assert store.search(random_vectors(1, seed=1), k=5) == [[]]

    def test_an_empty_batch_changes_nothing(self, store: StoreUnderTest) -> None:
        store.replace([embedded("a.md", ["one"])])
        store.replace([])
        assert store.delete([]) == 0
        assert store.counts() == (1, 1)

    def test_many_documents_in_one_batch(self, store: StoreUnderTest) -> None:
        batch = [
            embedded(f"{number:03}.md", [f"{number}/{part} " for part in range(number % 4)])
            for number in range(300)
        ]
        store.replace(batch)
        assert store.counts() == (300, sum(len(one.chunks) for one in batch))
        assert store.documents() == {("docs", one.document.path) for one in batch}
        for one in batch[::37]:
            assert texts_of(store, one.document.path) == [chunk.text for chunk in one.chunks]

    def test_a_document_of_five_thousand_chunks(self, store: StoreUnderTest) -> None:
        texts = [f"chunk {number}. " for number in range(5000)]
        big = embedded("big.txt", texts, random_vectors(5000, seed=5))
        store.replace([embedded("small.txt", ["small"]), big])
        assert store.counts() == (2, 5001)
        assert texts_of(store, "big.txt") == texts
        [[best]] = store.search(big.vectors[4321:4322], k=1)
        assert (best.document, best.start, best.text) == (
            "big.txt",
            big.chunks[4321].start,
            "chunk 4321. ",
        )
        store.replace([embedded("big.txt", ["now it is short"])])
        assert store.counts() == (2, 2)
        assert store.delete([("docs", "big.txt")]) == 1

    def test_a_batch_that_fails_leaves_every_old_version(self, store: StoreUnderTest) -> None:
        store.replace([embedded("a.md", ["old a"]), embedded("b.md", ["old b"])])
        torn = embedded("b.md", ["new b", "and more"])
        torn = replace(torn, input_hashes=torn.input_hashes[:1])
        with pytest.raises(ValueError):
            store.replace([embedded("a.md", ["new a"]), embedded("c.md", ["new c"]), torn])
        assert store.documents() == {("docs", "a.md"), ("docs", "b.md")}
        assert (texts_of(store, "a.md"), texts_of(store, "b.md")) == (["old a"], ["old b"])
        store.replace([embedded("b.md", ["new b"])])  # and the store can be used on
        assert texts_of(store, "b.md") == ["new b"]

    def test_vectors_of_another_dimension_are_a_mismatch(self, store: StoreUnderTest) -> None:
        store.replace([embedded("a.md", ["old"])])
        wrong = embedded("b.md", ["wrong"], np.ones((1, DIMENSION + 1), dtype=np.float32))
        with pytest.raises(Mismatch, match=rf"{DIMENSION + 1} dimensions.* {DIMENSION}") as refused:
            store.replace([embedded("a.md", ["new"]), wrong])
        assert refused.value.where == "docs:b.md"
        assert (store.counts(), texts_of(store, "a.md")) == ((1, 1), ["old"])
        with pytest.raises(Mismatch, match=rf"{DIMENSION - 1} dimensions.* {DIMENSION}"):
            store.search(np.ones((1, DIMENSION - 1), dtype=np.float32), k=1)

    # Identity

    def test_the_same_path_in_two_sources_is_two_documents(self, store: StoreUnderTest) -> None:
        for source in ("left", "right"):
            store.replace([embedded("a.md", [source], source=source)])
        store.replace([embedded("a.md", ["left again"], source="left")])
        assert texts_of(store, "a.md", "left") == ["left again"]
        assert texts_of(store, "a.md", "right") == ["right"]
        assert store.delete([("left", "a.md"), ("other", "a.md")]) == 1
        assert store.documents() == {("right", "a.md")}

    def test_paths_that_look_alike_are_different_documents(self, store: StoreUnderTest) -> None:
        paths = ["a.md", "A.md", "a.md ", " a.md", "a.md/", "ä.md", "a\u0308.md", "ａ.md", "a%", "a_", ""]
        store.replace([embedded(path, [f"text of {path!r}"]) for path in paths])
        assert store.documents() == {("docs", path) for path in paths}
        for path in paths:
            assert texts_of(store, path) == [f"text of {path!r}"]
        assert store.delete([("docs", "a%")]) == 1
        assert len(store.documents()) == len(paths) - 1

    def test_a_long_path(self, store: StoreUnderTest) -> None:
        draw = np.random.default_rng(11)
        path = "/".join("".join(map(chr, draw.integers(0x4E00, 0x9FFF, 50))) for _ in range(10))
        store.replace([embedded(path, ["deep"]), embedded(path + "x", ["deeper"])])
        assert texts_of(store, path) == ["deep"]
        assert store.delete([("docs", path)]) == 1

    # Deleting

    def test_delete_says_how_many_chunks_went(self, store: StoreUnderTest) -> None:
        store.replace([embedded(path, ["x"] * count) for path, count in (("a", 1), ("b", 2), ("c", 4))])
        assert store.delete([("docs", "a"), ("docs", "c"), ("docs", "unknown")]) == 5
        assert store.counts() == (1, 2)
        assert store.documents() == {("docs", "b")}
        assert store.delete([("docs", "a")]) == 0
        [hits] = store.search(random_vectors(1, seed=2), k=10)
        assert {hit.document for hit in hits} == {"b"}

    def test_a_deleted_document_can_come_back(self, store: StoreUnderTest) -> None:
        store.replace([embedded("a.md", ["one", "two"])])
        store.delete([("docs", "a.md")])
        store.replace([embedded("a.md", ["three"])])
        assert texts_of(store, "a.md") == ["three"]
        assert store.counts() == (1, 1)

    def test_fifteen_thousand_chunks_are_deleted(self, store: StoreUnderTest) -> None:
        """More than a server may delete at once."""
        vectors = random_vectors(5000, seed=6)
        for path in "abc":
            store.replace([embedded(path, [f"{path}{number} " for number in range(5000)], vectors)])
        store.replace([embedded("kept", ["kept"])])
        assert store.counts() == (4, 15_001)
        assert store.delete([("docs", path) for path in "abc"]) == 15_000
        assert store.counts() == (1, 1)
        [hits] = store.search(random_vectors(1, seed=7), k=50)
        assert [hit.text for hit in hits] == ["kept"]

    # Searching

    def test_search_is_by_cosine_best_first(self, store: StoreUnderTest) -> None:
        documents = [
            embedded(f"{number:02}.md", ["text"] * 10, random_vectors(10, seed=number))
            for number in range(20)
        ]
        store.replace(documents)
        questions = random_vectors(5, seed=99)
        found = store.search(questions, k=12)
        stored = np.concatenate([one.vectors for one in documents]).astype(np.float64)
        for question, hits in zip(questions, found, strict=True):
            cosines = stored @ question.astype(np.float64)
            best = np.argsort(-cosines)[:12]
            wanted = [("docs", f"{at // 10:02}.md", int(at % 10) * len("text")) for at in best]
            assert places(hits) == wanted
            assert [hit.score for hit in hits] == pytest.approx(cosines[best], abs=1e-6)
            assert [hit.trail["dense"]["rank"] for hit in hits] == list(range(1, 13))
            assert [hit.trail["dense"]["score"] for hit in hits] == [hit.score for hit in hits]

    def test_scores_run_from_one_to_minus_one(self, store: StoreUnderTest) -> None:
        directions = np.stack([unit([1]), unit([1, 1]), unit([0, 1]), unit([-1])])
        store.replace([embedded("a.md", ["same", "near", "square", "opposite"], directions)])
        [hits] = store.search(unit([1])[np.newaxis], k=4)
        assert [hit.text for hit in hits] == ["same", "near", "square", "opposite"]
        assert [hit.score for hit in hits] == pytest.approx([1, 0.5**0.5, 0, -1], abs=1e-6)

    @pytest.mark.parametrize("k", [1, 2, 4, 5, 8, 9, 50])
    def test_ties_come_in_the_order_of_documents_and_spans(self, store: StoreUnderTest, k: int) -> None:
        same = np.stack([unit([1])] * 3)
        written = [("right", "a"), ("left", "c"), ("left", "a"), ("left", "b")]
        for source, path in written:
            store.replace([embedded(path, ["xy"] * 3, same, source=source)])
        store.replace([embedded("c", ["xy"] * 3, same, source="left")])  # moved, if order were of writing
        store.replace([embedded("z", ["best"], unit([2, 1])[np.newaxis])])
        ties = [(*key, start) for key in sorted(written) for start in (0, 2, 4)]
        [hits] = store.search(unit([2, 1])[np.newaxis], k=k)
        assert places(hits) == [("docs", "z", 0), *ties][:k]

    def test_k_bounds_the_hits_of_each_question(self, store: StoreUnderTest) -> None:
        store.replace([embedded("a.md", ["x"] * 7)])
        questions = random_vectors(3, seed=4)
        for k in (1, 6, 7, 8, 1000):
            assert [len(hits) for hits in store.search(questions, k=k)] == [min(k, 7)] * 3
        assert store.search(questions[:0], k=3) == []

    def test_a_hit_carries_what_is_shown(self, store: StoreUnderTest) -> None:
        written = embedded(
            "guide/a.md",
            ["before ", "the passage"],
            np.stack([unit([0, 1]), unit([1])]),
            headings=("Guide", "Install"),
            uri="https://example.org/guide/a",
            title="A guide",
            metadata={"team": "search"},
        )
        second = replace(written.chunks[1], line=7, page=3, sheet="S")
        store.replace([replace(written, chunks=(written.chunks[0], second))])
        [[hit]] = store.search(unit([1])[np.newaxis], k=1)
        assert replace(hit, score=1.0, trail={}) == Hit(
            score=1.0,
            source="docs",
            document="guide/a.md",
            uri="https://example.org/guide/a",
            title="A guide",
            start=7,
            end=18,
            text="the passage",
            headings=("Guide", "Install"),
            line=7,
            page=3,
            sheet="S",
            metadata={"team": "search"},
        )

    # Searching by words

    def test_words_are_found_best_first(self, store: StoreUnderTest) -> None:
        store.replace(
            [
                embedded("both.md", ["a zebra beside a quagga"], title="plain", headings=("Guide",)),
                embedded("one.md", ["a zebra beside a horse"], title="plain"),
                embedded("none.md", ["a donkey beside a mule"], title="plain"),
            ]
        )
        store.optimize()
        found = store.search_text(["zebra quagga", "Quagga", "donkeys? mule!", "unicorn"], k=10)
        documents = [[hit.document for hit in hits] for hits in found]
        assert documents == [["both.md", "one.md"], ["both.md"], ["none.md"], []]
        [first, second] = found[0]
        assert first.score > second.score > 0
        assert (first.text, first.headings) == ("a zebra beside a quagga", ("Guide",))
        assert [hit.trail["lexical"] for hit in found[0]] == [
            {"rank": 1, "score": first.score},
            {"rank": 2, "score": second.score},
        ]
        assert len(store.search_text(["zebra"], k=1)[0]) == 1

    @pytest.mark.parametrize("question", ["", "?!", "\\", " \n"])
    def test_a_question_without_words_finds_nothing(self, store: StoreUnderTest, question: str) -> None:
        store.replace([embedded("a.md", ["some words"])])
        store.optimize()
        assert store.search_text([question], k=5) == [[]]

    @pytest.mark.parametrize(
        "question", ['"zebra', "-zebra", "zebra OR", "zebra & !", "(zebra", "zebra:*", "NOT zebra"]
    )
    def test_nothing_in_a_question_is_an_operator(self, store: StoreUnderTest, question: str) -> None:
        store.replace([embedded("a.md", ["a zebra"]), embedded("b.md", ["a horse"])])
        store.optimize()
        assert [hit.document for hit in store.search_text([question], k=5)[0]] == ["a.md"]

    def test_words_of_an_old_version_are_not_found(self, store: StoreUnderTest) -> None:
        store.replace([embedded("a.md", ["a zebra"]), embedded("b.md", ["a horse"])])
        store.optimize()
        store.replace([embedded("a.md", ["a donkey"])])
        store.delete([("docs", "b.md")])
        assert store.search_text(["zebra", "horse"], k=5) == [[], []]
        assert [hit.text for hit in store.search_text(["donkey"], k=5)[0]] == ["a donkey"]

    def test_searches_at_one_moment_show_one_version(self, store: StoreUnderTest, open_store: Opener) -> None:
        old = embedded("a.md", ["old zebra", "old horse"], np.stack([unit([1]), unit([0, 1])]))
        new = embedded("a.md", ["new zebra", "new horse"], np.stack([unit([1]), unit([0, 1])]))
        store.replace([old])
        store.optimize()
        reader = open_store()
        with reader.at_one_moment():
            [before] = reader.search(unit([1])[np.newaxis], k=5)
            store.replace([new])
            [after] = reader.search_text(["zebra horse"], k=5)
        assert {hit.text for hit in before} == {"old zebra", "old horse"}
        assert {hit.text for hit in after} <= {"old zebra", "old horse"}
        [now] = reader.search_text(["zebra horse"], k=5)
        assert {hit.text for hit in now} == {"new zebra", "new horse"}

    # Life of a generation

    def test_create_again_keeps_what_is_there(self, store: StoreUnderTest) -> None:
        store.replace([embedded("a.md", ["one"])])
        store.create()
        assert store.counts() == (1, 1)

    def test_drop_removes_all_of_it(self, store: StoreUnderTest, open_store: Opener) -> None:
        store.replace([embedded("a.md", ["one"])])
        for _ in range(7):  # often enough for a client that prepares statements
            store.search(random_vectors(1, seed=1), k=1)
        store.drop()
        assert not store.exists()
        assert store.counts() == (0, 0)
        store.drop()
        other = open_store(dimension=3)
        other.create()
        assert other.counts() == (0, 0)
        other.replace([embedded("a.md", ["three"], np.eye(3, dtype=np.float32)[:1])])
        assert other.search(np.eye(3, dtype=np.float32)[:1], k=1)[0][0].text == "three"

    def test_a_store_that_was_never_made_holds_nothing(self, open_store: Opener) -> None:
        assert not open_store().exists()
        assert open_store().counts() == (0, 0)

    def test_using_what_another_client_dropped_is_a_mismatch(
        self, store: StoreUnderTest, open_store: Opener
    ) -> None:
        reader = open_store()
        store.replace([embedded("a.md", ["one"])])
        assert len(reader.search(random_vectors(1, seed=1), k=1)[0]) == 1
        store.drop()
        for use in (
            lambda: reader.search(random_vectors(1, seed=1), k=1),
            lambda: reader.replace([embedded("a.md", ["two"])]),
            lambda: reader.delete([("docs", "a.md")]),
            lambda: reader.chunks_of("docs", "a.md"),
            reader.documents,
        ):
            with pytest.raises(Mismatch, match="gone") as refused:
                use()
            assert refused.value.hint

    # Two clients

    def test_another_client_sees_what_was_written(self, store: StoreUnderTest, open_store: Opener) -> None:
        reader = open_store()
        store.replace([embedded("a.md", ["one"])])
        assert texts_of(reader, "a.md") == ["one"]
        store.delete([("docs", "a.md")])
        assert reader.counts() == (0, 0)

    def test_a_reader_never_sees_half_of_a_document(self, store: StoreUnderTest, open_store: Opener) -> None:
        versions = [
            [embedded(path, [f"{name}{part} " for part in range(count)], title=name) for path in "ab"]
            for name, count in (("few", 3), ("many", 40))
        ]
        whole = [
            sorted((version[0].document.title, chunk.start, chunk.text) for chunk in version[0].chunks)
            for version in versions
        ]
        store.replace(versions[0])
        reader = open_store()
        with _written_in_a_loop(store, versions) as faults:
            seen: set[str] = set()
            reads = 0
            while (reads < 60 or len(seen) < 2) and reads < 3000 and not faults:
                reads += 1
                [hits] = reader.search(random_vectors(1, seed=1), k=1000)
                assert {hit.document for hit in hits} == {"a", "b"}
                for path in "ab":
                    found = sorted((hit.title, hit.start, hit.text) for hit in hits if hit.document == path)
                    assert found in whole
                    seen.add(found[0][0])
                assert texts_of(reader, "a") in [[text for *_, text in version] for version in whole]
                assert reader.counts() in {(2, one + other) for one in (3, 40) for other in (3, 40)}
        assert not faults
        assert seen == {"few", "many"}, "the reader met only one version: this showed nothing"


@contextmanager
def _written_in_a_loop(
    store: StoreUnderTest, versions: Sequence[Sequence[EmbeddedDocument]]
) -> Iterator[list[BaseException]]:
    """Replaces one version by the next, over and over, in a thread; yields what goes wrong there."""
    done = threading.Event()
    faults: list[BaseException] = []

    def write() -> None:
        try:
            for version in itertools.cycle(versions):
                if done.is_set():
                    return
                store.replace(version)
        except BaseException as error:
            faults.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield faults
    finally:
        done.set()
        writer.join(timeout=60)
