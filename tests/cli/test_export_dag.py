"""ragctl export-dag as a person meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workspace import call

SPEC: dict[str, Any] = {
    "name": "docs",
    "sources": [{"type": "directory", "path": "docs"}],
    "store": {"type": "pgvector", "dsn_env": "RAGCTL_DSN"},
    "airflow": {"stages": {"embed": {"queue": "gpu", "pool": "scarce"}}},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with specs/docs.yaml and dags/, which is the working directory."""
    for folder in ("specs", "dags"):
        (tmp_path / folder).mkdir()
    (tmp_path / "specs" / "docs.yaml").write_text(json.dumps(SPEC), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_written_and_what_to_do_next_is_said(project: Path) -> None:
    called = call("export-dag", "specs/docs.yaml", "-o", "dags/docs_ingest.py")
    assert (called.code, called.out) == (0, "")
    written = (project / "dags" / "docs_ingest.py").read_bytes()
    assert b'"spec": "../specs/docs.yaml"' in written
    assert b"\r" not in written
    assert [path.name for path in (project / "dags").iterdir()] == ["docs_ingest.py"]
    for expected in (
        "wrote dags/docs_ingest.py: DAG docs_ingest, 6 tasks",
        "warning: pool 'scarce' (embed): make it: airflow pools set scarce SLOTS 'description'",
        "warning: queue 'gpu' (embed)",
        "ragctl export-dag specs/docs.yaml --check dags/docs_ingest.py",
        "airflow dags trigger docs_ingest",
    ):
        assert expected in called.err


def test_the_head_s_command_makes_the_same_file_again(project: Path) -> None:
    call("export-dag", "specs/docs.yaml", "--kind", "ask", "--layout", "fused", "-o", "dags/ask.py")
    before = (project / "dags" / "ask.py").read_bytes()
    again = call(
        "export-dag",
        str(project / "specs" / "docs.yaml"),
        "--kind=ask",
        "--layout=fused",
        "-o",
        "dags/ask.py",
    )
    assert again.code == 0, again.err
    assert (project / "dags" / "ask.py").read_bytes() == before


def test_stdout_is_data_and_lies_beside_the_spec(project: Path) -> None:
    called = call("export-dag", "specs/docs.yaml")
    assert called.code == 0
    compile(called.out, "dag.py", "exec")
    assert '"spec": "docs.yaml"' in called.out
    assert "beside" in called.err
    elsewhere = call("export-dag", "specs/docs.yaml", "--spec-path", "/srv/docs.yaml")
    assert '"spec": "/srv/docs.yaml"' in elsewhere.out


def test_check_says_whether_the_file_is_current(project: Path) -> None:
    call("export-dag", "specs/docs.yaml", "-o", "dags/docs_ingest.py")
    called = call("export-dag", "specs/docs.yaml", "--check", "dags/docs_ingest.py")
    assert (called.code, called.out) == (0, "")
    assert "docs_ingest is what the spec gives" in called.err
    (project / "specs" / "docs.yaml").write_text(json.dumps({**SPEC, "max_failures": 3}), encoding="utf-8")
    called = call("export-dag", "specs/docs.yaml", "--check", "dags/docs_ingest.py")
    assert called.code == 5
    assert "the spec has changed" in called.err
    assert "ragctl export-dag specs/docs.yaml --kind ingest -o dags/docs_ingest.py" in called.err
    assert "Traceback" not in called.err


def test_check_follows_what_the_file_was_made_with(project: Path) -> None:
    chosen = ["--embed-spec", "--set", "chunk.max_tokens=128", "--airflow-version", "3.1", "--kind", "ask"]
    assert call("export-dag", "specs/docs.yaml", *chosen, "-o", "dags/ask.py").code == 0
    assert '"max_tokens": 128' in (project / "dags" / "ask.py").read_text(encoding="utf-8")
    assert call("export-dag", "specs/docs.yaml", "--check", "dags/ask.py").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "chunk.max_tokens=128"], "--embed-spec"),
        (["--check", "dags/x.py", "--kind", "ask"], "leave the other options out"),
        (["--check", "dags/missing.py"], "cannot be read"),
        (["--check", "specs/docs.yaml"], "no DAG file that ragctl has exported"),
        (["-o", "dags"], "is a directory"),
        (["-o", "nowhere/x.py"], "does not exist"),
        (["-o", "dags/x.txt"], ".py"),
        (["--spec-path", "specs/docs.yaml"], "an absolute path"),
        (["--kind", "digest"], "'ask'"),
        (["--airflow-version", "2.10"], "'3.3'"),
    ],
)
def test_wrong_calls(project: Path, arguments: list[str], said: str) -> None:
    called = call("export-dag", "specs/docs.yaml", *arguments)
    assert (called.code, called.out) == (2, "")
    assert said in called.err
    assert list((project / "dags").iterdir()) == []


def test_another_file_is_not_overwritten(project: Path) -> None:
    own = project / "dags" / "mine.py"
    own.write_text("print('mine')\n", encoding="utf-8")
    called = call("export-dag", "specs/docs.yaml", "-o", "dags/mine.py")
    assert called.code == 2
    assert own.read_text(encoding="utf-8") == "print('mine')\n"


def test_a_link_stays_a_link(project: Path) -> None:
    real = project / "real"
    real.mkdir()
    (real / "docs_ingest.py").touch()
    link = project / "dags" / "docs_ingest.py"
    try:
        link.symlink_to(real / "docs_ingest.py")
    except OSError:
        pytest.skip("this system makes no symbolic links without a right to")
    (real / "docs_ingest.py").unlink()
    assert call("export-dag", "specs/docs.yaml", "-o", "dags/docs_ingest.py").code == 0
    assert link.is_symlink()
    assert call("export-dag", "specs/docs.yaml", "--check", "dags/docs_ingest.py").code == 0


def test_the_embedded_server_needs_a_single_host(project: Path) -> None:
    spec = project / "specs" / "docs.yaml"
    spec.write_text(
        "name: docs\nsources: [{type: directory, path: docs}]\nstore: {type: pgvector}\n", encoding="utf-8"
    )
    called = call("export-dag", "specs/docs.yaml", "-o", "dags/docs_ingest.py")
    assert called.code == 2
    assert "specs/docs.yaml:3:8: store.dsn_env" in called.err.replace("\\", "/")
    assert "airflow.single_host: true" in called.err
    assert not (project / "dags" / "docs_ingest.py").exists()


def test_help_has_an_example_fits_80_columns_and_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom ragctl.cli.main import run\n"
        "sys.argv = ['ragctl', 'export-dag', '--help']\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        "print('LOADED', *sorted({'yaml', 'rich', 'psycopg', 'ragctl.spec.load'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "80"},
        check=True,
    )
    *shown, loaded = result.stdout.splitlines()
    assert "Example: ragctl export-dag" in result.stdout
    assert max(map(len, shown)) <= 80
    assert loaded == "LOADED"
