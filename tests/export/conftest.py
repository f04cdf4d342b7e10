"""Specs with a section `airflow`, and ruff as it judges an exported file anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ragctl.spec.load import LoadedSpec, load_spec

SpecOf = Callable[..., LoadedSpec]


@pytest.fixture
def spec_of(tmp_path: Path) -> SpecOf:
    """`spec_of(airflow, **sections)`: a spec in the test's folder, with a database of its own."""

    def made(airflow: Mapping[str, Any] | None = None, **sections: Any) -> LoadedSpec:
        content = {
            "name": "docs",
            "sources": [{"type": "directory", "path": "docs"}],
            "store": {"type": "pgvector", "dsn_env": "RAGCTL_DSN"},
            "experiment": {"matrix": {"chunk.max_tokens": [64, 128]}, "queries": "questions.jsonl"},
            "airflow": dict(airflow or {}),
            **sections,
        }
        path = tmp_path / "docs.yaml"
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        return load_spec(path)

    return made


@pytest.fixture(scope="session")
def ruff_complaints() -> Callable[[str], str]:
    """What ruff says of a text by its own defaults, as formatter and as linter; empty if nothing."""

    def ruff(*arguments: str, text: str) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--isolated", "--stdin-filename", "dag.py", "-"],
            input=text.encode("utf-8"),
            capture_output=True,
            check=False,
        )
        if result.returncode == 0:
            return ""
        return (result.stdout + result.stderr).decode("utf-8") or f"exit code {result.returncode}"

    def complaints(text: str) -> str:
        rules = ["--preview", "--select", "AIR,E,F,I,UP,B", "--quiet"]
        return ruff("format", "--diff", "--quiet", text=text) + ruff("check", *rules, text=text)

    return complaints
