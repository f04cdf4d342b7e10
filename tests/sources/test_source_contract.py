"""Every source keeps the contract of `contracts.source`."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from contracts.source import Place, SourceContract

from ragctl.ports import Source
from ragctl.sources.directory import DirectorySource
from ragctl.sources.jsonl import JsonlSource


@dataclass
class Folder:
    """Documents as files."""

    root: Path

    def source(self, name: str = "docs") -> Source:
        return DirectorySource(name, self.root)

    def put(self, **texts: str) -> None:
        self.root.mkdir(exist_ok=True)
        for name, text in texts.items():
            (self.root / f"{name}.txt").write_text(text, encoding="utf-8")

    def remove(self, name: str) -> None:
        (self.root / f"{name}.txt").unlink()

    def destroy(self) -> None:
        shutil.rmtree(self.root)


@dataclass
class Lines:
    """Documents as lines of one file, in the order in which they came."""

    file: Path
    packed: Callable[[bytes], bytes]
    texts: dict[str, str] = field(default_factory=dict)

    def source(self, name: str = "docs") -> Source:
        return JsonlSource(name, self.file)

    def put(self, **texts: str) -> None:
        self.texts |= texts
        self._write()

    def remove(self, name: str) -> None:
        del self.texts[name]
        self._write()

    def destroy(self) -> None:
        self.file.unlink()

    def _write(self) -> None:
        lines = [json.dumps({"id": name, "text": text}) + "\n" for name, text in self.texts.items()]
        self.file.write_bytes(self.packed("".join(lines).encode("utf-8")))


class TestDirectory(SourceContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Folder(tmp_path / "root")


class TestJsonl(SourceContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Lines(tmp_path / "records.jsonl", lambda data: data)


class TestCompressedJsonl(SourceContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Lines(tmp_path / "records.jsonl.gz", gzip.compress)
