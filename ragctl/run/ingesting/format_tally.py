"""What became of the items of a run, by format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class FormatCounts:
    """Items of one format, parts of items among them.

    Attributes:
        format: the media type, or the suffix of what has none here.
        read, skipped, failed: while reading; what failed later is among those that were read.
        seconds: that reading took, by the clock.
    """

    format: str
    items: int = 0
    read: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0


class FormatTally:
    """Counts, and notes of items that are not what their names say."""

    def __init__(self) -> None:
        self._formats: dict[str, FormatCounts] = {}
        self.mislabelled: list[tuple[str, str, str]] = []

    def count(self, name: str, outcome: str, seconds: float = 0.0) -> None:
        """One item more.

        Args:
            outcome: `read`, `skipped` or `failed`.
        """
        row = self._formats.setdefault(name, FormatCounts(name))
        row.items += 1
        row.seconds += seconds
        setattr(row, outcome, getattr(row, outcome) + 1)

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Counts of another tally, as `as_json` gave them."""
        for entry in rows:
            row = self._formats.setdefault(entry["format"], FormatCounts(entry["format"]))
            for name in ("items", "read", "skipped", "failed", "seconds"):
                setattr(row, name, getattr(row, name) + entry[name])

    def as_json(self) -> list[dict[str, Any]]:
        """By format, the most frequent first."""
        rows = sorted(self._formats.values(), key=lambda row: (-row.items, row.format))
        return [{**asdict(row), "seconds": round(row.seconds, 3)} for row in rows]
