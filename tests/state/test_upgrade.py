"""A state and an index that an earlier release made are brought up to date, and nothing of them is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ragctl.state.migrations import MIGRATIONS, schema_version
from ragctl.state.spending import PostgresSpending, close_budget, open_budget
from ragctl.state.throttle import PostgresThrottle
from ragctl.types import Usage
from workspace import Workspace

# Schema and rows of an earlier release; its first lines say how it was made.
DUMP = Path(__file__).with_name("previous_release.sql")
DOCUMENTS = {
    "install.md": "# Installing\n\nDownload the archive, unpack it and run the installer.\n",
    "hours.txt": "The office is open from nine to five.\n",
    "hollow.html": "<html><body></body></html>\n",
}
CHUNKS = (
    "SELECT d.path, c.xmin::text, c.text, c.input_hash, c.embedding::text "
    "FROM ragctl.upgraded_g1_chunks c JOIN ragctl.upgraded_g1_documents d ON d.id = c.document ORDER BY 1"
)

Opener = Callable[[], psycopg.Connection[Any]]


@pytest.fixture
def database(open_fresh: Opener, monkeypatch: pytest.MonkeyPatch) -> psycopg.Connection[Any]:
    """A database as the earlier release left it; the environment variable UPGRADED_DSN names it."""
    with open_fresh() as loading:  # the dump's settings end with the connection
        loading.execute("CREATE EXTENSION vector")
        loading.execute(DUMP.read_text(encoding="utf-8").encode())
    opened = open_fresh()
    assert schema_version(opened) == 1
    monkeypatch.setenv("UPGRADED_DSN", make_conninfo(opened.info.dsn, password=opened.info.password))
    return opened


@pytest.fixture
def upgraded(workspace: Workspace, database: psycopg.Connection[Any]) -> Workspace:
    """The documents and the spec that the earlier release ingested."""
    for path, text in DOCUMENTS.items():
        workspace.write(path, text)
    workspace.spec(name="upgraded", max_failures=1, store={"type": "pgvector", "dsn_env": "UPGRADED_DSN"})
    return workspace


def test_an_ingest_upgrades_the_state_and_embeds_nothing_again(
    upgraded: Workspace, database: psycopg.Connection[Any]
) -> None:
    before = database.execute(CHUNKS).fetchall()
    assert [row[0] for row in before] == ["hours.txt", "install.md"]
    report = upgraded.ingest()
    assert schema_version(database) == len(MIGRATIONS) > 1
    assert report["generation"] == 2  # by now HTML is read in another way
    counts = report["counts"]
    assert (counts["added"], counts["embedded"], counts["cached"], counts["failed"]) == (2, 0, 2, 1)
    assert database.execute(CHUNKS).fetchall() == before


def test_the_vectors_of_the_earlier_release_are_used(upgraded: Workspace) -> None:
    (upgraded.documents / "install.md").rename(upgraded.documents / "setup.md")
    report = upgraded.ingest()
    assert (report["counts"]["embedded"], report["counts"]["cached"]) == (0, 2)


def test_the_index_can_be_asked_without_an_ingest(upgraded: Workspace) -> None:
    answer = upgraded.call("ask", "When do you open?", "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.json["hits"][0]["document"] == "hours.txt"


def test_the_history_and_the_failures_stay(upgraded: Workspace, database: psycopg.Connection[Any]) -> None:
    [run] = database.execute("SELECT id, status, record FROM ragctl.runs").fetchall()
    [failed] = upgraded.ingest()["failures"]
    assert failed["document"] == "hollow.html"
    after = database.execute("SELECT id, status, record FROM ragctl.runs ORDER BY started_at").fetchall()
    assert len(after) == 2
    assert after[0] == run


def test_the_upgraded_state_keeps_limits_and_budgets(
    upgraded: Workspace, database: psycopg.Connection[Any]
) -> None:
    [(run,)] = database.execute("SELECT id FROM ragctl.runs").fetchall()
    upgraded.ingest()
    open_budget(database, run, 1.0)
    spending = PostgresSpending(lambda: database, run)
    spending.settle(spending.reserve(0.5), Usage(cost_usd=0.25))
    spent = close_budget(database, run)
    assert spent is not None
    assert spent.spent_usd == 0.25
    throttle = PostgresThrottle(lambda: database, "upgraded", requests_per_minute=6, sleep=lambda _: None)
    assert throttle.acquire(tokens=1) == 0.0
    assert throttle.acquire(tokens=1) > 9
