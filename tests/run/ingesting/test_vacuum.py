"""An ingest and a VACUUM stand in each other's way nowhere.

The server breaks an autovacuum off as soon as somebody waits for it. Ingests in quick succession would each
break off the one before its end, and the tables would only grow.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql

from ragctl.embedded.server import EmbeddedServer
from workspace import Workspace

TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = 'ragctl'
"""
WAITING = """
SELECT relation::regclass::text || ': ' || mode FROM pg_locks WHERE NOT granted AND locktype = 'relation'
"""


@contextmanager
def vacuumed(home: Path) -> Iterator[list[str]]:
    """Every table is locked as VACUUM locks it, until somebody waits for it: who that was."""
    stood: list[str] = []
    locked, over = threading.Event(), threading.Event()

    def hold() -> None:
        with EmbeddedServer(home).connect() as connection:
            for table in connection.execute(TABLES).fetchall():
                lock = sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE")
                connection.execute(lock.format(sql.Identifier(*table)))
            locked.set()
            while not over.wait(timeout=0.05) and not stood:
                stood.extend(row[0] for row in connection.execute(WAITING))

    held = threading.Thread(target=hold)
    held.start()
    assert locked.wait(timeout=30)
    try:
        yield stood
    finally:
        over.set()
        held.join()


def test_no_lock_of_an_ingest_waits_for_a_vacuum(workspace: Workspace, server_base: Path) -> None:
    for number in range(6):
        workspace.write(f"{number}.md", f"# {number}\n\nThe lamp of lighthouse {number} turns.\n")
    workspace.ingest()
    workspace.write("0.md", "# 0\n\nIts lamp stands still.\n")
    workspace.write("new.md", "# New\n\nA new one is built.\n")
    (workspace.documents / "5.md").unlink()
    with vacuumed(server_base / ".ragctl") as stood:
        counts = workspace.ingest("--allow-delete", "1")["counts"]
    assert stood == []
    assert (counts["changed"], counts["added"], counts["deleted"]) == (1, 1, 1)
