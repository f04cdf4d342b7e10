"""SIGKILL at random moments: the next run completes the work, and nothing differs from an undisturbed one.

A short `make chaos`; tests/chaos holds what both are made of.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.moments import IN_THE_MIDST
from chaos.rounds import Chaos

ROUNDS = int(os.environ.get("RAGCTL_KILL_ROUNDS", "20"))
SEED = int(os.environ.get("RAGCTL_KILL_SEED", "20261122"))
DOCUMENTS = 16

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder that the user who runs root's server can enter too."""
    folder = Path(tempfile.mkdtemp(prefix="ragctl-kill-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_killed_ingest_is_completed_by_the_next(ground: Path) -> None:
    """Rounds of SIGKILL to ragctl, the server or one of its sessions, then one clean run."""
    summary = Chaos(ground, seed=SEED, documents=DOCUMENTS, recipe_every=5).run(ROUNDS)
    assert summary.differences == [], summary.text()
    assert summary.rounds == ROUNDS
    # Or the moments were ill chosen: most kills hit a run, and some hit it in the midst of its work.
    assert summary.killed["nobody"] < ROUNDS / 2, summary.text()
    assert summary.chunks > DOCUMENTS
    midst = IN_THE_MIDST | {"embedded", "written", "published"}
    assert sum(summary.reached[event] for event in midst) > 0, summary.text()
