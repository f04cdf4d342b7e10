"""Every source keeps the contract of `contracts.source`."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from contracts.source import Place, SourceContract
from sources.git_commands import commit, git

from ragctl.ports import Source
from ragctl.sources.csv_records import CsvSource
from ragctl.sources.directory import DirectorySource
from ragctl.sources.files import FilesSource
from ragctl.sources.git import GitSource
from ragctl.sources.jsonl import JsonlSource
from ragctl.sources.parquet import ParquetSource
from ragctl.sources.sql_query import SqlSource


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


@dataclass
class Named:
    """Documents as files that are named one by one, of three names."""

    root: Path

    def source(self, name: str = "docs") -> Source:
        return FilesSource(name, self.root, ["?.txt"])

    put = Folder.put
    remove = Folder.remove
    destroy = Folder.destroy


@dataclass
class Repository:
    """Documents as files of a git repository, each change a commit."""

    root: Path
    work: Path

    def source(self, name: str = "docs") -> Source:
        return GitSource(name, str(self.root), work_directory=self.work)

    def put(self, **texts: str) -> None:
        if not self.root.is_dir():
            git("init", "--quiet", "--initial-branch=main", str(self.root))
        for name, text in texts.items():
            (self.root / f"{name}.txt").write_text(text, encoding="utf-8")
        commit(self.root)

    def remove(self, name: str) -> None:
        (self.root / f"{name}.txt").unlink()
        commit(self.root)

    destroy = Folder.destroy


@dataclass
class Rows:
    """Documents as rows of one file, in the order in which they came."""

    file: Path
    kind: type[CsvSource] | type[ParquetSource]
    texts: dict[str, str] = field(default_factory=dict)

    def source(self, name: str = "docs") -> Source:
        return self.kind(name, self.file)

    def put(self, **texts: str) -> None:
        self.texts |= texts
        self._write()

    def remove(self, name: str) -> None:
        del self.texts[name]
        self._write()

    def destroy(self) -> None:
        self.file.unlink()

    def _write(self) -> None:
        if self.kind is ParquetSource:
            columns = {"id": list(self.texts), "text": list(self.texts.values())}
            pq.write_table(pa.table(columns), self.file, row_group_size=2)
            return
        with self.file.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("id", "text"), *self.texts.items()])


@dataclass
class SqliteTable:
    """Documents as rows of a table."""

    file: Path

    def source(self, name: str = "docs") -> Source:
        return SqlSource(name, "SELECT id, text FROM docs", path=self.file)

    def put(self, **texts: str) -> None:
        with closing(sqlite3.connect(self.file)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS docs (id TEXT PRIMARY KEY, text TEXT)")
            database.executemany("INSERT OR REPLACE INTO docs VALUES (?, ?)", texts.items())

    def remove(self, name: str) -> None:
        with closing(sqlite3.connect(self.file)) as database, database:
            database.execute("DELETE FROM docs WHERE id = ?", (name,))

    def destroy(self) -> None:
        self.file.unlink()


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


class TestFiles(SourceContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Named(tmp_path / "root")


class TestGit(SourceContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Repository(tmp_path / "repository", tmp_path / ".ragctl")


class TestCsv(SourceContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Rows(tmp_path / "records.csv", CsvSource)


class TestParquet(SourceContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Rows(tmp_path / "records.parquet", ParquetSource)


class TestSqlite(SourceContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return SqliteTable(tmp_path / "records.db")
