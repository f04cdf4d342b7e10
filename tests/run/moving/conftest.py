"""A filled index, and specs of other indexes of the same documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_weaviate import FakeWeaviate

from workspace import Called, Workspace, call

QUESTION = "Who lights the lamp?"
PAGES = {
    "lamp.md": "---\ntags: [sea]\nyear: 1901\n---\n# Lamps\n\n"
    "The keeper lights the lighthouse lamp at dusk.\n\n## Oil\n\nThe lamp burns two litres of oil a night.\n",
    "bread.txt": "Rye bread needs a sourdough that was fed the evening before. 🍞\n",
    "zebra.md": "# Zebras\n\n" + "A zebra grazes on the savanna, and has black and white stripes. " * 40,
}


class Other:
    """A spec of another index of the workspace's documents."""

    def __init__(self, workspace: Workspace, name: str, **sections: Any) -> None:
        self.workspace, self.name = workspace, name
        self.path = workspace.base / f"{name}.yaml"
        source = {"type": "directory", "path": workspace.name, "name": "docs"}
        self.path.write_text(json.dumps({"name": name, "sources": [source], **sections}), encoding="utf-8")

    def call(self, command: str, *arguments: str) -> Called:
        return call(command, str(self.path), *arguments)

    def taken_up(self) -> None:
        """An ingest finds all as it is, and doctor nothing to complain of."""
        called = self.call("ingest", "--format", "json")
        assert called.code == 0, called.err
        counts = called.json["counts"]
        kept = {name: counts[name] for name in ("added", "changed", "deleted", "embedded", "cached")}
        assert set(kept.values()) == {0}, counts
        doctor = self.call("doctor", "--format", "json")
        assert [one for one in doctor.json["findings"] if not one["ok"]] == []

    def hits(self, *arguments: str) -> list[tuple[Any, ...]]:
        return hits_of(self.call("ask", QUESTION, "--format", "json", *arguments))


def hits_of(called: Called) -> list[tuple[Any, ...]]:
    assert called.code == 0, called.err
    names = ("document", "start", "end", "text", "title", "line", "metadata")
    return [(*(hit.get(name) for name in names), round(hit["score"], 5)) for hit in called.json["hits"]]


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    for path, text in PAGES.items():
        workspace.write(path, text)
    (workspace.documents / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing")  # it fails: the ledger knows it
    workspace.spec(max_failures=9)
    called = workspace.call("ingest")
    assert called.code == 0, called.err
    return workspace


@pytest.fixture
def fake() -> Iterator[FakeWeaviate]:
    """The FAKE server; see its docstring for what it proves and what not."""
    with FakeWeaviate() as server:
        yield server


def exported(workspace: Workspace, name: str = "out.parquet") -> Path:
    path = workspace.base / f"{workspace.name}-{name}"
    called = workspace.call("index", "export", str(path), "--format", "json")
    assert called.code == 0, called.err
    return path
