"""How the vector index is built and asked as the spec says, and that tables and indexes are kept small."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from contracts.stored import DIMENSION, embedded, random_vectors

from ragctl.embedded.server import EmbeddedServer
from ragctl.errors import Mismatch
from ragctl.stores import pgvector_upkeep
from ragctl.stores.pgvector import PgVectorStore
from ragctl.stores.pgvector_hnsw import HnswBuild, PgVectorHnsw
from ragctl.stores.pgvector_upkeep import KINDS, Bloat, PgVectorUpkeep

SCHEMA = "Upkeep"
_numbers = itertools.count()
Make = Callable[..., PgVectorStore]


@pytest.fixture
def prefix() -> str:
    return f'Index "{next(_numbers)}"'


@pytest.fixture
def make(connection: psycopg.Connection[Any], prefix: str) -> Iterator[Make]:
    """Makes a store of one prefix, each time with other settings."""
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{SCHEMA}"')

    def made(dimension: int = DIMENSION, **given: Any) -> PgVectorStore:
        return PgVectorStore(
            connection, schema=SCHEMA, prefix=prefix, dimension=dimension, index_from=20, **given
        )

    yield made
    made().drop()


def index(connection: psycopg.Connection[Any], prefix: str) -> tuple[Any, ...] | None:
    """(oid, options) of the vector index."""
    return connection.execute(
        "SELECT oid, reloptions FROM pg_class WHERE relname = %s", (f"{prefix}_hnsw",)
    ).fetchone()


def filled(store: PgVectorStore, count: int = 60) -> PgVectorStore:
    store.create()
    store.replace(
        [embedded("a.md", [f"chunk {number}" for number in range(count)], random_vectors(count, 1))]
    )
    return store


def test_other_parameters_build_it_anew(make: Make, connection: psycopg.Connection[Any], prefix: str) -> None:
    filled(make()).optimize()
    first = index(connection, prefix)
    assert first is not None
    assert first[1] == ["m=16", "ef_construction=200"]
    make().optimize()
    assert index(connection, prefix) == first  # nothing has changed

    told: list[str] = []
    other = make(hnsw=HnswBuild(m=8, ef_construction=64, memory_bytes=64 * 1024 * 1024, workers=0))
    question = random_vectors(1, 2)
    before = make().search(question, k=5)
    assert not other.has_vector_index()
    other.optimize(tell=told.append)
    assert other.has_vector_index()
    second = index(connection, prefix)
    assert second is not None
    assert second[1] == ["m=8", "ef_construction=64"]
    assert "anew" in told[0]
    assert other.search(question, k=5) == before
    left = connection.execute("SELECT count(*) FROM pg_class WHERE relname = %s", (f"{prefix}_hnsw_new",))
    assert left.fetchone() == (0,)


def test_candidates_of_a_search(make: Make, connection: psycopg.Connection[Any]) -> None:
    """Set for the search alone, and never below what is looked for."""
    filled(make()).optimize()
    for given, k, expected in ((None, 5, "800"), (50, 5, "50"), (1, 5, "15"), (1000, 5, "1000")):
        store = make(ef_search=given)
        seen: list[Any] = []
        rows = store._dense._rows

        def noted(*arguments: Any, rows: Any = rows, seen: list[Any] = seen) -> Any:
            seen.append(connection.execute("SHOW hnsw.ef_search").fetchone())
            return rows(*arguments)

        store._dense._rows = noted  # type: ignore[method-assign]
        assert len(store.search(random_vectors(1, 3), k=k)[0]) == k
        assert seen == [(expected,)]
    assert connection.execute("SHOW hnsw.ef_search").fetchone() == ("40",)


@pytest.mark.parametrize(("dimension", "indexed"), [(2_001, True), (4_000, True), (4_001, False)])
def test_long_vectors(
    make: Make, connection: psycopg.Connection[Any], prefix: str, dimension: int, indexed: bool
) -> None:
    vectors = np.random.default_rng(1).standard_normal((25, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store = make(dimension)
    store.create()
    store.replace([embedded("a.md", [f"chunk {number}" for number in range(25)], vectors)])
    told: list[str] = []
    store.optimize(tell=told.append)
    assert (index(connection, prefix) is not None) == indexed
    assert indexed or any("4,000" in one for one in told)
    assert [hits[0].text for hits in store.search(vectors[:3], k=1)] == ["chunk 0", "chunk 1", "chunk 2"]


def test_vectors_that_no_table_holds(make: Make) -> None:
    with pytest.raises(Mismatch, match="16,001 dimensions") as refused:
        make(16_001).create()
    assert refused.value.hint


def test_the_planner_is_told_and_autovacuum_comes_in_time(
    make: Make, connection: psycopg.Connection[Any], prefix: str
) -> None:
    store = filled(make())
    connection.execute(
        f'ALTER TABLE "{SCHEMA}"."{quoted(prefix)}_chunks" SET (autovacuum_vacuum_scale_factor = 0.3)'
    )
    store.optimize()
    rows = connection.execute(
        "SELECT relname, reltuples, reloptions FROM pg_class WHERE relname = ANY(%s)",
        ([f"{prefix}_{kind}" for kind in ("documents", "chunks", "lexical")],),
    ).fetchall()
    assert {name: count for name, count, _ in rows} == {
        f"{prefix}_documents": 1,
        f"{prefix}_chunks": 60,
        f"{prefix}_lexical": 60,
    }
    for name, _, options in rows:
        assert "autovacuum_analyze_scale_factor=0.05" in options
        factor = "0.3" if name.endswith("_chunks") else "0.1"  # what an administrator set stays
        assert f"autovacuum_vacuum_scale_factor={factor}" in options


def test_a_table_that_is_being_vacuumed_is_left_alone(
    make: Make, connection: psycopg.Connection[Any], prefix: str, server_base: Path
) -> None:
    store = filled(make())
    store.optimize()
    filled(store, 400)  # so that it is to be counted
    chunks = f'"{SCHEMA}"."{quoted(prefix)}_chunks"'
    counted = "SELECT analyze_count FROM pg_stat_all_tables WHERE relid = to_regclass(%s)"
    before = connection.execute(counted, (chunks,)).fetchone()
    connection.execute("SET lock_timeout = '5s'")
    with EmbeddedServer(server_base / ".ragctl").connect() as other, other.transaction():
        for kind in KINDS:
            table = f'"{SCHEMA}"."{quoted(prefix)}_{kind}"'
            other.execute(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")  # as VACUUM does
        filled(make(), 300).optimize()  # all that an ingest does
        assert connection.execute(counted, (chunks,)).fetchone() == before
    connection.execute("RESET lock_timeout")
    store.optimize()
    connection.execute("SELECT pg_stat_force_next_flush()")
    assert connection.execute(counted, (chunks,)).fetchone() != before


def test_tables_of_terms_of_an_earlier_release_get_room_for_counts(
    make: Make, connection: psycopg.Connection[Any], prefix: str
) -> None:
    def options() -> list[str]:
        named = "SELECT reloptions FROM pg_class WHERE relname = %s"
        [[found]] = connection.execute(named, (f"{prefix}_terms",)).fetchall()
        return list(found)

    store = make()
    store.create()
    assert "fillfactor=50" in options()
    connection.execute(f'ALTER TABLE "{SCHEMA}"."{quoted(prefix)}_terms" RESET (fillfactor)')
    filled(store).optimize()
    assert "fillfactor=50" in options()


def test_bloat_is_seen_and_cleared(
    make: Make, connection: psycopg.Connection[Any], prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgvector_upkeep, "LEAST_DEAD_ROWS", 100)
    monkeypatch.setattr(pgvector_upkeep, "LEAST_INDEX_BYTES", 0)
    make().create()
    for kind in ("chunks", "lexical", "documents"):
        connection.execute(f'ALTER TABLE "{SCHEMA}"."{quoted(prefix)}_{kind}" SET (autovacuum_enabled = off)')
    store = filled(make(), 400)
    store.optimize()
    upkeep = PgVectorUpkeep(connection, schema=SCHEMA, prefix=prefix, dimension=DIMENSION)
    assert [one for one in upkeep.bloat() if not one.index] == []

    for _ in range(5):
        filled(store, 400)
    filled(store, 60)
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute(f'ANALYZE "{SCHEMA}"."{quoted(prefix)}_chunks"')
    found = {one.name: one for one in upkeep.bloat()}
    assert f"{prefix}_chunks" in found
    assert f"{prefix}_hnsw" in found
    assert "rows" in found[f"{prefix}_chunks"].what
    size = store.size_bytes()
    before = index(connection, prefix)
    assert upkeep.clean(found[f"{prefix}_chunks"]) == "it was vacuumed, the vector index built anew"
    built = index(connection, prefix)
    assert built != before
    for name in ("maintenance_work_mem", "max_parallel_maintenance_workers", "statement_timeout"):
        setting = connection.execute("SELECT setting = reset_val FROM pg_settings WHERE name = %s", (name,))
        assert setting.fetchone() == (True,)
    connection.execute("SELECT pg_stat_force_next_flush()")
    upkeep.clean(found[f"{prefix}_lexical"])
    monkeypatch.setattr(pgvector_upkeep, "LEAST_INDEX_BYTES", 1_000_000)
    upkeep.clean(found[f"{prefix}_hnsw"])
    assert index(connection, prefix) == built  # not a second time
    connection.execute("SELECT pg_stat_force_next_flush()")
    assert f"{prefix}_chunks" not in {one.name for one in upkeep.bloat()}
    assert store.size_bytes() < size
    assert len(store.search(random_vectors(1, 3), k=60)[0]) == 60


def quoted(name: str) -> str:
    return name.replace('"', '""')


def test_what_a_killed_or_refused_rebuild_left_goes(
    make: Make, connection: psycopg.Connection[Any], prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(make()).optimize()
    names = "SELECT relname FROM pg_class WHERE starts_with(relname, %s) ORDER BY 1"

    def left(number: int) -> None:
        """What REINDEX CONCURRENTLY leaves: an index of that name, not valid, that writes keep up."""
        name = f"{prefix}_hnsw_ccnew{number}"
        connection.execute(f'CREATE INDEX "{quoted(name)}" ON "{SCHEMA}"."{quoted(prefix)}_chunks" (ordinal)')
        invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)"
        connection.execute(invalid, (f'"{SCHEMA}"."{quoted(name)}"',))

    recreate = PgVectorHnsw._recreate
    tried: list[int] = []

    def refused_at_first(self: PgVectorHnsw, kilobytes: int, workers: int) -> None:
        tried.append(workers)
        if len(tried) == 1:
            left(2)
            raise psycopg.errors.DiskFull("could not resize shared memory segment")
        recreate(self, kilobytes, workers)

    monkeypatch.setattr(PgVectorHnsw, "_recreate", refused_at_first)
    left(1)
    upkeep = PgVectorUpkeep(connection, schema=SCHEMA, prefix=prefix, dimension=DIMENSION)
    before = index(connection, prefix)
    assert upkeep.clean(Bloat(f"{prefix}_chunks", False, "")).endswith("built anew")
    assert len(tried) == 2
    assert index(connection, prefix) != before
    assert connection.execute(names, (f"{prefix}_hnsw",)).fetchall() == [(f"{prefix}_hnsw",)]
