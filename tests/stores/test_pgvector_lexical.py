"""Lexical search on a real server: ranks, what is found and what not, upkeep, upgrade, concurrency."""

from __future__ import annotations

import itertools
import math
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from contracts.store_text import HOSTILE
from contracts.stored import DIMENSION, embedded

from ragctl.errors import Mismatch, Unavailable
from ragctl.stores import pgvector_lexical
from ragctl.stores.lexical_question import COUNT_BOUNDS, K1, B
from ragctl.stores.pgvector import PgVectorStore
from ragctl.stores.text_analysis import SNOWBALL
from ragctl.types import EmbeddedDocument, Hit

_numbers = itertools.count()
Connection = psycopg.Connection[Any]
MakeStore = Callable[..., PgVectorStore]


@pytest.fixture
def make_store(connection: Connection) -> Iterator[MakeStore]:
    """`make_store(language="english", to=None)`: clients of one generation of this test's own."""
    prefix = f"words{next(_numbers)}"

    def make(language: str = "english", to: Connection | None = None) -> PgVectorStore:
        return PgVectorStore(
            to or connection, schema="public", prefix=prefix, dimension=DIMENSION, language=language
        )

    make().create()
    yield make
    make().drop()


@pytest.fixture
def store(make_store: MakeStore) -> PgVectorStore:
    return make_store()


@pytest.fixture
def other_connection(server_base: Any, connection: Connection) -> Iterator[Connection]:
    """A second client, which gives up where it would have to wait for a lock."""
    with psycopg.connect(connection.info.dsn, password=connection.info.password, autocommit=True) as opened:
        opened.execute("SET lock_timeout = '500ms'")
        yield opened


def stored(store: PgVectorStore, texts: Sequence[str]) -> None:
    """A document a text, d0, d1 and so on; ready to be searched."""
    store.replace([embedded(f"d{number}", [text]) for number, text in enumerate(texts)])
    store.optimize()


def found(store: PgVectorStore, question: str, k: int = 50) -> list[str]:
    return [hit.document for hit in store.search_text([question], k=k)[0]]


def table_of(store: PgVectorStore, kind: str) -> str:
    return store._lexical.tables[kind][1]


# Ranks


def bm25(texts: Sequence[Sequence[str]], question: Sequence[str]) -> dict[int, float]:
    """The textbook, in plain Python: scores of the texts that have any of the words."""
    average = sum(map(len, texts)) / len(texts)
    scores = {}
    for number, text in enumerate(texts):
        counts, score = Counter(text), 0.0
        for word in question:
            having = sum(word in other for other in texts)
            idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
            norm = K1 * (1 - B + B * len(text) / average)
            score += idf * counts[word] / (counts[word] + norm)
        if score:
            scores[number] = score
    return scores


def test_scores_are_those_of_bm25(make_store: MakeStore) -> None:
    draw = random.Random(7)
    vocabulary = [f"w{number}" for number in range(120)]
    shares = [1 / (rank + 1) for rank in range(120)]
    texts = [draw.choices(vocabulary, shares, k=draw.randint(1, 60)) for _ in range(300)]
    store = make_store("simple")
    stored(store, [" ".join(text) for text in texts])
    questions = [draw.choices(vocabulary, k=draw.randint(1, 12)) for _ in range(25)] + [["w0", "w0", "w1"]]
    hits = store.search_text([" ".join(question) for question in questions], k=1000)
    for question, of_question in zip(questions, hits, strict=True):
        expected = bm25(texts, question)
        assert {hit.document: hit.score for hit in of_question} == {
            f"d{number}": pytest.approx(score, rel=1e-9) for number, score in expected.items()
        }
        scores = [hit.score for hit in of_question]
        assert scores == sorted(scores, reverse=True)


def test_k_bounds_each_question(store: PgVectorStore) -> None:
    stored(store, ["a cat", "a cat and a cat", "a dog", "cats cats cats"])
    [cats, dogs, nothing] = store.search_text(["cat", "dog", "horse"], k=2)
    assert [hit.document for hit in cats] == ["d3", "d1"]
    assert [hit.document for hit in dogs] == ["d2"]
    assert nothing == []
    assert store.search_text([], k=2) == []


def test_a_hit_says_where_it_is_and_how_it_was_found(store: PgVectorStore) -> None:
    document = embedded("a.md", ["first part. ", "the second part"], headings=("Top",), metadata={"x": 1})
    store.replace([document])
    store.optimize()
    [[hit]] = store.search_text(["second"], k=5)
    assert hit == Hit(
        score=hit.score,
        source="docs",
        document="a.md",
        uri="file:///a.md",
        title="A.MD",
        start=12,
        end=27,
        text="the second part",
        headings=("Top",),
        line=2,
        metadata={"x": 1},
        trail={"lexical": {"rank": 1, "score": hit.score}},
    )
    assert 0 < hit.score < math.inf


def test_of_equal_scores_source_path_and_span_decide(store: PgVectorStore) -> None:
    store.replace([embedded("b", ["equal ", "equal "]), embedded("a", ["equal "])])
    store.replace([embedded("z", ["equal "], source="a")])
    store.optimize()
    everything = [("a", "z", 0), ("docs", "a", 0), ("docs", "b", 0), ("docs", "b", 6)]
    for k in (1, 2, 3, 4):
        [hits] = store.search_text(["equal"], k=k)
        assert [(hit.source, hit.document, hit.start) for hit in hits] == everything[:k]


def test_how_often_a_chunk_has_a_word_is_read_exactly(connection: Connection) -> None:
    counted = connection.execute(
        """
        SELECT n, width_bucket(ts_rank(v::tsvector, '''x'''), %s::float8[])
        FROM (SELECT n, 'a:1 y:1,2,3 x:' || (SELECT string_agg(p::text, ',') FROM generate_series(1, n) p) v
              FROM generate_series(1, 255) n) t
        UNION ALL SELECT 0, width_bucket(ts_rank('y:1,2', '''x'''), %s::float8[])
        """,
        (COUNT_BOUNDS, COUNT_BOUNDS),
    ).fetchall()
    assert len(counted) == 256
    assert all(read == there for there, read in counted)


# What is found


def test_words_are_found_in_other_forms(store: PgVectorStore) -> None:
    stored(store, ["Connections were refused", "a reflection", "nothing of it"])
    assert found(store, "Which CONNECTION refuses?") == ["d0"]


@pytest.mark.parametrize("question", ["", " ", "?!", "the of and", "Is it the?", "❤️", "x" * 5000])
def test_without_a_word_nothing_is_found(store: PgVectorStore, question: str) -> None:
    stored(store, ["the cat is on it", "x" * 3000])
    assert store.search_text([question, "cat"], k=5)[0] == []
    assert found(store, "cat") == ["d0"]


@pytest.mark.parametrize(
    "question",
    [
        "cat & dog",
        "!cat | dog",
        "cat <-> dog:*",
        "'cat' \\dog",
        "cat:A dog:B",
        "%s {dog} cat",
        "cat'); --dog",
    ],
)
def test_nothing_in_a_question_is_an_operator(store: PgVectorStore, question: str) -> None:
    stored(store, ["a cat", "a dog", "a cat and a dog", "a horse"])
    assert found(store, question)[0] == "d2"
    assert sorted(found(store, question)) == ["d0", "d1", "d2"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("language", ["english", "chinese"])
def test_hostile_text_is_searched(make_store: MakeStore, text: str, language: str) -> None:
    store = make_store(language)
    store.create()
    stored(store, [text, "marker " + text[:4000], "another"])
    assert found(store, "marker " + text[:200])[0] == "d1"
    store.search_text([text], k=3)


def test_what_the_model_reads_is_searched(store: PgVectorStore) -> None:
    document = embedded("heron.md", ["body"], headings=("Stork",), title="heron")
    chunk = replace(document.chunks[0], embed_input="Pelican > Stork\n\nbody")
    store.replace([replace(document, chunks=(chunk,))])
    store.optimize()
    assert found(store, "pelican") == found(store, "stork") == found(store, "body") == ["heron.md"]
    assert found(store, "heron") == []


@pytest.mark.parametrize(
    ("language", "text", "question", "other"),
    [
        ("chinese", "我们住在东京都附近。", "东京在哪里？", "北方的城市"),
        ("chinese", "她喜欢绿茶", "茶", "咖啡"),
        ("chinese", "ＡＢＣ公司的手机", "abc", "别的公司"),
        ("japanese", "ﾄｳｷｮｳのラーメン屋", "トウキョウ", "京都の寺"),
        ("korean", "대한민국의 수도는 서울이다", "서울", "부산 바다"),
        ("english", "The word 東京都 in a text", "東京", "The word in a text"),
        ("german", "Die Häuser der Straße", "Häusern", "Die Maus"),
        ("hindi", "हिन्दी की किताबें", "किताब", "पानी"),
        ("russian", "Новые книги о PostgreSQL databases", "книга", "Старый дом"),
        ("simple", "Running RUNS", "runs", "run"),
    ],
)
def test_languages(make_store: MakeStore, language: str, text: str, question: str, other: str) -> None:
    store = make_store(language)
    store.create()
    stored(store, [other, text])
    assert found(store, question)[:1] == ["d1"]


def test_every_language_is_one_of_the_server(connection: Connection) -> None:
    names = {name for (name,) in connection.execute("SELECT cfgname FROM pg_ts_config")}
    assert names >= SNOWBALL


def test_a_language_that_the_server_has_not(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="klingon"):
        make_store("klingon")
    monkeypatch.setattr(pgvector_lexical, "SNOWBALL", SNOWBALL | {"klingon"})
    monkeypatch.setattr(pgvector_lexical, "LANGUAGES", SNOWBALL | {"klingon"})
    with pytest.raises(Unavailable, match="klingon"):
        make_store("klingon").create()


# Writers


def test_new_versions_and_deletions_show_at_once(store: PgVectorStore) -> None:
    stored(store, ["old words", "others"])
    store.replace([embedded("d0", ["new words", "more words"]), embedded("d2", ["unheard"])])
    assert found(store, "old") == []
    assert found(store, "new") == ["d0"]
    assert found(store, "words") == ["d0", "d0"]
    assert found(store, "unheard") == ["d2"]
    store.delete([("docs", "d0")])
    assert found(store, "new words") == []


def test_a_document_replaced_between_two_searches_is_found_in_its_old_version(
    store: PgVectorStore, make_store: MakeStore, other_connection: Connection
) -> None:
    stored(store, ["old words"])
    vectors = embedded("d0", ["old words"]).vectors
    with store.at_one_moment():
        [[by_vector]] = store.search(vectors, k=5)
        make_store(to=other_connection).replace([embedded("d0", ["new words"])])
        [[by_words]] = store.search_text(["words"], k=5)
    assert (by_vector.text, by_words.text) == ("old words", "old words")
    assert [hit.text for hit in store.search_text(["words"], k=5)[0]] == ["new words"]


def test_lexemes_join_the_callers_transaction(store: PgVectorStore, connection: Connection) -> None:
    stored(store, ["old"])
    with connection.transaction(force_rollback=True):
        store.replace([embedded("d0", ["new"])])
        assert (found(store, "old"), found(store, "new")) == ([], ["d0"])
    assert (found(store, "old"), found(store, "new")) == (["d0"], [])


def test_writers_of_different_documents_do_not_wait_for_one_another(
    store: PgVectorStore, make_store: MakeStore, connection: Connection, other_connection: Connection
) -> None:
    stored(store, ["shared words of everyone", "more shared words"])
    other = make_store(to=other_connection)
    with connection.transaction():
        store.replace([embedded("d0", ["shared words changed"]), embedded("x", ["shared", "newcomer"])])
        store.delete([("docs", "d1")])
        other.replace([embedded("y", ["shared words", "newcomer"])])
        other.optimize(exact=True)
        assert found(other, "newcomer") == ["y"]
    store.optimize()
    assert sorted(found(store, "newcomer")) == ["x", "y"]


def test_who_searches_does_not_wait_for_who_counts(
    store: PgVectorStore, make_store: MakeStore, connection: Connection, other_connection: Connection
) -> None:
    stored(store, ["shared words", "more shared words"])
    other = make_store(to=other_connection)
    with connection.transaction():
        store.replace([embedded("x", ["shared"])])
        store.optimize(exact=True)
        assert sorted(found(other, "shared")) == ["d0", "d1"]
        other.replace([embedded("y", ["shared"])])
    assert sorted(found(other, "shared")) == ["d0", "d1", "x", "y"]


def test_many_writers_and_counts_at_once(
    store: PgVectorStore, make_store: MakeStore, connection: Connection
) -> None:
    store.optimize()
    faults: list[Exception] = []

    def work(name: str) -> None:
        try:
            with psycopg.connect(
                connection.info.dsn, password=connection.info.password, autocommit=True
            ) as own:
                mine = make_store(to=own)
                for number in range(8):
                    mine.replace([embedded(f"{name}{number % 3}", [f"shared {name} version{number}"])])
                    mine.optimize(exact=number % 2 == 0)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("left", "right", "middle")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(found(store, "shared")) == 9
    assert sorted(found(store, "left")) == ["left0", "left1", "left2"]


# Upkeep


def frequencies(store: PgVectorStore, connection: Connection) -> dict[str, int]:
    return dict(connection.execute(f"SELECT term, chunks FROM {table_of(store, 'terms')}").fetchall())


def test_frequencies_are_counted_when_enough_has_changed(
    store: PgVectorStore, connection: Connection
) -> None:
    stored(store, [f"common word{number % 50}" for number in range(100)])
    assert frequencies(store, connection)["common"] == frequencies(store, connection)[""] == 100
    store.replace([embedded("new", ["common word1 "]), embedded("d0", ["common zebra"])])
    store.optimize()  # one chunk more, and one in place of another: over 2 %
    assert frequencies(store, connection)["common"] == 101
    store.replace([embedded("new", ["zebra zebra"])])
    store.optimize()
    assert frequencies(store, connection)["common"] == 101
    assert len(found(store, "zebra")) == 2
    store.optimize(exact=True)
    counted = frequencies(store, connection)
    assert (counted["common"], counted["zebra"], counted[""]) == (100, 2, 101)
    store.delete([("docs", f"d{number}") for number in range(50)])
    store.optimize()
    assert frequencies(store, connection)["common"] == 50
    assert "word1" not in frequencies(store, connection)  # one chunk: as good as unknown


def test_a_count_writes_only_what_has_changed(store: PgVectorStore, connection: Connection) -> None:
    def rows() -> dict[str, str]:
        named = f"SELECT term, xmin || ' ' || ctid FROM {table_of(store, 'terms')}"
        return dict(connection.execute(named).fetchall())

    stored(store, [*[f"common word{number % 3}" for number in range(30)], "leaving words", "leaving words"])
    before = rows()
    store.replace([embedded("new", ["word1 came came", "came"])])
    store.delete([("docs", "d30"), ("docs", "d31")])
    store.optimize(exact=True)
    after = rows()
    assert {term for term in before if after.get(term) != before[term]} == {"", "word1", "leav", "word"}
    assert after.keys() - before.keys() == {"came"}
    assert frequencies(store, connection) == {
        "": 32, "common": 30, "word0": 10, "word1": 11, "word2": 10, "came": 2,
    }  # fmt: skip


def test_an_empty_index_is_searched_in_vain(store: PgVectorStore) -> None:
    assert not store.has_text_index()
    store.optimize()
    assert store.has_text_index()
    assert store.search_text(["anything", ""], k=3) == [[], []]
    stored(store, ["?!", "..."])
    assert store.search_text(["anything"], k=3) == [[]]


def test_before_the_first_upkeep_nobody_is_told_that_there_is_nothing(store: PgVectorStore) -> None:
    store.replace([embedded("a", ["words"])])
    with pytest.raises(Mismatch) as caught:
        store.search_text(["words"], k=3)
    assert "ragctl ingest" in (caught.value.hint or "")


def test_frequencies_of_a_smaller_index_do_for_a_larger_one(store: PgVectorStore) -> None:
    stored(store, ["seed"])
    store.replace([embedded(f"e{number}", [f"grown text {number}"]) for number in range(400)])
    assert found(store, "grown 77")[0] == "e77"
    assert len(found(store, "grown", k=1000)) == 400


# An index of a release without lexical search


@pytest.fixture
def earlier(store: PgVectorStore, connection: Connection) -> PgVectorStore:
    def one(path: str, title: str, text: str) -> EmbeddedDocument:
        return embedded(path, [text, "second chunk"], headings=("Heading",), title=title)

    store.replace([one("notes/plain.md", "plain", "first"), one("b.md", "Pelican", "first")])
    connection.execute(f"DROP TABLE {table_of(store, 'lexical')}, {table_of(store, 'terms')}")
    return store


def test_an_earlier_index_is_filled_in_where_it_is(
    earlier: PgVectorStore, make_store: MakeStore, connection: Connection
) -> None:
    chunks = f"SELECT xmin::text, * FROM {earlier.chunk_table[1]} ORDER BY document, ordinal"
    before = connection.execute(chunks).fetchall()
    store = make_store()
    assert not store.has_text_index()
    with pytest.raises(Mismatch) as caught:
        store.search_text(["pelican"], k=3)
    assert "ragctl ingest" in (caught.value.hint or "")
    store.create()
    with pytest.raises(Mismatch):
        store.search_text(["pelican"], k=3)
    store.optimize()
    assert found(store, "pelican") == ["b.md", "b.md"]
    assert found(store, "plain") == []  # a file's name
    assert sorted(found(store, "heading")) == ["b.md", "b.md", "notes/plain.md", "notes/plain.md"]
    assert connection.execute(chunks).fetchall() == before


def test_an_earlier_index_is_written_to_as_before(earlier: PgVectorStore, make_store: MakeStore) -> None:
    store = make_store()
    store.delete([("docs", "b.md")])
    store.replace([embedded("c.md", ["third"])])
    assert store.documents() == {("docs", "notes/plain.md"), ("docs", "c.md")}
    assert store.size_bytes() > 0
    store.create()
    store.optimize()
    assert found(store, "third") == ["c.md"]
    assert found(store, "first") == ["notes/plain.md"]


def test_filling_in_goes_on_where_it_was_broken_off(
    earlier: PgVectorStore, make_store: MakeStore, connection: Connection
) -> None:
    store = make_store()
    store.create()
    store.replace([embedded("b.md", ["replaced"])])
    store.optimize()
    connection.execute(f"DELETE FROM {table_of(store, 'lexical')} WHERE ordinal = 1")
    connection.execute(
        f"INSERT INTO {table_of(store, 'lexical')} (document, ordinal, length, lexemes) "
        "VALUES (999999, 0, 1, 'ghost')"
    )
    store.optimize(exact=True)
    assert found(store, "replaced") == ["b.md"]
    assert found(store, "second") == ["notes/plain.md"]
    assert connection.execute(f"SELECT count(*) FROM {table_of(store, 'lexical')}").fetchone() == (3,)


def test_dropping_leaves_nothing(make_store: MakeStore, connection: Connection) -> None:
    store = make_store()
    stored(store, ["something"])
    prefix = prefix_of(store)
    store.drop()
    left = connection.execute("SELECT relname FROM pg_class WHERE starts_with(relname, %s)", (prefix,))
    assert left.fetchall() == []
    with pytest.raises(Mismatch):
        store.search_text(["something"], k=1)
    with pytest.raises(Mismatch):
        store.optimize()


def prefix_of(store: PgVectorStore) -> str:
    return store.chunk_table[1].removesuffix("chunks")
