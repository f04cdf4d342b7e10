"""SIGKILL at random moments: the next run completes the work, and nothing differs from an undisturbed one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from ragctl.embedded.server import EmbeddedServer
from workspace import Workspace

ROUNDS = int(os.environ.get("RAGCTL_KILL_ROUNDS", "20"))
SEED = int(os.environ.get("RAGCTL_KILL_SEED", "20261122"))
DOCUMENTS = 60

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")


def write_corpus(workspace: Workspace, revision: int = 0) -> None:
    """Documents of one to some thirty chunks, the same for the same revision."""
    words = "index table query vector server page chunk model reader token stage ledger run plan".split()
    for number in range(DOCUMENTS):
        chosen = random.Random(f"{number}/{revision if number % 3 == 0 else 0}")
        sections = [
            f"## Section {section}\n\n" + " ".join(chosen.choices(words, k=chosen.randint(30, 400))) + ".\n"
            for section in range(1 + number % 7)
        ]
        workspace.write(f"part{number % 5}/{number:03}.md", f"# Document {number}\n\n" + "\n".join(sections))


def contents(base: Path, name: str) -> dict[tuple[Any, ...], Any]:
    """What the index holds: every chunk's place and text with its vector, and what the ledger says."""
    with EmbeddedServer(base / ".ragctl").connect() as connection:
        return _contents(connection, name)


def _contents(connection: psycopg.Connection[Any], name: str) -> dict[tuple[Any, ...], Any]:
    from pgvector.psycopg import register_vector

    register_vector(connection)
    active = connection.execute(
        "SELECT g.id, g.number FROM ragctl.indexes i JOIN ragctl.generations g ON g.id = i.active "
        "WHERE i.name = %s",
        (name,),
    ).fetchone()
    assert active is not None
    chunks = connection.execute(
        f"SELECT d.source, d.path, c.ordinal, c.span_start, c.span_end, c.text, c.headings, c.embedding "
        f"FROM ragctl.{name}_g{active[1]}_chunks c JOIN ragctl.{name}_g{active[1]}_documents d "
        "ON d.id = c.document"
    ).fetchall()
    items = connection.execute(
        "SELECT source, path, digest, stored, failure IS NULL FROM ragctl.items WHERE generation = %s",
        (active[0],),
    ).fetchall()
    documents = connection.execute(
        "SELECT source, path, item, digest, reader, chunks FROM ragctl.documents WHERE generation = %s",
        (active[0],),
    ).fetchall()
    result: dict[tuple[Any, ...], Any] = {("item", *row): None for row in items}
    result.update({("document", *row): None for row in documents})
    for *place, headings, vector in chunks:
        result["chunk", *place, *headings] = vector
    assert len(result) == len(chunks) + len(items) + len(documents)
    return result


def assert_equal(one: dict[tuple[Any, ...], Any], other: dict[tuple[Any, ...], Any]) -> None:
    assert one.keys() == other.keys()
    for key, vector in one.items():
        if vector is not None:
            assert float(np.dot(vector.to_numpy(), other[key].to_numpy())) >= 0.9999


def postmaster_pid(base: Path) -> int:
    data = EmbeddedServer(base / ".ragctl").status().data
    assert data is not None
    return int((data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])


def test_a_killed_ingest_is_completed_by_the_next(tmp_path: Path) -> None:
    """Rounds of SIGKILL on the client or on the server, then one clean run."""
    chance = random.Random(SEED)
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    for base in (disturbed, undisturbed):
        base.mkdir()
    workspace = Workspace(disturbed, "corpus")
    try:
        write_corpus(workspace)
        outcomes: list[str] = []
        for number in range(ROUNDS):
            if number and number % 5 == 0:  # give it something to do
                write_corpus(workspace, revision=number)
            outcomes.append(_disturbed_run(workspace, chance))
        assert outcomes.count("completed") < ROUNDS / 2, outcomes  # or the moments were ill chosen
        final = workspace.ingest("--allow-delete", "0")
        assert final["published"]

        clean = Workspace(undisturbed, "corpus")
        shutil.copytree(workspace.documents, clean.documents, dirs_exist_ok=True)
        clean.ingest()
        assert_equal(contents(disturbed, "corpus"), contents(undisturbed, "corpus"))
        again = workspace.ingest()
        assert again["counts"]["embedded"] == again["counts"]["chunks"] == 0
    finally:
        for base in (disturbed, undisturbed):
            EmbeddedServer(base / ".ragctl").stop()


def _disturbed_run(workspace: Workspace, chance: random.Random) -> str:
    process = workspace.process("ingest", "--format", "json", "--set", f"extract.max_bytes={10**6}")
    time.sleep(chance.uniform(0.3, 4.0))
    if process.poll() is None:
        victim = "client"
        if chance.random() < 0.5 and EmbeddedServer(workspace.base / ".ragctl").status().running:
            victim = "server"
            os.kill(postmaster_pid(workspace.base), signal.SIGKILL)
        else:
            process.kill()
    else:
        victim = "completed"
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors, errors
    if victim == "server":
        assert process.returncode in (0, 6), (process.returncode, errors)
    return victim
