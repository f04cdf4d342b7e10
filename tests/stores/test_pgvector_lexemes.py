"""Lexemes made in the client are those of the server's `to_tsvector`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from contracts.store_text import HOSTILE, STORABLE
from contracts.stored import DIMENSION, embedded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo

from ragctl.stores import pgvector_lexemes
from ragctl.stores.pgvector import PgVectorStore
from ragctl.stores.pgvector_lexemes import MOST_KNOWN, PgVectorLexemes
from ragctl.stores.text_analysis import LONGEST_WORD, lexemes, words

Connection = psycopg.Connection[Any]
DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
STEMMED = ["english", "german", "french", "russian", "hindi", "arabic", "turkish", "greek"]


@dataclass(frozen=True)
class Vector:
    """A tsvector in binary form, as a parameter of a statement."""

    content: bytes


class VectorDumper(Dumper):
    oid = 3614
    format = Format.BINARY

    def dump(self, obj: Vector) -> bytes:
        return obj.content


def register(connection: Connection) -> None:
    kind = TypeInfo.fetch(connection, "tsvector")
    assert kind is not None
    kind.register(connection)
    connection.adapters.register_dumper(Vector, VectorDumper)


class Listening:
    """A connection that keeps what is executed."""

    def __init__(self, connection: Connection) -> None:
        self.info = connection.info
        self._connection = connection
        self.asked: list[list[str]] = []

    def execute(self, statement: str, parameters: tuple[list[str]], **options: Any) -> Any:
        self.asked.append(parameters[0])
        return self._connection.execute(statement, parameters, **options)


def differences(
    connection: Connection, language: str, texts: Sequence[str], made: PgVectorLexemes
) -> list[Any]:
    """Texts of which the server makes something else: (text, its lexemes with their counts, ours)."""
    register(connection)
    vectors = list(made.vectors([made.count(text) for text in texts]))
    rows = connection.execute(
        f"""
        SELECT text, theirs, ours, length FROM (
            SELECT text, length,
                   (SELECT array_agg((lexeme, cardinality(positions))::text ORDER BY lexeme)
                    FROM unnest(to_tsvector('pg_catalog.{language}', prepared))) AS theirs,
                   (SELECT array_agg((lexeme, cardinality(positions))::text ORDER BY lexeme)
                    FROM unnest(vector)) AS ours,
                   (SELECT coalesce(sum(cardinality(positions)), 0) FROM unnest(vector)) AS counted
            FROM unnest(%s::text[], %s::text[], %b::tsvector[], %s::int[])
                 AS t (text, prepared, vector, length)
        ) compared
        WHERE ours IS DISTINCT FROM theirs OR counted <> length
        """,
        (
            list(texts),
            [" ".join(words(text)) for text in texts],
            [Vector(one.content) for one in vectors],
            [one.length for one in vectors],
        ),
    )
    return rows.fetchall()


def real_texts() -> list[str]:
    """English and Chinese paragraphs, abstracts of papers."""
    if not DATA.is_dir():
        pytest.skip("there is no ../shared/data with real texts")
    found = []
    for name, count in (("xquad-en", 100), ("xquad-zh", 60), ("scifact", 100)):
        with gzip.open(DATA / name / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
            found += [json.loads(line)["text"] for line, _ in zip(lines, range(count), strict=False)]
    return found


@pytest.mark.parametrize("language", STEMMED)
def test_real_texts(connection: Connection, language: str) -> None:
    assert differences(connection, language, real_texts(), PgVectorLexemes(connection, language)) == []


ODD = [
    "",
    " . ",
    "the of and",
    "2 10 1 007 1e10 1e5x x2 2x 0x1f 12345678901234567890 3rd 42nd v2 utf8 i18n",
    "don't O'Neill's rock'n'roll www.example.org/a/b?c=d a@b.cc <b>bold</b> &amp; -12.5e-3 well-known",
    "ÀÉÎ straße STRASSE ﬁne Ⅷ ½ x² ΣΊΣΥΦΟΣ ǅ İstanbul ı",
    "e\u0301 g\u0308 क्षत्रिय हिन्दी किताबें ไทย ภาษา ខ្មែរ မြန်မာ עִבְרִית العَرَبِيَّة",
    "a\u0301\u0302\u0303 \u0301 x\u20dd 1\u20e3 a\u034fb q\u0307\u0323",
    "東京都 カタカナ 대한민국 i东京x 第15章",
    "run runs running ran runner's runners RUNNING",
    "word " * 300 + "words " * 20,
    "x" * LONGEST_WORD + " " + "x" * (LONGEST_WORD + 1) + " " + "ж" * LONGEST_WORD,
    "𝒳𝒴 𝟙𝟚 🙂 a🙂b Ａ１ ٣٤ ۵ १२",
    *HOSTILE.values(),
]


@pytest.mark.parametrize("language", STEMMED)
def test_odd_texts(connection: Connection, language: str) -> None:
    assert differences(connection, language, ODD, PgVectorLexemes(connection, language)) == []


LETTERS = st.characters(categories=["L", "M", "N"])


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(
    texts=st.lists(st.text(STORABLE) | st.lists(st.text(LETTERS, min_size=1)).map(" ".join), max_size=20),
    language=st.sampled_from(STEMMED),
)
def test_any_text(connection: Connection, texts: list[str], language: str) -> None:
    assert differences(connection, language, texts, PgVectorLexemes(connection, language)) == []


def test_the_server_is_asked_about_a_word_once(connection: Connection) -> None:
    listening = Listening(connection)
    made: Any = PgVectorLexemes(listening, "english")  # type: ignore[arg-type]
    first = [vector.content for vector in made.vectors([made.count("The cats sat."), made.count("cats!")])]
    assert [sorted(asked) for asked in listening.asked] == [["cats", "sat", "the"]]
    again = [vector.content for vector in made.vectors([made.count("cats sat: the"), made.count("A cats")])]
    assert listening.asked[1:] == [["a"]]
    assert again[1] == first[1]


def test_words_of_which_there_are_too_many_are_forgotten(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_KNOWN >= 50_000
    monkeypatch.setattr(pgvector_lexemes, "MOST_KNOWN", 20)
    made = PgVectorLexemes(connection, "english")
    for first in range(0, 200, 10):
        texts = [f"common words stay number{n} the x{n}y" for n in range(first, first + 10)]
        counted = [made.count(text) for text in texts]  # counted with what is forgotten before it is used
        assert differences(connection, "english", texts, made) == []
        assert len(list(made.vectors(counted))) == 10
        assert len(made._known) + len(made._several) <= 20 + 60


def test_beyond_what_to_tsvector_counts_all_are_counted(connection: Connection) -> None:
    """It notes no positions past 16,383, so it counts a word beyond them once."""
    made = PgVectorLexemes(connection, "english")
    text = "filler " * 16_400 + "late " * 20
    [vector] = made.vectors([made.count(text)])
    assert vector.length == 255 + 20
    [(_, theirs, ours, _)] = differences(connection, "english", [text], made)
    assert (theirs, ours) == (["(filler,255)", "(late,1)"], ["(filler,255)", "(late,20)"])


@pytest.mark.parametrize("language", ["chinese", "simple"])
def test_unstemmed_words_stay_as_they_are(connection: Connection, language: str) -> None:
    register(connection)
    made = PgVectorLexemes(connection, language)
    texts = [*ODD, "the running cats, the"]
    vectors = list(made.vectors([made.count(text) for text in texts]))
    rows = connection.execute(
        "SELECT vector = text::tsvector, length, (SELECT coalesce(sum(cardinality(positions)), 0) "
        "FROM unnest(vector)) FROM unnest(%b::tsvector[], %s::text[], %s::int[]) t (vector, text, length)",
        (
            [Vector(one.content) for one in vectors],
            [lexemes(text) for text in texts],
            [one.length for one in vectors],
        ),
    ).fetchall()
    assert len(rows) == len(texts)
    assert all(same and length == counted for same, length, counted in rows)


@pytest.fixture
def store(connection: Connection) -> Any:
    made = PgVectorStore(connection, schema="public", prefix="lexemes", dimension=DIMENSION)
    made.drop()
    made.create()
    yield made
    made.drop()


def rows_of(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT d.path, l.ordinal, l.length, (SELECT array_agg((lexeme, cardinality(positions))::text "
        "ORDER BY lexeme) FROM unnest(l.lexemes)) FROM lexemes_lexical l "
        "JOIN lexemes_documents d ON d.id = l.document ORDER BY d.path, l.ordinal"
    ).fetchall()


def test_rows_are_those_that_sql_makes(store: PgVectorStore, connection: Connection) -> None:
    """An index of an earlier release holds rows of `to_tsvector`; both are searched together."""
    texts = [text for text in ODD if text]
    store.replace([embedded(name, texts, title=name) for name in ("old", "new")])
    written = rows_of(connection)
    connection.execute("DELETE FROM lexemes_lexical")
    store.optimize()  # fills in what is missing by SQL
    assert rows_of(connection) == written
    store.replace([embedded("new", texts, title="new")])
    assert rows_of(connection) == written
    [hits] = store.search_text(["runner"], k=5)
    assert sorted(hit.document for hit in hits) == ["new", "old"]
    assert hits[0].score == hits[1].score


def test_a_client_of_another_encoding(store: PgVectorStore, connection: Connection) -> None:
    text, headings = "Größe naïve café", ("Über",)
    store.replace([embedded("a", [text], headings=headings)])
    written = rows_of(connection)
    try:
        connection.execute("SET client_encoding TO latin1")
        other = PgVectorStore(connection, schema="public", prefix="lexemes", dimension=DIMENSION)
        other.replace([embedded("a", [text], headings=headings)])
    finally:
        connection.execute("RESET client_encoding")
    assert rows_of(connection) == written
    [chunk] = store.chunks_of("docs", "a")
    assert (chunk["text"], chunk["headings"]) == (text, list(headings))
