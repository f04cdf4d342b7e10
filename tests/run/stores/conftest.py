"""A pipeline whose index lies in Weaviate: over a FAKE server, its state in the session's PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fake_weaviate import FakeWeaviate

from workspace import Workspace

STORIES = {
    "zebra.md": "# Zebras\n\nA zebra has black and white stripes. It grazes on the savanna.\n",
    "lamp.md": "# Lamps\n\nThe lighthouse lamp is lit by the keeper at dusk, every evening.\n",
    "bread.txt": "Rye bread needs a sourdough that was fed the evening before.\n",
}


@pytest.fixture
def fake() -> Iterator[FakeWeaviate]:
    """The FAKE server; see its docstring for what it proves and what not."""
    with FakeWeaviate() as server:
        yield server


class Pipeline:
    """A workspace with documents, and a spec that names the fake."""

    def __init__(self, workspace: Workspace, fake: FakeWeaviate) -> None:
        self.workspace = workspace
        self.fake = fake
        self.spec()

    def spec(self, *, store: dict[str, Any] | None = None, **sections: Any) -> None:
        place = {"type": "weaviate", "url": self.fake.url, "grpc_port": self.fake.grpc_port}
        self.workspace.spec(store={**place, **(store or {})}, **sections)

    def write_stories(self) -> None:
        for path, text in STORIES.items():
            self.workspace.write(path, text)

    def ingest(self, *arguments: str) -> Any:
        return self.workspace.ingest(*arguments)

    def ask(self, question: str, *arguments: str) -> list[dict[str, Any]]:
        called = self.workspace.call("ask", question, "--format", "json", *arguments)
        assert called.code == 0, called.err
        hits: list[dict[str, Any]] = called.json["hits"]
        return hits

    def documents(self) -> set[str]:
        """As a lexical question finds them, by a word that all have; see `shown`."""
        called = self.workspace.call("show", "--format", "json")
        assert called.code == 0, called.err
        return {one["document"] for one in called.json["documents"] if one["state"] == "stored"}

    def texts(self) -> list[str]:
        """Of all objects on the server, whatever their version."""
        return sorted(one.properties["text"].strip() for one in self.fake.storage.everything())

    def paths(self) -> set[str]:
        return {one.properties["path"] for one in self.fake.storage.everything()}

    def findings(self) -> list[dict[str, Any]]:
        """What doctor has to say against the index."""
        called = self.workspace.call("doctor", "--format", "json")
        return [one for one in called.json["findings"] if not one["ok"]]


@pytest.fixture
def pipeline(workspace: Workspace, fake: FakeWeaviate) -> Pipeline:
    return Pipeline(workspace, fake)
