"""Are two results the same answer? docs/sql.md says what counts. Pure."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from math import isclose
from typing import Any

from ragctl.sql.types import ResultTable, Value

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Two numbers are equal within the larger of both."""
MOST_PAIRINGS = 500
"""Ways of pairing columns that are tried where several have the same values."""

_MIDNIGHT = re.compile(r"^(\d{4}-\d{2}-\d{2})[ T]00:00:00(?:\.0+)?(?:\+00(?::00)?|Z)?$")
_Row = tuple[Any, ...]


def same_results(
    one: ResultTable, other: ResultTable, *, ordered: bool = False, extra_columns: bool = False
) -> bool:
    """Do they have the same rows, whatever their columns are called and in whatever order they stand?

    Args:
        ordered: the rows' order counts too.
        extra_columns: `other` may have columns that `one` has not.
    """
    if len(one.rows) != len(other.rows):
        return False
    if len(one.columns) != len(other.columns) and not (
        extra_columns and len(one.columns) <= len(other.columns)
    ):
        return False
    if not one.rows:
        return True
    rows, others = _normalised(one.rows), _normalised(other.rows)
    same = _in_order if ordered else _in_any_order
    return any(
        same(rows, [tuple(row[place] for place in pairing) for row in others])
        for pairing in _pairings(rows, others)
    )


def _normalised(rows: Sequence[Sequence[Value]]) -> list[_Row]:
    return [tuple(_cell(one) for one in row) for row in rows]


def _cell(value: Value) -> Any:
    """True is 1, midnight is its day, a list or an object its JSON."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        found = _MIDNIGHT.match(value)
        return found[1] if found else value
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value


def _pairings(rows: list[_Row], others: list[_Row]) -> Iterator[tuple[int, ...]]:
    """For each column of `rows` another one's place with the same values; the likeliest first."""
    columns, other_columns = list(zip(*rows, strict=True)), list(zip(*others, strict=True))
    fitting = [
        sorted(
            (
                place
                for place, other in enumerate(other_columns)
                if _in_any_order(_ones(column), _ones(other))
            ),
            key=lambda place, own=own: abs(place - own),  # type: ignore[misc]
        )
        for own, column in enumerate(columns)
    ]
    yield from islice(_choices(fitting, ()), MOST_PAIRINGS)


def _choices(fitting: list[list[int]], taken: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if len(taken) == len(fitting):
        yield taken
        return
    for place in fitting[len(taken)]:
        if place not in taken:
            yield from _choices(fitting, (*taken, place))


def _ones(column: Sequence[Any]) -> list[_Row]:
    return [(value,) for value in column]


def _in_order(rows: Sequence[_Row], others: Sequence[_Row]) -> bool:
    return all(map(_same_row, rows, others))


def _in_any_order(rows: Sequence[_Row], others: Sequence[_Row]) -> bool:
    """Each row has one of its own among the others: among those with the same texts the nearest by number."""
    mine, theirs = _by_texts(rows), _by_texts(others)
    if mine.keys() != theirs.keys():
        return False
    return all(_paired(mine[key], theirs[key]) for key in mine)


def _paired(rows: list[_Row], others: list[_Row]) -> bool:
    if len(rows) != len(others):
        return False
    if _in_order(sorted(rows), sorted(others)):
        return True
    # Rows whose first numbers differ by a rounding may be sorted apart by it.
    coarse = [sorted(some, key=lambda row: tuple(_coarse(one) for one in row)) for some in (rows, others)]
    return _in_order(*coarse)


def _coarse(number: float) -> float:
    return float(f"{number:.4g}")


def _by_texts(rows: Sequence[_Row]) -> dict[_Row, list[_Row]]:
    """Numbers of each row, by what else is in it and where the numbers stand."""
    found: dict[_Row, list[_Row]] = defaultdict(list)
    for row in rows:
        key = tuple("number" if _is_number(one) else ("other", one) for one in row)
        found[key].append(tuple(one for one in row if _is_number(one)))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _same_row(row: _Row, other: _Row) -> bool:
    return all(map(_same, row, other))


def _same(one: Any, other: Any) -> bool:
    if _is_number(one) and _is_number(other):
        return one == other or isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(one == other)
