"""Results as files, and the summary that is printed."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


class Results:
    """A folder: a CSV file for each table, `results.json` with all of them, `summary.md`.

    Files are written as results come, so that a run that is cut short leaves what it has seen.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._tables: dict[str, list[Row]] = {}
        self._summary: list[str] = []
        self.bad: list[str] = []

    def table(self, name: str, rows: Iterable[Row]) -> None:
        """Adds rows to a table; all of one table have the same columns."""
        self._tables.setdefault(name, []).extend(rows)
        table = self._tables[name]
        with (self.folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(table[0]) if table else [])
            writer.writeheader()
            writer.writerows(table)
        (self.folder / "results.json").write_text(
            json.dumps(self._tables, indent=1, default=str), encoding="utf-8"
        )

    def say(self, text: str) -> None:
        """A part of the summary: Markdown, printed at once."""
        print(text, flush=True)
        self._summary.append(text)
        (self.folder / "summary.md").write_text("\n".join(self._summary) + "\n", encoding="utf-8")

    def expect(self, holds: bool, what: str) -> None:
        """Notes whether something that must hold does."""
        self.say(f"- {'yes' if holds else '**NO**'}: {what}")
        if not holds:
            self.bad.append(what)

    def markdown(self, rows: Sequence[Row]) -> None:
        """Rows as a table of the summary."""
        if not rows:
            return
        lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])]
        lines += [" | ".join(_shown(value) for value in row.values()) for row in rows]
        self.say("\n" + "\n".join(f"| {line} |" for line in lines) + "\n")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def by_task(instances: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Seconds of a run's task instances, by task, in the order in which they began.

    `ran` is the sum of the tasks' own seconds, `median` and `longest` one instance's, `queued` the sum of
    those between being queued and starting; `from` and `to` count from the first task's start.
    """
    done = [one for one in instances if one["start_date"] and one["end_date"]]
    names = sorted({one["task_id"] for one in done}, key=lambda name: min(_began(done, name)))
    zero = min((_time(one["start_date"]) for one in done), default=0.0)
    rows = []
    for name in names:
        mine = [one for one in done if one["task_id"] == name]
        seconds = [_time(one["end_date"]) - _time(one["start_date"]) for one in mine]
        rows.append(
            {
                "task": name,
                "instances": len(mine),
                "ran": round(sum(seconds), 2),
                "median": round(statistics.median(seconds), 2),
                "longest": round(max(seconds), 2),
                "queued": round(sum(_queued(one) for one in mine), 2),
                "from": round(min(_began(done, name)) - zero, 2),
                "to": round(max(_time(one["end_date"]) for one in mine) - zero, 2),
            }
        )
    return rows


def _began(instances: Sequence[Mapping[str, Any]], task: str) -> list[float]:
    return [_time(one["start_date"]) for one in instances if one["task_id"] == task]


def _queued(instance: Mapping[str, Any]) -> float:
    queued = instance["queued_when"]
    return max(0.0, _time(instance["start_date"]) - _time(queued)) if queued else 0.0


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
