"""What a server may refuse, each provoked on a real one: what is said, what to do, and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest
from own_server import PASSWORD, OwnServer
from run.own_database.conftest import DSN

from workspace import Workspace


@pytest.fixture
def says(own: Workspace) -> Callable[..., None]:
    """Runs a command that must fail with exit code 6 and say so."""

    def check(*texts: str, kind: str = "store_refused", command: str = "ingest", code: int = 6) -> None:
        arguments = ("Where is the lamp?",) if command == "ask" else ()
        called = own.call(command, *arguments, "--format", "json")
        assert called.code == code, called.out + called.err
        error = called.json["error"]
        assert error["kind"] == kind, error
        for text in texts:
            assert text in f"{error['message']} {error['hint']}", error
        assert error["where"]
        assert error["hint"]
        assert "Traceback" not in called.err
        assert PASSWORD not in called.out + called.err

    return check


Says = Callable[..., None]


def test_a_wrong_password(
    says: Says, server: OwnServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DSN, server.dsn(password="hunter2", dbname=database))
    says("does not take the password", "PGPASSWORD")


def test_an_unknown_database(says: Says, server: OwnServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DSN, server.dsn(dbname="nowhere"))
    says('database "nowhere" does not exist', "CREATE DATABASE")


def test_a_server_without_tls(
    says: Says, server: OwnServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DSN, server.dsn(dbname=database, sslmode="require"))
    says("no encrypted connection", "sslmode")


def test_a_host_that_is_not_known(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DSN, "postgresql://someone@nowhere.invalid/db")
    says("host is not known", "host in the connection string", kind="unavailable")


@pytest.fixture
def altered(server: OwnServer, database: str) -> Iterator[Callable[[str], None]]:
    """Gives the database a setting for all its sessions."""
    with server.connect() as admin:
        yield lambda setting: admin.execute(f"ALTER DATABASE {database} SET {setting}") and None


def test_a_database_that_takes_no_writes(says: Says, own: Workspace, altered: Callable[[str], None]) -> None:
    altered("default_transaction_read_only = on")
    says("takes no writes", "read-only", "target_session_attrs")
    altered("default_transaction_read_only = off")
    own.ingest()
    altered("default_transaction_read_only = on")
    own.write("b.md", "# Another\n\nAnother page.\n")
    says("takes no writes", "read-only", "target_session_attrs")
    asked = own.call("ask", "Where is the lamp?", "--format", "json")
    assert asked.code == 0, asked.err


def test_a_statement_timeout(says: Says, own: Workspace, altered: Callable[[str], None]) -> None:
    own.ingest()
    altered("statement_timeout = '1ms'")
    for command in ("ask", "ingest"):
        says("statement timeout", "ALTER ROLE", kind="unavailable", command=command)


def test_too_many_connections(
    says: Says, server: OwnServer, database: str, role: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragctl.run.sessions.PATIENCE_S", 0.5)
    name = role("limited")
    with server.connect() as admin, ExitStack() as stack:
        admin.execute(f"GRANT ALL ON DATABASE {database} TO {name}")
        admin.execute(f"ALTER ROLE {name} CONNECTION LIMIT 1")
        dsn = server.dsn(name, "secret", dbname=database)
        stack.enter_context(psycopg.connect(dsn))
        monkeypatch.setenv(DSN, dsn)
        says("too many connections", "max_connections", kind="unavailable")


def test_a_full_server_is_waited_for(
    own: Workspace, server: OwnServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    with server.connect(dbname=database) as admin:
        admin.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 0")
        admin.execute("CREATE ROLE short LOGIN PASSWORD 'secret'")
        admin.execute(f"GRANT ALL ON DATABASE {database} TO short")
        monkeypatch.setenv(DSN, server.dsn("short", "secret", dbname=database))
        room = threading.Timer(1.0, admin.execute, (f"ALTER DATABASE {database} CONNECTION LIMIT 10",))
        room.start()
        called = own.call("plan", "--format", "json")
        room.join()
    assert called.code == 0, called.out


def test_an_old_pgvector(says: Says, own: Workspace, server: OwnServer, database: str) -> None:
    own.ingest()
    with server.connect(dbname=database) as admin:
        admin.execute("UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'")
    own.write("b.md", "# Another\n\nAnother page.\n")
    says("pgvector 0.7.4", "0.8", "ALTER EXTENSION vector UPDATE", kind="unavailable")


def test_an_old_server(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one version to be had here; the limit is moved past it."""
    monkeypatch.setattr("ragctl.run.sessions.LEAST_SERVER", 99)
    says("ragctl needs 99 or later", "pg_upgrade", kind="unavailable")


def test_vectors_of_another_dimension(says: Says, own: Workspace, server: OwnServer, database: str) -> None:
    own.ingest()
    with server.connect(dbname=database) as admin:
        admin.execute(f"TRUNCATE ragctl.{own.name}_g1_chunks")
        admin.execute(f"ALTER TABLE ragctl.{own.name}_g1_chunks ALTER COLUMN embedding TYPE vector(8)")
        admin.execute("UPDATE ragctl.documents SET chunks = 0")
    own.write("b.md", "# Another\n\nAnother page.\n")
    says("dimensions", "doctor", kind="mismatch", code=5)
