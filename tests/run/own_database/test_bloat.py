"""doctor tells of dead rows, and --repair clears them away."""

from __future__ import annotations

import pytest
from own_server import OwnServer

from ragctl.stores import pgvector_upkeep
from workspace import Workspace


def test_dead_rows(own: Workspace, server: OwnServer, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgvector_upkeep, "LEAST_DEAD_ROWS", 5)
    own.ingest()
    with server.connect(dbname=database) as admin:
        table = f"ragctl.{own.name}_g1_chunks"
        admin.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        for _ in range(20):
            admin.execute(f"UPDATE {table} SET tokens = tokens")
        admin.execute("SELECT pg_stat_force_next_flush()")

    def bloat() -> list[dict[str, object]]:
        findings = own.call("doctor", "--format", "json").json["findings"]
        return [one for one in findings if one["check"] == "bloat"]

    (found,) = bloat()
    assert "rows of" in str(found["detail"])
    assert "--repair" in str(found["fix"])
    repaired = own.call("doctor", "--repair")
    assert repaired.code == 0, repaired.err
    assert "vacuumed" in repaired.out + repaired.err
    assert bloat() == []
    assert own.call("ask", "lighthouse", "--format", "json").code == 0
