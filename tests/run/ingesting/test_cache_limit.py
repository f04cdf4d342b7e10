"""What a limited cache costs: nothing for what is in kept generations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from ragctl.embedded.server import EmbeddedServer
from ragctl.state.cache_limit import ENTRY_OVERHEAD_BYTES, cache_size
from ragctl.state.schema import enter_schema
from workspace import Workspace

ENTRY_BYTES = 4 * 384 + ENTRY_OVERHEAD_BYTES


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace with a server of its own: the cache is shared by all that is in one database."""
    made = Workspace(tmp_path, "alone")
    for number in range(6):
        body = " ".join(f"Sentence {line} of page {number} says a little more." for line in range(12))
        made.write(f"pages/{number}.md", f"# Page {number}\n\n{body}\n")
    yield made
    EmbeddedServer(tmp_path / ".ragctl").stop()


@pytest.fixture
def database(alone: Workspace) -> Iterator[psycopg.Connection[Any]]:
    with EmbeddedServer(alone.base / ".ragctl").connect(autocommit=True) as opened:
        enter_schema(opened)
        yield opened


def limit(workspace: Workspace, size: int, overlap: int = 0) -> None:
    workspace.spec(
        chunk={"max_tokens": 64, "overlap": overlap}, store={"type": "pgvector", "cache_max_bytes": size}
    )


def counts(report: Any) -> tuple[int, int]:
    return report["counts"]["embedded"], report["counts"]["cached"]


def test_a_cache_without_room_costs_nothing_for_what_is_in_generations(
    alone: Workspace, database: psycopg.Connection[Any]
) -> None:
    limit(alone, 0)
    first = alone.ingest()["counts"]
    assert first["embedded"] == first["chunks"] > 6
    assert cache_size(database).entries == 0

    (alone.documents / "pages").rename(alone.documents / "renamed")
    assert counts(alone.ingest("--allow-delete", "6")) == (0, first["chunks"])

    limit(alone, 0, overlap=24)
    other = alone.ingest()["counts"]
    assert 0 < other["embedded"] < other["chunks"]
    limit(alone, 0)
    assert counts(alone.ingest()) == (0, first["chunks"])  # found in the kept generation
    assert cache_size(database).entries == 0


def test_vectors_from_a_generation_are_those_that_the_model_returned(
    alone: Workspace, database: psycopg.Connection[Any]
) -> None:
    limit(alone, 0)
    alone.ingest()
    limit(alone, 0, overlap=24)
    alone.ingest()
    pairs = database.execute(
        "SELECT vector_send(a.embedding), vector_send(b.embedding) FROM ragctl.alone_g1_chunks a "
        "JOIN ragctl.alone_g2_chunks b USING (input_hash)"
    ).fetchall()
    assert pairs
    assert all(one == two for one, two in pairs)
    assert np.isfinite(np.frombuffer(pairs[0][0], dtype=">f4", offset=4)).all()


def test_the_limit_holds_and_what_is_nowhere_else_stays_longest(
    alone: Workspace, database: psycopg.Connection[Any]
) -> None:
    limit(alone, 2_000_000_000)
    chunks = alone.ingest()["counts"]["chunks"]
    assert cache_size(database).entries == chunks
    kept_text = (alone.documents / "pages" / "0.md").read_text(encoding="utf-8")
    of_it = len(alone.call("show", "pages/0.md", "--format", "json").json["chunks"])
    (alone.documents / "pages" / "0.md").unlink()
    limit(alone, of_it * ENTRY_BYTES)
    alone.ingest()
    assert cache_size(database).entries == of_it  # all others went: they are in the generation
    alone.write("pages/0.md", kept_text)
    assert counts(alone.ingest()) == (0, of_it)


def test_an_index_beside_finds_them_too(alone: Workspace) -> None:
    limit(alone, 0)
    chunks = alone.ingest()["counts"]["chunks"]
    beside = {"type": "pgvector", "index": "beside", "cache_max_bytes": 0}
    alone.spec(chunk={"max_tokens": 64, "overlap": 0}, store=beside)
    assert counts(alone.ingest()) == (0, chunks)


def test_a_plan_knows_what_is_known(alone: Workspace) -> None:
    limit(alone, 0)
    alone.ingest()
    limit(alone, 0, overlap=24)
    planned = alone.call("plan", "--format", "json").json["total"]
    done = alone.ingest()
    assert (planned["embed"], planned["tokens"]) == (done["counts"]["embedded"], done["usage"]["tokens"])


def test_prune_brings_the_cache_under_a_new_limit(
    alone: Workspace, database: psycopg.Connection[Any]
) -> None:
    limit(alone, 2_000_000_000)
    chunks = alone.ingest()["counts"]["chunks"]
    pruned = alone.call(
        "index", "prune", "--format", "json", "--set", f"store.cache_max_bytes={3 * ENTRY_BYTES}"
    ).json
    assert pruned["cache_removed"] == {"entries": chunks - 3, "bytes": (chunks - 3) * ENTRY_BYTES}
    assert pruned["cache"] == {"entries": 3, "bytes": 3 * ENTRY_BYTES, "max_bytes": 3 * ENTRY_BYTES}
    assert cache_size(database).entries == 3
    assert counts(alone.ingest())[0] == 0


def test_an_index_of_an_earlier_release_gets_its_lookup(
    alone: Workspace, database: psycopg.Connection[Any]
) -> None:
    limit(alone, 0)
    alone.ingest()
    database.execute("DROP INDEX ragctl.alone_g1_inputs")
    limit(alone, 0, overlap=24)
    alone.ingest()
    row = database.execute("SELECT to_regclass('ragctl.alone_g1_inputs') IS NOT NULL").fetchone()
    assert row == (True,)
