"""The server is killed and started again while it is written to and asked: nothing lost, nothing doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from chaos.contents import inconsistencies
from own_server import OwnServer

from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.run.answering.ask import Asker
from ragctl.run.composition import Composition
from ragctl.spec.load import load_spec
from ragctl.stores.pgvector import PgVectorStore
from ragctl.types import Hit
from workspace import Workspace

DSN = "TEST_OWN_DSN"
DOCUMENTS = 12


@pytest.fixture(scope="module")
def server(no_data_left_behind: None) -> Iterator[OwnServer]:
    made = OwnServer()
    yield made
    made.close()


@pytest.fixture
def own(server: OwnServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    made = Workspace(tmp_path, f"own{time.monotonic_ns() % 10**9}")
    made.spec(store={"type": "pgvector", "dsn_env": DSN})
    monkeypatch.setenv(DSN, server.dsn())
    for number in range(DOCUMENTS):
        made.write(f"{number}.md", f"# Page {number}\n\nThe lamp of lighthouse {number} turns.\n")
    return made


def restart(server: OwnServer) -> None:
    server.kill()
    server.start()


def test_while_it_is_written_to(server: OwnServer, own: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of each of the first three batches of documents."""
    monkeypatch.setattr("ragctl.stages.store.BATCH_DOCUMENTS", 4)
    embedded: list[int] = []
    embed, copy, kills = LocalEmbedder.embed, PgVectorStore._copy_chunks, []

    def counted(self: LocalEmbedder, inputs: Sequence[str]) -> Iterator[Any]:
        for batch in embed(self, inputs):
            embedded.append(len(batch.positions))
            yield batch

    def killed(self: PgVectorStore, documents: Any, ids: Any, **more: Any) -> None:
        copy(self, documents, ids, **more)
        if len(kills) < 3 and len(kills) % 2 == 0:
            restart(server)
        kills.append(1)

    monkeypatch.setattr(LocalEmbedder, "embed", counted)
    monkeypatch.setattr(PgVectorStore, "_copy_chunks", killed)
    counts = own.ingest()["counts"]
    assert len(kills) == 5  # three batches, two of them twice
    assert counts["added"] == DOCUMENTS
    assert counts["embedded"] == sum(embedded) == counts["chunks"]
    with server.connect() as connection:
        assert list(inconsistencies(connection, own.name)) == []
    again = own.ingest()["counts"]
    assert (again["unchanged"], again["embedded"]) == (DOCUMENTS, 0)


def test_while_it_is_down_for_some_seconds(
    server: OwnServer, own: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections are refused meanwhile."""
    keep = PgVectorStore.replace
    started: list[threading.Thread] = []

    def stopped(self: PgVectorStore, documents: Any, **given: Any) -> None:
        if not started:
            server.kill()
            started.append(threading.Timer(2.0, server.start))
            started[0].start()
        keep(self, documents, **given)

    monkeypatch.setattr(PgVectorStore, "replace", stopped)
    assert own.ingest()["counts"]["added"] == DOCUMENTS
    started[0].join()


def test_while_it_is_asked(server: OwnServer, own: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two searches of a hybrid one, and between two questions."""
    own.ingest()
    search, kills = PgVectorStore.search_text, []

    def killed(self: PgVectorStore, questions: Sequence[str], **given: Any) -> list[list[Hit]]:
        if not kills:
            restart(server)
        kills.append(1)
        return search(self, questions, **given)

    with Composition(load_spec(own.spec_path)) as composition:
        asker = Asker(composition)
        expected = asker.ask("the lamp of lighthouse 3").hits
        monkeypatch.setattr(PgVectorStore, "search_text", killed)
        assert asker.ask("the lamp of lighthouse 3").hits == expected
        assert len(kills) == 2
        restart(server)
        assert asker.ask("the lamp of lighthouse 3").hits == expected
        asker.close()


def test_a_server_that_is_only_starting_is_waited_for(server: OwnServer, own: Workspace) -> None:
    """And one that is not there at all is not, when it was never there."""
    own.ingest()
    server.stop()
    called = own.call("ask", "lighthouse", "--format", "json")
    assert called.code == 6
    assert called.json["error"]["kind"] == "unavailable"
    server.start()
    assert own.call("ask", "lighthouse", "--format", "json").code == 0
