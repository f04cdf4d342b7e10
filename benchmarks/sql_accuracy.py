"""Execution accuracy of the SQL assistant's harness: its ceiling, and what vote and repair recover.

    PYTHONPATH=tests python benchmarks/sql_accuracy.py [--data ../shared/data/sql-defog] [--out FILE]

No model takes part: the replies are scripted and come over HTTP. With the questions' own gold SQL as replies,
what is measured is all but the model: reading replies, the gate, the read-only session, the comparison. Then
two of three versions of each question are spoiled, in four ways, and the sound one stands at another place
from question to question; the vote alone decides. At last all three are spoiled so that they fail, and each
repair gets the gold SQL: that is the most that repairing could recover.

The gold SQL of these questions has alternatives: statements after a semicolon, and `{a, b}` for any selection
of columns. A question is left out if none of its statements can be run by the database's owner, without the
gate, and that is told by question.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import psycopg
from own_server import OwnServer
from psycopg import sql as pg
from psycopg.types.string import TextLoader

from model_server import ModelServer
from ragctl.providers.openai.generator import OpenAIGenerator
from ragctl.sql.accuracy import Accuracy, Judged, Pair, judge_question
from ragctl.sql.assistant import answer_question
from ragctl.sql.comparison import same_results
from ragctl.sql.gate import pass_gate
from ragctl.sql.postgres import PostgresDatabase
from ragctl.sql.results import plain_value
from ragctl.sql.settings import SqlSettings
from ragctl.sql.types import ResultTable, Schema, SqlAnswer, StatementFailed

FILES = ("questions_gen_postgres", "instruct_basic_postgres", "instruct_advanced_postgres")
ROLE, PASSWORD = "bench_reader", "only reads"
MOST_SELECTIONS = 32
WORDS = ("", " (in other words)", " (once more)")
SPOILED: dict[str, Callable[[str], str]] = {
    "syntax": lambda gold: re.sub(r"\bFROM\b", "FORM", gold, count=1, flags=re.IGNORECASE),
    "unknown name": lambda gold: f"SELECT no_such_column FROM ({gold}) AS q",
    "no rows": lambda gold: f"SELECT * FROM ({gold}) AS q WHERE 1 = 0",
    "the same wrong rows": lambda gold: f"SELECT q.*, 'wrong' AS more FROM ({gold}) AS q",
}
"""Ways of spoiling a statement; both spoiled versions are spoiled the same way."""
FAILING = ("syntax", "unknown name")
"""Those that make it fail, so that a repair is asked for."""


@dataclass(frozen=True)
class Asked:
    """A question, its database, and every statement that counts as right."""

    file: str
    number: int
    database: str
    question: str
    gold: tuple[str, ...]


def questions(data: Path) -> list[Asked]:
    found = []
    for file in FILES:
        with (data / "sql-eval" / "data" / f"{file}.csv").open(encoding="utf-8", newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream), start=1):
                gold = tuple(one for part in _statements(row["query"]) for one in _selections(part))
                found.append(Asked(file, number, row["db_name"], row["question"], gold))
    return found


def _statements(text: str) -> list[str]:
    """Those between semicolons that stand outside quotation marks."""
    parts, quoted = [""], False
    for one in text:
        quoted ^= one == "'"
        if one == ";" and not quoted:
            parts.append("")
        else:
            parts[-1] += one
    return [part.strip() for part in parts if part.strip()]


def _selections(statement: str) -> Iterator[str]:
    """`{a, b}` as each selection of its columns, all of them first; `{}` the same once more."""
    found = re.search(r"\{([^{}]+)\}", statement)
    if found is None:
        yield statement
        return
    columns = [one.strip() for one in found[1].split(",")]
    several = [part for size in range(len(columns), 0, -1) for part in combinations(columns, size)]
    for part in several[:MOST_SELECTIONS]:
        text = ", ".join(part)
        yield statement.replace(found[0], text).replace("{}", text)


def fill(server: OwnServer, data: Path, names: set[str]) -> None:
    """A database for each, which the role may read and nothing else."""
    with server.connect() as owner:
        owner.execute(pg.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(pg.Identifier(ROLE), PASSWORD))
        for name in sorted(names):
            owner.execute(pg.SQL("CREATE DATABASE {}").format(pg.Identifier(name)))
    for name in sorted(names):
        script = data / "defog-data" / "defog_data" / name / f"{name}.sql"
        with psycopg.connect(server.dsn(dbname=name), autocommit=True) as owner:
            owner.execute(script.read_bytes())
            for (schema,) in owner.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
            ).fetchall():
                grant = pg.SQL(
                    "GRANT USAGE ON SCHEMA {0} TO {1}; GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO {1}"
                )
                owner.execute(grant.format(pg.Identifier(schema), pg.Identifier(ROLE)))


@dataclass
class Ready:
    """A question that can be asked: its gold results as its owner gets them, and the statement to reply."""

    asked: Asked
    reply: str
    right: list[ResultTable]


def prepared(server: OwnServer, asked: list[Asked]) -> tuple[list[Ready], list[dict[str, Any]]]:
    """Gold statements run by the owner, without the gate; and what is left out, with the reason."""
    ready, left_out = [], []
    owners: dict[str, psycopg.Connection[Any]] = {}
    for one in asked:
        if one.database not in owners:
            owners[one.database] = _owner(server, one.database)
        results, faults = [], []
        for statement in one.gold:
            try:
                cursor = owners[one.database].execute(statement)  # type: ignore[arg-type]
                columns = tuple(column.name for column in cursor.description or ())
                rows = tuple(tuple(plain_value(cell) for cell in row) for row in cursor.fetchall())
                results.append((statement, ResultTable(columns, rows)))
            except psycopg.Error as error:
                faults.append(str(error).partition("\n")[0])
        if results:
            ready.append(Ready(one, results[0][0], [table for _, table in results]))
        else:
            left_out.append({"file": one.file, "number": one.number, "why": faults[0]})
    for connection in owners.values():
        connection.close()
    return ready, left_out


def _owner(server: OwnServer, name: str) -> psycopg.Connection[Any]:
    """Dates and times come as the server writes them, intervals in ISO 8601."""
    connection = psycopg.connect(server.dsn(dbname=name), autocommit=True)
    connection.execute("SET intervalstyle = iso_8601")
    for kind in ("date", "time", "timetz", "timestamp", "timestamptz", "interval"):
        connection.adapters.register_loader(kind, TextLoader)
    return connection


class Replies:
    """What the model says, by the version that it is asked about."""

    def __init__(self) -> None:
        self.by_version: dict[str, str] = {}
        self.repaired = ""

    def __call__(self, messages: list[dict[str, Any]]) -> str:
        user = str(messages[-1]["content"])
        if str(messages[0]["content"]).startswith("You correct SQL"):
            return f"```sql\n{self.repaired}\n```"
        question = user.rpartition("Question: ")[2]
        return f"```sql\n{self.by_version[' '.join(question.split())]}\n```"


@dataclass
class Bench:
    """Databases open, a model's stand-in listening."""

    server: OwnServer
    generator: Any
    replies: Replies
    open: dict[str, tuple[PostgresDatabase, Schema]]

    def database(self, name: str) -> tuple[PostgresDatabase, Schema]:
        if name not in self.open:
            made = PostgresDatabase(self.server.dsn(ROLE, PASSWORD, dbname=name))
            self.open[name] = made, made.schema()
        return self.open[name]

    def ask(self, ready: Ready, statements: list[str], settings: SqlSettings) -> SqlAnswer:
        database, schema = self.database(ready.asked.database)
        versions = [" ".join(f"{ready.asked.question}{more}".split()) for more in WORDS]
        self.replies.by_version = dict(zip(versions, statements, strict=True))
        self.replies.repaired = ready.reply
        return answer_question(
            versions[0], database, self.generator, settings=settings, schema=schema, versions=versions
        )

    def judged(
        self, ready: Ready, spoil: Callable[[str], str] | None, settings: SqlSettings, *, sound: int = 1
    ) -> Judged:
        """An answer beside the gold; `sound`: of three statements, how many are not spoiled, 0 or 1."""
        place = ready.asked.number % 3 if sound else None
        gold = ready.reply.rstrip().rstrip(";")
        statements = [gold if spoil is None or here == place else spoil(gold) for here in range(3)]
        answer = self.ask(ready, statements, settings)
        pair = Pair(ready.asked.question, ready.asked.gold)
        return judge_question(pair, answer, ready.right)


def run(bench: Bench, ready: list[Ready]) -> dict[str, Any]:
    alone = SqlSettings(rewordings=2, repair=False, conclude=False, schema_tokens=100_000)
    repairing = SqlSettings(rewordings=2, repair=True, conclude=False, schema_tokens=100_000)
    ceiling = [bench.judged(one, None, alone) for one in ready]
    found: dict[str, Any] = {
        "questions": len(ready),
        "ceiling": Accuracy(tuple(ceiling)).accuracy,
        "missed": [
            _missed(bench, one, alone) for one, judged in zip(ready, ceiling, strict=True) if not judged.right
        ],
        "two of three spoiled": {},
        "all three spoiled, repaired": {},
    }
    for name, spoil in SPOILED.items():
        by_vote = Accuracy(tuple(bench.judged(one, spoil, alone) for one in ready))
        found["two of three spoiled"][name] = by_vote.accuracy
    for name in FAILING:
        repaired = [bench.judged(one, SPOILED[name], repairing, sound=0) for one in ready]
        found["all three spoiled, repaired"][name] = Accuracy(tuple(repaired)).accuracy
    return found


def _missed(bench: Bench, ready: Ready, settings: SqlSettings) -> dict[str, Any]:
    """Why a question's own gold did not come through."""
    _, schema = bench.database(ready.asked.database)
    try:
        pass_gate(ready.reply, schema)
        answer = bench.ask(ready, [ready.reply] * 3, settings)
        given = ResultTable(answer.columns, answer.rows)
        why = answer.reason or f"other rows (same: {any(same_results(one, given) for one in ready.right)})"
    except StatementFailed as error:
        why = f"gate: {error.fault.message}"
    return {"file": ready.asked.file, "number": ready.asked.number, "why": why, "sql": ready.reply}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    root = Path(__file__).resolve().parents[1]
    parser.add_argument("--data", type=Path, default=root / ".." / "shared" / "data" / "sql-defog")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    asked = questions(arguments.data)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        os.environ.setdefault("RAGCTL_EMBEDDED_DIR", folder)
        server, replies = OwnServer(), Replies()
        try:
            fill(server, arguments.data, {one.database for one in asked})
            ready, left_out = prepared(server, asked)
            with ModelServer(replies=replies) as model:
                generator = OpenAIGenerator("gpt-4o-mini", base_url=f"{model.url}/v1", api_key="any")
                bench = Bench(server, generator, replies, {})
                found = run(bench, ready)
                for database, _ in bench.open.values():
                    database.close()
        finally:
            server.close()
    found |= {"all": len(asked), "left_out": left_out, "by_file": Counter(one.asked.file for one in ready)}
    text = json.dumps(found, indent=1, ensure_ascii=False)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
