"""The HNSW index on a real server: when it is built, what it finds, and what happens when a build fails."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from contracts.store import VectorStoreContract
from contracts.stored import DIMENSION, Opener, embedded
from psycopg import sql

from ragctl.embedded.server import EmbeddedServer
from ragctl.stores import pgvector_dense, pgvector_hnsw
from ragctl.stores.pgvector import PgVectorStore
from ragctl.stores.pgvector_hnsw import PgVectorHnsw
from ragctl.types import Hit

WIDTH = 64
_numbers = itertools.count()
Array = np.ndarray[Any, Any]
Connection = psycopg.Connection[Any]
MakeStore = Callable[..., PgVectorStore]


def clustered(count: int, seed: int, *, width: int = WIDTH, clusters: int = 200) -> Array:
    """Shape (count, width), unit length, in groups around the same centres whatever the seed."""
    centres = np.random.default_rng(0).standard_normal((clusters, width))
    draw = np.random.default_rng(seed)
    drawn = centres[draw.integers(0, clusters, count)] + 0.5 * draw.standard_normal((count, width))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def fill(store: PgVectorStore, vectors: Array, *, each: int = 20) -> None:
    """Documents d0, d1 and so on of `each` chunks, whose texts are the numbers of their vectors."""
    store.create()
    store.replace(
        [
            embedded(
                f"d{first // each}",
                [f"{number} " for number in range(first, min(first + each, len(vectors)))],
                vectors[first : first + each],
            )
            for first in range(0, len(vectors), each)
        ]
    )


def numbers(hits: list[Hit]) -> list[int]:
    return [int(hit.text) for hit in hits]


def nearest(vectors: Array, question: Array, k: int) -> list[int]:
    return [int(number) for number in np.argsort(-(vectors @ question), kind="stable")[:k]]


def recall(store: PgVectorStore, vectors: Array, questions: Array, k: int) -> float:
    found = store.search(questions, k=k)
    shares = [
        len(set(numbers(hits)) & set(nearest(vectors, question, k))) / k
        for hits, question in zip(found, questions, strict=True)
    ]
    return float(np.mean(shares))


def index_of(store: PgVectorStore) -> str | None:
    """How the index is defined; None if there is none, or none that is whole."""
    schema, chunks = store.chunk_table
    row = store._connection.execute(
        "SELECT d.indexdef FROM pg_indexes d JOIN pg_class c ON c.relname = d.indexname "
        "JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = d.schemaname "
        "JOIN pg_index i ON i.indexrelid = c.oid "
        "WHERE d.schemaname = %s AND d.tablename = %s AND d.indexdef LIKE '%%hnsw%%' AND i.indisvalid",
        (schema, chunks),
    ).fetchone()
    return row[0] if row else None


@pytest.fixture
def make_store(connection: Connection) -> Iterator[MakeStore]:
    """`make_store(to=None, dimension=WIDTH, index_from=…)`: clients of one generation of this test's own."""
    prefix = f"graph{next(_numbers)}"

    def make(
        to: Connection | None = None, *, dimension: int = WIDTH, index_from: int | None = 1
    ) -> PgVectorStore:
        return PgVectorStore(
            to or connection, schema="public", prefix=prefix, dimension=dimension, index_from=index_from
        )

    yield make
    make().drop()


@pytest.fixture
def other_connection(connection: Connection) -> Iterator[Connection]:
    """A second client, which gives up where it would have to wait for a lock."""
    with psycopg.connect(connection.info.dsn, password=connection.info.password, autocommit=True) as opened:
        opened.execute("SET lock_timeout = '500ms'")
        yield opened


class Indexed(PgVectorStore):
    """Has the index from the first."""

    def create(self) -> None:
        super().create()
        self.optimize()


class TestContract(VectorStoreContract):
    """The suite of all stores, on one whose every search asks the index."""

    @pytest.fixture
    def open_store(self, connection: Connection) -> Iterator[Opener]:
        prefix = f"indexed{next(_numbers)}"
        opened: list[Connection] = []

        def open_store(dimension: int = DIMENSION) -> PgVectorStore:
            opened.append(
                psycopg.connect(connection.info.dsn, password=connection.info.password, autocommit=True)
            )
            return Indexed(opened[-1], schema="public", prefix=prefix, dimension=dimension, index_from=0)

        yield open_store
        open_store().drop()
        for one in opened:
            one.close()


@pytest.fixture(scope="module")
def vectors() -> Array:
    return clustered(5_000, seed=1)


@pytest.fixture(scope="module")
def questions() -> Array:
    return clustered(40, seed=2)


@pytest.fixture(scope="module")
def big(server_base: Path, vectors: Array) -> Iterator[PgVectorStore]:
    """A store of 5,000 chunks, with the index."""
    with EmbeddedServer(server_base / ".ragctl").connect(autocommit=True) as opened:
        store = PgVectorStore(opened, schema="public", prefix="big_graph", dimension=WIDTH, index_from=5_000)
        store.drop()
        fill(store, vectors)
        store.optimize()
        yield store
        store.drop()


# When there is one


def test_from_so_many_chunks_on_and_not_before(make_store: MakeStore) -> None:
    store = make_store(index_from=101)
    vectors = clustered(101, seed=3)
    fill(store, vectors[:100])
    store.optimize()
    assert index_of(store) is None
    assert store.has_vector_index()  # as much as it should have
    assert numbers(store.search(vectors[:1], k=7)[0]) == nearest(vectors[:100], vectors[0], 7)
    store.replace([embedded("last.md", ["100 "], vectors[100:])])
    assert not store.has_vector_index()
    before, told = store.size_bytes(), list[str]()
    store.optimize(tell=told.append)
    assert "hnsw ((embedding)::halfvec(64)) halfvec_cosine_ops" in (index_of(store) or "").replace(
        "(((", "(("
    )
    assert told == ["building the vector index of 101 chunks"]
    assert store.size_bytes() > before
    assert store.has_vector_index()
    store.optimize(tell=told.append)
    assert len(told) == 1
    store.drop()
    assert index_of(store) is None


@pytest.mark.parametrize(
    ("dimension", "chunks"), [(1, 20_000), (384, 20_000), (768, 10_000), (1_536, 5_000), (4_000, 1_920)]
)
def test_longer_vectors_have_it_earlier(connection: Connection, dimension: int, chunks: int) -> None:
    index = PgVectorHnsw(connection, schema="public", prefix="none", dimension=dimension)
    assert index.index_from == chunks


@pytest.mark.parametrize(
    ("dimension", "indexed"), [(2_000, True), (2_001, True), (4_000, True), (4_001, False)]
)
def test_vectors_too_long_for_an_index_are_scanned(
    make_store: MakeStore, dimension: int, indexed: bool
) -> None:
    store = make_store(dimension=dimension)
    vectors = clustered(60, seed=4, width=dimension, clusters=5)
    fill(store, vectors)
    store.optimize()
    assert (index_of(store) is not None) == indexed
    for number in (0, 59):
        assert numbers(store.search(vectors[number : number + 1], k=5)[0]) == nearest(
            vectors, vectors[number], 5
        )


def test_a_pgvector_without_half_precision_is_said_and_done_without(connection: Connection) -> None:
    name = f"earlier{next(_numbers)}"
    connection.execute(f"CREATE DATABASE {name}")
    dsn = psycopg.conninfo.make_conninfo(connection.info.dsn, dbname=name, password=connection.info.password)
    with psycopg.connect(dsn, autocommit=True) as opened:
        store = PgVectorStore(opened, schema="public", prefix="old", dimension=WIDTH, index_from=1)
        vectors = clustered(50, seed=5)
        fill(store, vectors)
        opened.execute("UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'")
        told: list[str] = []
        store.optimize(tell=told.append)
        assert [("0.7.4" in one, "ALTER EXTENSION vector UPDATE" in one) for one in told] == [(True, True)]
        assert index_of(store) is None
        assert numbers(store.search(vectors[:1], k=3)[0]) == nearest(vectors, vectors[0], 3)
    connection.execute(f"DROP DATABASE {name}")


# What it finds


@pytest.mark.parametrize("k", [1, 10, 100, 1_000])
def test_it_finds_what_an_exact_search_finds(
    big: PgVectorStore, vectors: Array, questions: Array, k: int
) -> None:
    assert index_of(big)
    assert recall(big, vectors, questions, k) >= 0.98


def test_scores_are_those_of_an_exact_search(big: PgVectorStore, vectors: Array, questions: Array) -> None:
    exact = PgVectorStore(big._connection, schema="public", prefix="big_graph", dimension=WIDTH)
    exact._dense._indexed = False
    for by_index, scanned in zip(big.search(questions, k=50), exact.search(questions, k=50), strict=True):
        scores = {hit.text: hit.score for hit in scanned}
        shared = [hit for hit in by_index if hit.text in scores]
        assert len(shared) >= 49
        assert [hit.score for hit in shared] == [scores[hit.text] for hit in shared]
        assert [hit.score for hit in by_index] == sorted((hit.score for hit in by_index), reverse=True)
        assert [hit.trail["dense"]["rank"] for hit in by_index] == list(range(1, 51))


@pytest.mark.parametrize("k", [1, 10, 50, 200])
def test_the_planner_uses_it(big: PgVectorStore, questions: Array, k: int) -> None:
    search = big._dense
    with search._index_settings(k):
        rows = big._connection.execute(
            sql.SQL("EXPLAIN ") + search.statement(pgvector_dense._INDEXED, pgvector_dense._wanted(k)),
            {"vector": questions[0]},
        ).fetchall()
    assert any("Index Scan using big_graph_hnsw" in row[0] for row in rows), rows


def test_an_exact_search_does_not_use_it(big: PgVectorStore, questions: Array) -> None:
    rows = big._connection.execute(
        sql.SQL("EXPLAIN ") + big._dense.statement(pgvector_dense._SCANNED, 10), {"vector": questions[0]}
    ).fetchall()
    assert not any("hnsw" in row[0] for row in rows), rows


def test_it_is_asked_at_all(big: PgVectorStore, questions: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned: list[int] = []
    scan = big._dense._scan
    monkeypatch.setattr(big._dense, "_scan", lambda vector, k: scanned.append(k) or scan(vector, k))
    assert [len(hits) for hits in big.search(questions, k=50)] == [50] * len(questions)
    assert len(big.search(questions[:1], k=1_000)[0]) == 1_000  # two and a half times what it keeps in hand
    assert scanned == []
    assert len(big.search(questions[:1], k=6_000)[0]) == 5_000
    assert scanned == [6_000]


def test_settings_of_a_search_end_with_it(big: PgVectorStore, questions: Array) -> None:
    shown = "SELECT current_setting('hnsw.ef_search'), current_setting('enable_seqscan')"
    before = big._connection.execute(shown).fetchone()
    big.search(questions[:1], k=900)
    assert big._connection.execute(shown).fetchone() == before


def test_it_follows_every_write(make_store: MakeStore) -> None:
    store = make_store()
    vectors = clustered(1_000, seed=6)
    fill(store, vectors)
    store.optimize()
    store.delete([("docs", f"d{number}") for number in range(45)])  # 900 of 1,000, and no VACUUM after it
    for k in (10, 100):
        [hits] = store.search(vectors[:1], k=k)
        assert sorted(numbers(hits)) == sorted(900 + n for n in nearest(vectors[900:], vectors[0], k))
    store.replace([embedded("new.md", ["0 "], vectors[:1])])
    assert numbers(store.search(vectors[:1], k=1)[0]) == [0]
    assert store.search(vectors[:1], k=1)[0][0].document == "new.md"


@pytest.mark.parametrize("index_from", [1, 1_000])
def test_chunks_without_their_document_take_no_ones_place(make_store: MakeStore, index_from: int) -> None:
    store = make_store(index_from=index_from)
    vectors = clustered(400, seed=7)
    fill(store, vectors, each=1)
    store.optimize()
    lost = nearest(vectors, vectors[0], 30)
    documents = sql.Identifier(*store._tables["documents"])
    store._connection.execute(
        sql.SQL("DELETE FROM {} WHERE path = ANY(%s)").format(documents), ([f"d{number}" for number in lost],)
    )
    for k in (5, 40):
        assert numbers(store.search(vectors[:1], k=k)[0]) == nearest(vectors, vectors[0], 30 + k)[30:]


def test_names_are_quoted(connection: Connection) -> None:
    schema = "odd {schema} 100%"
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    for prefix in ('%s "{chunks}"', "p" * 53):
        store = PgVectorStore(connection, schema=schema, prefix=prefix, dimension=WIDTH, index_from=1)
        vectors = clustered(40, seed=8)
        fill(store, vectors)
        store.optimize()
        assert index_of(store)
        assert numbers(store.search(vectors[:1], k=3)[0]) == nearest(vectors, vectors[0], 3)
        store.drop()


# Builds that fail


def test_what_a_broken_off_build_left_is_replaced(make_store: MakeStore) -> None:
    store = make_store()
    vectors = clustered(3_000, seed=9)
    fill(store, vectors)
    connection = store._connection
    _, chunks = store.chunk_table
    connection.execute("SET statement_timeout = '100ms'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute(
            f"CREATE INDEX CONCURRENTLY {chunks.removesuffix('_chunks')}_hnsw ON {chunks} "
            "USING hnsw ((embedding::halfvec(64)) halfvec_cosine_ops) WITH (ef_construction = 1000)"
        )
    connection.execute("RESET statement_timeout")
    left = connection.execute(
        "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass AND NOT indisvalid", (chunks,)
    ).fetchone()
    assert left == (1,), "nothing was left: this shows nothing"
    assert numbers(store.search(vectors[:1], k=3)[0]) == nearest(vectors, vectors[0], 3)
    store.optimize()
    assert index_of(store)
    assert recall(store, vectors, vectors[:20], 10) >= 0.98


def _collecting(faults: list[BaseException], call: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        try:
            call()
        except BaseException as error:
            faults.append(error)

    return run


def test_of_two_that_build_at_the_same_time_one_does(make_store: MakeStore) -> None:
    store = make_store()
    fill(store, clustered(2_000, seed=11))
    info = store._connection.info
    faults: list[BaseException] = []
    with ExitStack() as stack:
        builders = []
        for _ in range(2):
            to = stack.enter_context(psycopg.connect(info.dsn, password=info.password, autocommit=True))
            builders.append(threading.Thread(target=_collecting(faults, make_store(to)._hnsw.build)))
        for builder in builders:
            builder.start()
        for builder in builders:
            builder.join(timeout=60)
    assert not faults
    assert index_of(store)


@pytest.mark.parametrize(
    ("refusals", "means"),
    [(1, ["parallel", "alone"]), (2, ["parallel", "alone", "small"])],
)
def test_where_shared_memory_is_small_one_process_builds_it(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch, refusals: int, means: list[str]
) -> None:
    store = make_store()
    vectors = clustered(500, seed=12)
    fill(store, vectors)
    monkeypatch.setattr(pgvector_hnsw, "_LINK_BYTES", 1_000_000)  # as if the graph were large
    create = PgVectorHnsw._create
    tried: list[str] = []

    def refused_at_first(self: PgVectorHnsw, kilobytes: int, workers: int) -> None:
        small = kilobytes == pgvector_hnsw._LEAST_KILOBYTES
        tried.append("parallel" if workers else "small" if small else "alone")
        if len(tried) <= refusals:
            raise psycopg.errors.DiskFull(
                'could not resize shared memory segment "/PostgreSQL.1" to 67108864 bytes: '
                "No space left on device"
            )
        create(self, kilobytes, workers)

    monkeypatch.setattr(PgVectorHnsw, "_create", refused_at_first)
    told: list[str] = []
    store.optimize(tell=told.append)
    assert tried == means
    assert ["could not resize shared memory segment" in one for one in told] == [False] + [True] * refusals
    assert index_of(store)
    assert recall(store, vectors, vectors[:20], 10) >= 0.98


def test_a_disk_without_room_is_not_hidden(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store()
    fill(store, clustered(50, seed=13))

    def refused(self: PgVectorHnsw, kilobytes: int, workers: int) -> None:
        raise psycopg.errors.DiskFull("could not extend file")

    monkeypatch.setattr(PgVectorHnsw, "_create", refused)
    with pytest.raises(psycopg.errors.DiskFull):
        store.optimize()
    assert index_of(store) is None


def test_a_build_whose_server_process_is_ended_leaves_nothing(make_store: MakeStore) -> None:
    """It is ended while it waits for a writer, so that it is certain to have begun and not to be done."""
    store = make_store()
    fill(store, clustered(100, 1))
    own = store._connection
    schema, chunks = store.chunk_table
    faults: list[BaseException] = []
    with ExitStack() as opened:
        builder, writer = (
            opened.enter_context(psycopg.connect(own.info.dsn, password=own.info.password, autocommit=True))
            for _ in range(2)
        )
        opened.enter_context(writer.transaction())
        writer.execute(sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(sql.Identifier(schema, chunks)))
        building = threading.Thread(target=_collecting(faults, make_store(to=builder).optimize))
        building.start()
        waiting = "SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s"
        pid = builder.info.backend_pid
        while building.is_alive() and own.execute(waiting, (pid,)).fetchone() != ("Lock",):
            pass
        own.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        building.join()
    assert [type(fault) for fault in faults] == [psycopg.errors.AdminShutdown]
    assert index_of(store) is None
    assert not store.has_vector_index()
    store.optimize()
    assert index_of(store) is not None
    assert store.has_vector_index()
