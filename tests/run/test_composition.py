"""What a spec names is made when it is asked for, and a database that is not there is an error for people."""

from __future__ import annotations

import itertools
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ragctl.errors import ExitCode, Mismatch, NothingPublished, Unavailable, UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.sources.directory import DirectorySource
from ragctl.spec.load import load_spec
from ragctl.state.migrations import MIGRATIONS, schema_version
from ragctl.state.session import LastingConnection
from workspace import Workspace

DSN = "RAGCTL_TEST_DSN"
_numbers = itertools.count()


@pytest.fixture
def composition(workspace: Workspace) -> Iterator[Composition]:
    with Composition(load_spec(workspace.spec_path)) as made:
        yield made


@pytest.fixture
def lonely(tmp_path: Path) -> Path:
    """A spec that nothing was ever run for, in a folder with a space in its name."""
    folder = tmp_path / "my documents"
    (folder / "docs").mkdir(parents=True)
    spec = folder / "spec.yaml"
    spec.write_text("name: lonely\nsources:\n  - {type: directory, path: docs}\n", encoding="utf-8")
    return spec


@pytest.fixture
def dsn(connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A user's own database, with nothing in it, named by an environment variable."""
    name = f"own{next(_numbers)}"
    connection.execute(f"CREATE DATABASE {name}")
    made = make_conninfo(connection.info.dsn, dbname=name, password=connection.info.password)
    monkeypatch.setenv(DSN, made)
    yield made
    connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def with_dsn(workspace: Workspace) -> Composition:
    workspace.spec(store={"dsn_env": DSN})
    return Composition(load_spec(workspace.spec_path))


def test_each_part_is_made_once(composition: Composition) -> None:
    assert composition.embedder is composition.embedder
    assert composition.splitter is composition.splitter
    assert composition.sources is composition.sources
    assert composition.connect() is composition.connect()
    assert composition.connect_to_existing() is composition.connect()


def test_sources_are_relative_to_the_spec_not_to_the_working_directory(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    workspace.write("a.md", "text")
    workspace.write("b.txt", "text")
    source = {"type": "directory", "path": workspace.name, "include": ["**/*.md"], "metadata": {"a": 1}}
    workspace.spec(sources=[source, {**source, "name": "all", "include": ["**/*"]}])
    sources = Composition(load_spec(workspace.spec_path)).sources
    assert all(isinstance(one, DirectorySource) for one in sources)
    assert [one.name for one in sources] == [workspace.name, "all"]
    listed = [[item.path for item in one.items()] for one in sources]
    assert listed == [["a.md"], ["a.md", "b.txt"]]
    assert [item.metadata for item in sources[0].items()] == [{"a": 1}]


def test_the_splitter_counts_as_the_embedder_does(workspace: Workspace) -> None:
    workspace.spec(chunk={"max_tokens": 16, "overlap": 0, "min_tokens": 0, "context": []})
    composition = Composition(load_spec(workspace.spec_path))
    workspace.write("a.txt", "One sentence of some words after another. " * 20)
    [source] = composition.sources
    [item] = source.items()
    from ragctl.readers.auto import reader_for

    with source.open(item) as stream:
        data = stream.read()
    reader = reader_for(item).reader
    assert reader is not None
    [document] = reader.read(item, data)
    chunks = composition.splitter.split(document).chunks
    counted = composition.embedder.tokenizer.count([chunk.embed_input for chunk in chunks])
    assert [chunk.tokens for chunk in chunks] == counted
    assert len(chunks) > 5
    assert max(counted) <= 16


def test_looking_at_a_spec_loads_no_model_and_starts_no_server(lonely: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from ragctl.run.composition import Composition\nfrom ragctl.spec.load import load_spec\n"
        "composition = Composition(load_spec(Path(sys.argv[1])))\n"
        "assert [list(source.items()) for source in composition.sources] == [[]]\n"
        "assert composition.server is not None and not composition.server.exists()\n"
        "print(*sorted({'openvino', 'psycopg', 'tokenizers', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(lonely)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
    assert not (lonely.parent / ".ragctl").exists()


def test_asking_before_the_first_ingest_makes_nothing(lonely: Path) -> None:
    with Composition(load_spec(lonely)) as composition:
        for look in (composition.connect_to_existing, composition.active_generation):
            with pytest.raises(NothingPublished, match="'lonely' has nothing to query yet") as refused:
                look()
            assert refused.value.exit_code == ExitCode.MISMATCH
            assert refused.value.hint is not None
            assert shlex.split(refused.value.hint) == ["ragctl", "ingest", str(lonely)]
    assert sorted(path.name for path in lonely.parent.iterdir()) == ["docs", "spec.yaml"]


def test_an_index_without_a_published_generation_has_nothing_to_query(composition: Composition) -> None:
    composition.connect()
    generations = composition.generations()
    generations.claim_index(composition.spec.name)
    made = generations.create(recipe="r", recipe_parts={}, embedder="m", dimension=8)
    with pytest.raises(NothingPublished):
        composition.active_generation()
    generations.publish(made, instead_of=None)
    assert composition.active_generation().id == made.id
    store = composition.store_of(made)
    assert not store.exists()
    store.create()
    assert store.counts() == (0, 0)


def test_leaving_it_ends_the_connection(workspace: Workspace) -> None:
    with Composition(load_spec(workspace.spec_path)) as composition:
        connection = composition.connect()
        assert schema_version(connection) == len(MIGRATIONS)
    assert connection.closed


def test_a_users_own_database_is_used_from_ingest_to_answer(
    workspace: Workspace, dsn: str, connection: psycopg.Connection[Any]
) -> None:
    workspace.write("notes.txt", "The coffee machine on the third floor takes tokens.\n")
    with with_dsn(workspace) as composition:
        assert composition.server is None
        with pytest.raises(NothingPublished):
            composition.connect_to_existing()
        with psycopg.connect(dsn) as looking:
            assert schema_version(looking) == 0
    assert workspace.call("ask", "Where is the coffee machine?").code == ExitCode.MISMATCH
    assert workspace.ingest()["counts"]["added"] == 1
    [hit] = workspace.call("ask", "Where is the coffee machine?", "--format", "json").json["hits"]
    assert hit["document"] == "notes.txt"
    with psycopg.connect(dsn) as looking:
        assert schema_version(looking) == len(MIGRATIONS)
        assert looking.execute("SELECT name FROM ragctl.indexes").fetchall() == [(workspace.name,)]
    here = connection.execute("SELECT 1 FROM ragctl.indexes WHERE name = %s", (workspace.name,)).fetchone()
    assert here is None


def test_a_state_from_a_newer_ragctl_is_refused(workspace: Workspace, dsn: str) -> None:
    with with_dsn(workspace) as composition:
        composition.connect().execute("UPDATE ragctl.schema_version SET version = 999")
    for look in ("connect", "connect_to_existing"):
        with with_dsn(workspace) as composition, pytest.raises(Mismatch, match="999"):
            getattr(composition, look)()


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named_with_its_place(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv(DSN, raising=False)
    if value is not None:
        monkeypatch.setenv(DSN, value)
    with with_dsn(workspace) as composition, pytest.raises(UsageError, match=DSN) as wrong:
        composition.connect()
    assert (wrong.value.where or "").startswith(f"{workspace.spec_path}:1:")
    assert DSN in (wrong.value.hint or "")


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://someone:hunter2@127.0.0.1:1/db",
        "host=127.0.0.1 port=1 user=someone password=hunter2",
        "host=/no/such/directory password=hunter2",
    ],
)
def test_a_database_out_of_reach_is_unavailable_and_no_secret_is_shown(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(DSN, value)
    with with_dsn(workspace) as composition:
        for look in (composition.connect, composition.connect_to_existing):
            with pytest.raises(Unavailable, match="does not answer") as refused:
                look()
            assert "\n" not in refused.value.message
    called = workspace.call("ingest", "--format", "json")
    assert called.code == ExitCode.UNAVAILABLE
    assert "hunter2" not in called.out + called.err


def test_a_session_that_is_ended_comes_back(
    composition: Composition, connection: psycopg.Connection[Any]
) -> None:
    used = composition.connect()
    connection.execute("SELECT pg_terminate_backend(%s)", (used.info.backend_pid,))
    assert used.execute("SELECT current_schema()").fetchone() == ("ragctl",)


def test_a_server_that_stays_away_is_unavailable(
    composition: Composition, connection: psycopg.Connection[Any]
) -> None:
    used = composition.connect()
    assert isinstance(used, LastingConnection)
    used.reopen = lambda: psycopg.connect("host=127.0.0.1 port=1")
    used.patience_s = 0.1
    connection.execute("SELECT pg_terminate_backend(%s)", (used.info.backend_pid,))
    for _ in range(2):
        with pytest.raises(Unavailable, match="does not answer") as gone, database_errors():
            used.execute("SELECT 1")
        assert gone.value.hint


def test_a_mistake_of_ours_is_not_called_an_outage(composition: Composition) -> None:
    with pytest.raises(psycopg.errors.SyntaxError), database_errors():
        composition.connect().execute("SELEKT")
    with pytest.raises(ZeroDivisionError), database_errors():
        print(1 / 0)
