"""A folder with documents and a spec, and ways to run commands on it."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragctl.embedded.server import EmbeddedServer


@dataclass(frozen=True)
class Called:
    """What a command line printed and returned."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Workspace:
    """A folder with documents and specs, sharing the session's embedded server.

    Each has a name of its own, so that no two tests write to the same index.
    """

    def __init__(self, base: Path, name: str) -> None:
        self.base = base
        self.name = name
        self.documents = base / name
        self.documents.mkdir()
        self.spec_path = base / f"{name}.yaml"
        self.spec()

    def spec(self, **sections: object) -> Path:
        """Writes the spec: a directory source, and whatever sections are given (JSON is YAML)."""
        source = {"type": "directory", "path": self.name, "name": "docs"}
        self.spec_path.write_text(
            json.dumps({"name": self.name, "sources": [source], **sections}), encoding="utf-8"
        )
        return self.spec_path

    def write(self, path: str, text: str) -> Path:
        file = self.documents / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def settle(self) -> None:
        """Waits until every file is old enough for its times to be trusted."""
        newest = max(file.stat().st_ctime for file in self.documents.rglob("*"))
        time.sleep(max(0.0, newest + 2.2 - time.time()))

    def drop(self) -> None:
        """Drops the index from the session's server, whose every ingest looks at all indexes that it has."""
        server = EmbeddedServer(self.base / ".ragctl")
        if not server.status().running:
            return
        with server.connect(autocommit=True) as connection:
            connection.execute(
                "SET lock_timeout = '10s'"
            )  # a test that leaves a transaction open is at fault
            if connection.execute("SELECT to_regclass('ragctl.indexes')").fetchone() == (None,):
                return
            tables = connection.execute(
                "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables "
                "WHERE schemaname = 'ragctl' AND starts_with(tablename, %s)",
                (f"{self.name}_g",),
            ).fetchall()
            if tables:
                connection.execute(f"DROP TABLE {', '.join(table for (table,) in tables)}")
            connection.execute("UPDATE ragctl.indexes SET active = NULL WHERE name = %s", (self.name,))
            connection.execute("DELETE FROM ragctl.generations WHERE index_name = %s", (self.name,))
            connection.execute("DELETE FROM ragctl.indexes WHERE name = %s", (self.name,))

    def call(self, command: str, *arguments: str) -> Called:
        """Runs a command on the spec in this process."""
        return call(command, str(self.spec_path), *arguments)

    def ingest(self, *arguments: str) -> Any:
        """Runs `ingest --format json`, which must succeed, and returns its document."""
        called = self.call("ingest", "--format", "json", *arguments)
        assert called.code == 0, called.err
        return called.json

    def process(self, command: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Starts a command on the spec as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "ragctl", command, str(self.spec_path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            **options,
        )


def call(*arguments: str) -> Called:
    """Runs a command line in this process."""
    from ragctl.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(arguments))
    return Called(code, out.getvalue(), err.getvalue())
