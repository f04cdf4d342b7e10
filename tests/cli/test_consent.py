"""Before money is spent, whoever sits at the terminal is asked."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading

import pytest

from model_server import ModelServer
from ragctl.cli.consent import agree_at_terminal
from ragctl.errors import OverBudget
from ragctl.run.ingesting.ingest import IngestOptions, ingest
from ragctl.run.ingesting.planning import PlanReport
from ragctl.spec.load import load_spec
from workspace import Workspace


def paid(workspace: Workspace, server: ModelServer) -> None:
    workspace.write("hours.md", "# Opening hours\n\nThe office is open from nine to five.\n")
    workspace.spec(
        embed={
            "provider": "openai",
            "base_url": f"{server.url}/v1",
            "model": "text-embedding-3-small",
            "usd_per_million_tokens": 20.0,
        }
    )


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, encoding="utf-8") as nothing:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", nothing)
        assert agree_at_terminal() is None


def test_who_does_not_agree_spends_nothing(workspace: Workspace) -> None:
    shown: list[PlanReport] = []

    def disagree(report: PlanReport) -> bool:
        shown.append(report)
        return False

    with ModelServer() as server:
        paid(workspace, server)
        loaded = load_spec(workspace.spec_path, ())
        with pytest.raises(OverBudget, match="not agreed"):
            ingest(loaded, IngestOptions(agree=disagree))
        assert server.requests == []
        [report] = shown
        assert report.cost_usd
        ingest(loaded, IngestOptions(agree=lambda report: True))
        assert len(server.requests) == 1
        ingest(loaded, IngestOptions(agree=disagree))  # there is nothing to spend, and nobody is asked
        assert len(shown) == 1


def _read_all(controller: int, pieces: list[bytes]) -> None:
    """What is written to a terminal until nobody has it open any more."""
    with contextlib.suppress(OSError):
        while piece := os.read(controller, 65536):
            pieces.append(piece)


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals on Windows")
def test_at_a_terminal_the_plan_is_shown_and_the_answer_counts(workspace: Workspace) -> None:
    import pty

    with ModelServer() as server:
        paid(workspace, server)
        controller, terminal = pty.openpty()
        command = [sys.executable, "-m", "ragctl", "ingest", str(workspace.spec_path), "--format", "json"]
        pieces: list[bytes] = []
        reader = threading.Thread(target=_read_all, args=(controller, pieces), daemon=True)
        with subprocess.Popen(command, stdin=terminal, stderr=terminal, stdout=subprocess.PIPE) as process:
            os.close(terminal)
            reader.start()
            os.write(controller, b"y\n")
            out, _ = process.communicate(timeout=120)
        reader.join(60)
        os.close(controller)
        said = b"".join(pieces).decode("utf-8")
        assert process.returncode == 0, said
        assert "1 chunks" in said
        assert "costs $0.0" in said
        assert "spend that? [y/N]" in said
        assert b'"published": true' in out
        assert len(server.requests) == 1
