"""An index copied to another index, store or server: the same hits, and nothing to embed afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_weaviate import FakeWeaviate
from own_server import OwnServer
from run.moving.conftest import PAGES, QUESTION, Other, hits_of

from ragctl.providers.local.encoder import LocalEmbedder
from workspace import Workspace


def copied(workspace: Workspace, other: Other, *arguments: str) -> dict[str, Any]:
    called = workspace.call("index", "copy", "--to", str(other.path), "--format", "json", *arguments)
    assert called.code == 0, called.err
    found: dict[str, Any] = called.json
    assert (found["documents"], found["embedded"], found["published"]) == (3, 0, True)
    return found


def hits(workspace: Workspace, *arguments: str) -> list[tuple[Any, ...]]:
    return hits_of(workspace.call("ask", QUESTION, "--format", "json", *arguments))


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """No document is embedded any more."""

    def refuse(self: object, inputs: object) -> None:
        raise AssertionError("something was embedded")

    monkeypatch.setattr(LocalEmbedder, "embed", refuse)


def test_to_another_index_of_the_same_database(filled: Workspace, no_model: None) -> None:
    other = Other(filled, f"{filled.name}-two", max_failures=9)
    done = copied(filled, other)
    assert done["written"] == 3
    other.taken_up()
    for arguments in ((), ("--where", "year=1901"), ("--set", "ask.query.mode=lexical")):
        assert other.hits(*arguments) == hits(filled, *arguments)
    failed = other.call("show", "--failed", "--format", "json").json
    assert [one["document"] for one in failed["failed"]] == ["broken.pdf"]
    run = other.call("runs", "list", "--format", "json").json["runs"][-1]
    assert run["command"].startswith("index copy")


def test_to_weaviate_and_back(filled: Workspace, fake: FakeWeaviate, no_model: None) -> None:
    """Weaviate is a FAKE here: what is shown is what goes over the wire and comes back."""
    place = {"type": "weaviate", "url": fake.url, "grpc_port": fake.grpc_port}
    there = Other(filled, f"{filled.name}-w", store=place, max_failures=9)
    to_weaviate = copied(filled, there)
    there.taken_up()
    back = Other(filled, f"{filled.name}-b", max_failures=9)
    called = there.call("index", "copy", "--to", str(back.path), "--format", "json")
    assert called.code == 0, called.err
    assert called.json["content"] == to_weaviate["content"]
    back.taken_up()
    assert back.hits() == hits(filled)


def test_to_a_schema_of_another_server_over_tcp(
    filled: Workspace, no_model: None, monkeypatch: pytest.MonkeyPatch, no_data_left_behind: None
) -> None:
    server = OwnServer()
    try:
        with server.connect() as admin:
            admin.execute("CREATE DATABASE elsewhere")
        monkeypatch.setenv("ELSEWHERE_DSN", server.dsn(dbname="elsewhere"))
        place = {"type": "pgvector", "dsn_env": "ELSEWHERE_DSN", "schema": "My Vectors", "table_prefix": "t_"}
        other = Other(filled, f"{filled.name}-tcp", store=place, max_failures=9)
        copied(filled, other)
        other.taken_up()
        assert other.hits() == hits(filled)
    finally:
        server.close()


def test_what_is_published_is_replaced_only_when_told(filled: Workspace) -> None:
    other = Other(filled, f"{filled.name}-two", max_failures=9)
    copied(filled, other)
    filled.write("new.md", "# New\n\nA page about lamps that came later.\n")
    filled.call("ingest")
    refused = filled.call("index", "copy", "--to", str(other.path))
    assert refused.code == 4
    assert "--replace" in refused.err
    called = filled.call("index", "copy", "--to", str(other.path), "--replace", "--format", "json")
    assert (called.code, called.json["documents"], called.json["generation"]) == (0, 4, 2), called.err
    assert other.hits() == hits(filled)
    assert other.call("index", "rollback").code == 0
    assert {hit[0] for hit in other.hits()} <= set(PAGES)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"chunk": {"max_tokens": 64, "overlap": 0}}, "other chunk settings"),
        ({"extract": {"reader": "auto", "encodings": ["cp1252"]}}, "other extract"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    filled: Workspace, sections: dict[str, Any], words: str
) -> None:
    other = Other(filled, f"{filled.name}-two", **sections)
    called = filled.call("index", "copy", "--to", str(other.path))
    assert called.code == 5, called.err
    assert words in called.err
    assert "nothing was written" in called.err
    assert other.call("ask", QUESTION).code != 0


def test_to_itself_is_refused(filled: Workspace) -> None:
    called = filled.call("index", "copy", "--to", str(filled.spec_path))
    assert called.code == 2
    assert "both specs name the index" in called.err


def test_a_source_that_the_other_spec_lacks_is_told_of(filled: Workspace) -> None:
    other = Other(filled, f"{filled.name}-two")
    text = other.path.read_text(encoding="utf-8").replace('"name": "docs"', '"name": "pages"')
    other.path.write_text(text, encoding="utf-8")
    called = filled.call("index", "copy", "--to", str(other.path))
    assert called.code == 0, called.err
    assert "has no source named docs" in called.out


KILLED = """
import os, signal, sys
from ragctl.run.moving import arrival
from ragctl.run.moving.origin import MOST_CHUNKS
import ragctl.run.moving.origin as origin
origin.MOST_CHUNKS = 4
original = arrival.Arrival._write
calls = []
def write(self, documents):
    original(self, documents)
    calls.append(1)
    if len(calls) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
arrival.Arrival._write = write
from ragctl.cli.main import main
main(["index", sys.argv[2], "copy", "--to", sys.argv[3]])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_in_the_middle_it_goes_on(filled: Workspace) -> None:
    other = Other(filled, f"{filled.name}-two", max_failures=9)
    arguments = [sys.executable, "-c", KILLED, "1", str(filled.spec_path), str(other.path)]
    killed = subprocess.run(arguments, capture_output=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert other.call("ask", QUESTION).code != 0  # nothing was published
    done = copied(filled, other)
    assert 0 < done["written"] < 3
    other.taken_up()
    assert other.hits() == hits(filled)


def test_damage_on_the_way_publishes_nothing(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from ragctl.stores.pgvector_whole import PgVectorWhole

    original = PgVectorWhole._copy_chunks

    def lossy(self: PgVectorWhole, documents: Any, ids: Any) -> None:
        original(self, documents, ids)
        self._execute("UPDATE {chunks} SET text = 'x' WHERE ordinal = 1")

    monkeypatch.setattr(PgVectorWhole, "_copy_chunks", lossy)
    other = Other(filled, f"{filled.name}-two", max_failures=9)
    called = filled.call("index", "copy", "--to", str(other.path))
    assert called.code == 5, called.err
    assert "with another content" in called.err
    assert other.call("ask", QUESTION).code != 0


def test_wrong_calls(filled: Workspace, tmp_path: Path) -> None:
    for arguments, words in (
        (("copy",), "copy needs the other index's spec"),
        (("export",), "export needs a file"),
        (("import", "x.parquet", "--to", "y.yaml"), "import needs a file"),
        (("list", "--replace"), "--to and --replace go with"),
        (("show", "two"), "no number of a generation"),
    ):
        called = filled.call("index", *arguments)
        assert (called.code, words in called.err) == (2, True), called.err
