"""A spec that asks the shop's database in SQLite."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from sql.shop import fill_sqlite
from sql.sql_script import chat

from model_server import ModelServer
from workspace import Called, call


class Shop:
    """A spec over the shop's database, and ways to ask it."""

    def __init__(self, base: Path, name: str) -> None:
        self.base, self.name = base, name
        self.spec, self.file = base / f"{name}.yaml", base / f"{name}.db"
        connection = sqlite3.connect(self.file)
        fill_sqlite(connection)
        connection.close()

    def asks(self, server: ModelServer, **ask: Any) -> None:
        given = {"type": "sql", "database": {"sqlite": self.file.name}, "query": chat(server), **ask}
        self.spec.write_text(json.dumps({"name": self.name, "ask": given}), encoding="utf-8")

    def call(self, *arguments: str, command: str = "ask") -> Called:
        return call(command, str(self.spec), *arguments)
