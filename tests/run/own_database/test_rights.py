"""What docs/pgvector.md says an administrator has to grant is enough, and less is refused in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from own_server import OwnServer
from run.own_database.conftest import DSN

from workspace import Called, Workspace

PAGE = Path(__file__).resolve().parents[3] / "docs" / "pgvector.md"


def granted(heading: str, **names: str) -> str:
    """The SQL under a heading of the page, with the names of its example replaced."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(r"```sql\n(.*?)```", section, re.DOTALL)
    assert found is not None, heading
    text = found.group(1)
    for old, new in names.items():
        text = re.sub(rf"\b{old}\b", new, text)
    return text


@pytest.fixture
def administered(
    server: OwnServer, database: str, role: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """(writer, reader): roles with what the page grants, and the writer's connection string set."""
    writer, reader = role("writer"), role("reader")
    with server.connect(dbname=database) as admin:
        admin.execute(granted("Rights", rag_writer=writer, rag_reader=reader, rag=database))
    monkeypatch.setenv(DSN, server.dsn(writer, "secret", dbname=database))
    return writer, reader


def as_reader(server: OwnServer, database: str, reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DSN, server.dsn(reader, "secret", dbname=database))


def refused(called: Called, text: str) -> None:
    assert called.code == 6, called.err
    error = called.json["error"]
    assert error["kind"] == "store_refused", error
    assert re.search(text, error["message"]), error
    assert error["hint"]
    assert error["where"]
    assert "Traceback" not in called.err


def test_a_writer_that_may_make_neither_extension_nor_schema(
    own: Workspace, administered: tuple[str, str], server: OwnServer, database: str
) -> None:
    assert own.ingest()["counts"]["added"] == 1
    own.write("b.md", "# Harbours\n\nShips lie in the harbour.\n")
    own.write("a.md", "# Lighthouses\n\nThe lamp of the lighthouse is out.\n")
    counts = own.ingest()["counts"]
    assert (counts["added"], counts["changed"]) == (1, 1)
    assert own.call("ask", "Where do ships lie?", "--format", "json").code == 0
    assert own.call("doctor", "--format", "json").code == 0
    with server.connect(dbname=database) as admin:
        row = admin.execute(
            "SELECT has_database_privilege(%s, %s, 'CREATE'), has_schema_privilege(%s, 'public', 'CREATE')",
            (administered[0], database, administered[0]),
        ).fetchone()
    assert row == (False, False)


def test_a_reader_may_ask_and_nothing_else(
    own: Workspace,
    administered: tuple[str, str],
    server: OwnServer,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own.ingest()
    as_reader(server, database, administered[1], monkeypatch)
    asked = own.call("ask", "Where is the lamp?", "--format", "json")
    assert asked.code == 0, asked.err
    assert asked.json["hits"][0]["document"] == "a.md"
    assert own.call("show", "--format", "json").code == 0
    assert own.call("runs", "list", "--format", "json").code == 0
    questions = own.write("../questions.jsonl", '{"question": "Where is the lamp?"}\n')
    several = own.call("ask", "--questions", str(questions), "--format", "json")
    assert several.code == 0, several.err
    assert "no record of this run is kept" in several.err
    limited = own.call("ask", "--questions", str(questions), "--max-cost", "1", "--format", "json")
    assert limited.code == 2
    assert "may only read" in limited.json["error"]["message"]
    own.write("b.md", "# Harbours\n\nShips lie in the harbour.\n")
    refused(own.call("ingest", "--format", "json"), "permission denied")
    assert own.call("ask", "Where is the lamp?", "--format", "json").code == 0


def test_a_role_without_any_right(
    own: Workspace,
    server: OwnServer,
    database: str,
    role: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nobody = role("nobody")
    monkeypatch.setenv(DSN, server.dsn(nobody, "secret", dbname=database))
    refused(own.call("ingest", "--format", "json"), "permission denied for database")
    with server.connect(dbname=database) as admin:
        admin.execute(f"GRANT CONNECT ON DATABASE {database} TO {nobody}")
    refused(own.call("ingest", "--format", "json"), "permission denied for database")


def test_a_schema_without_the_extension(
    own: Workspace,
    server: OwnServer,
    database: str,
    role: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = role("writer")
    with server.connect(dbname=database) as admin:
        admin.execute(f"GRANT CONNECT ON DATABASE {database} TO {writer}")
        admin.execute(f"CREATE SCHEMA ragctl AUTHORIZATION {writer}")
    monkeypatch.setenv(DSN, server.dsn(writer, "secret", dbname=database))
    called = own.call("ingest", "--format", "json")
    assert called.code == 6
    assert "permission denied" in called.json["error"]["message"]
    assert "CREATE EXTENSION vector" in called.json["error"]["hint"]
    with server.connect(dbname=database) as admin:  # and not on the search path
        admin.execute("CREATE SCHEMA extensions")
        admin.execute("CREATE EXTENSION vector SCHEMA extensions")
        admin.execute(f"GRANT USAGE ON SCHEMA extensions TO {writer}")
    assert own.ingest()["counts"]["added"] == 1
    assert own.call("ask", "Where is the lamp?", "--format", "json").code == 0
