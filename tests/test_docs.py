"""Every command in the documentation runs, in a copy of what a reader has before them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragctl.errors import ExitCode

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    if "```console" in path.read_text("utf-8")
)
QUICKSTART = "examples/quickstart/quickstart.yaml"


def commands(page: Path) -> list[str]:
    """The lines after `$` in the page's blocks of console commands."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The documentation and the examples, as in a fresh clone, with the example ingested."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("docs", "examples", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".ragctl"))
    assert run(f"ragctl ingest {QUICKSTART}", folder).returncode == 0
    yield folder
    run(f"ragctl doctor {QUICKSTART} --stop", folder)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    scripts = Path(sys.executable).parent
    return subprocess.run(
        command,
        cwd=folder,
        shell=True,
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.skipif(os.name == "nt", reason="the documentation's commands are written for a POSIX shell")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_run(page: Path, copy: Path) -> None:
    for command in commands(page):
        if command.startswith(("make", "git", "cd", "pip", ". ")):
            continue  # these set the clone up; `make demo` and CI are what runs them
        result = run(command, copy)
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"


def test_pages_with_commands_were_found() -> None:
    assert {"README.md", "ingest.md", "ask.md"} <= {page.name for page in PAGES}


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_table_of_exit_codes_is_complete() -> None:
    table = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert listed == {int(code) for code in ExitCode}
