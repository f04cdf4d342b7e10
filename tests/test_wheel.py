"""The wheel works by itself: built, installed elsewhere, run outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `ragctl` command of an environment that has the wheel, and the dependencies of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy, so that building leaves nothing behind in the checkout
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "ragctl", source / "ragctl", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    [wheel] = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=os.name != "nt")
    variables = {"base": str(environment), "platbase": str(environment)}
    packages = Path(sysconfig.get_path("purelib", "venv", variables))
    install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "--target", str(packages), str(wheel)], check=True, capture_output=True)
    # A plain path line brings the dependencies of this environment, but not its editable ragctl.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    scripts = Path(sysconfig.get_path("scripts", "venv", variables))
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    command = folder / "ragctl"
    command.write_text(f"#!{python}\nfrom ragctl.cli.main import run\nrun()\n", encoding="utf-8")
    command.chmod(0o755)
    return command


def run(command: Path, folder: Path, *arguments: str) -> str:
    python = command.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!")
    result = subprocess.run(
        [python, str(command), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_it_does_the_main_job_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    python = installed.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!")
    where = subprocess.run(
        [python, "-c", "import ragctl; print(ragctl.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert str(installed.parent) in where
    assert run(installed, tmp_path, "--version").startswith("ragctl ")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "tea.md").write_text("# Tea\n\nTea is served at four.\n", encoding="utf-8")
    run(installed, tmp_path, "init", "--path", "notes")
    try:
        report = json.loads(run(installed, tmp_path, "ingest", "ragctl.yaml", "--format", "json"))
        assert report["counts"]["added"] == 1
        answer = json.loads(
            run(installed, tmp_path, "ask", "ragctl.yaml", "When is tea?", "--format", "json")
        )
        assert answer["hits"][0]["document"] == "tea.md"
    finally:
        run(installed, tmp_path, "doctor", "ragctl.yaml", "--stop")
