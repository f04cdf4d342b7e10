"""The hostile statements and what became of each, as docs/sql.md shows them.

    python tests/sql_hostile_table.py

runs them all and writes the table into docs/sql.md, between its two marks.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from own_server import OwnServer
from sql.hostile import POSTGRES, SQLITE, Hostile
from sql.hostile_runs import alone, through_the_gate
from sql.shop import READER, fill_postgres, fill_sqlite, postgres_digest, sqlite_digest

from ragctl.sql.database import Database
from ragctl.sql.postgres import PostgresDatabase
from ragctl.sql.schema_options import SchemaOptions
from ragctl.sql.sqlite import SqliteDatabase
from ragctl.sql.types import Limits

PAGE = Path(__file__).resolve().parents[1] / "docs" / "sql.md"
BEGIN, END = "<!-- hostile statements: begin -->", "<!-- hostile statements: end -->"
QUICK = Limits(timeout_s=1.0, max_rows=50, max_bytes=200_000, max_value_bytes=20_000, memory_bytes=64 << 20)
LONGEST = 90


def rows(statements: list[Hostile], database: Database) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield "| what | statement | the gate | the database alone |"
    yield "|---|---|---|---|"
    schema = database.schema()
    for one in statements:
        gated, why = through_the_gate(one.sql, database, schema)
        gate = f"refused: {why}" if gated == "gate" else f"passes; {_told(gated, why)}"
        kind, message = alone(one.sql, database)
        remark = f" ({one.remark})" if one.remark and kind == "runs" and one.remark not in message else ""
        cells = [_cell(one.what), f"`{_code(one.sql)}`", _cell(gate), _cell(_told(kind, message) + remark)]
        yield f"| {' | '.join(cells)} |"


def _told(kind: str, message: str) -> str:
    words = {
        "runs": "runs",
        "lost": "ends the session",
        "time": "stopped",
        "size": "stopped",
        "cost": "not run",
    }
    return f"{words.get(kind, 'refused')}: {message}"


def _cell(text: str) -> str:
    line = " ".join(text.split()).replace("|", "\\|")
    return line if len(line) <= 2 * LONGEST else line[: 2 * LONGEST - 1] + "…"


def _code(sql: str) -> str:
    line = " ".join(sql.replace("\0", "\\0").split()).replace("|", "\\|").replace("`", "'")
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def whole_table() -> list[str]:
    """Both tables; and that nothing changed.

    Raises:
        SystemExit: a database is not as it was before.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        os.environ.setdefault("RAGCTL_EMBEDDED_DIR", folder)
        path = Path(folder) / "shop" / "shop.db"
        path.parent.mkdir()
        connection = sqlite3.connect(path)
        fill_sqlite(connection)
        connection.close()
        sqlite = SqliteDatabase(path, limits=QUICK, options=SchemaOptions(exclude=("salary",)))
        server = OwnServer()
        try:
            with server.connect() as owner:
                fill_postgres(owner)
                before = postgres_digest(owner), sqlite_digest(path)
                postgres = PostgresDatabase(server.dsn(*READER), limits=QUICK)
                lines = ["### PostgreSQL", "", *rows(POSTGRES, postgres), ""]
                lines += ["### SQLite", "", *rows(SQLITE, sqlite)]
                postgres.close()
                if (postgres_digest(owner), sqlite_digest(path)) != before:
                    raise SystemExit("a database is not as it was before")
        finally:
            server.close()
    return lines


def main() -> None:
    lines = whole_table()
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else f"{BEGIN}\n{END}\n"
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
