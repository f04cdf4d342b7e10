"""From a sheet's rows to tables: blank rows part them, a line of one cell above a table is its caption."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta

from ragctl.errors import MalformedDocument
from ragctl.readers.text_builder import TextBuilder, cell_text

Row = Sequence[str]
MOST_CHARACTERS = 256 << 20
"""Of a sheet: a file can say of one text that it stands in a million cells."""


def value_text(value: object) -> str:
    """A cell's value: dates as ISO 8601, whole numbers without a point, durations as h:mm:ss."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _duration(value)
    return "" if value is None else str(value)


def _duration(value: timedelta) -> str:
    seconds = abs(value).total_seconds()
    sign = "-" if value < timedelta() else ""
    whole = int(seconds)
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def add_sheet(builder: TextBuilder, name: str, rows: Iterable[Row]) -> None:
    """Adds a sheet as a section of its own, with its tables.

    A blank row ends a table, unless the row after it has a number in it, as no header has, and stands within
    the table's columns.

    Raises:
        MalformedDocument: its text comes to more than 256 Mi characters.
    """
    builder.sheet(name)
    builder.section(1, name)
    table: list[Row] = []
    blank = False
    left = MOST_CHARACTERS
    for row in rows:
        cells = [cell_text(cell) for cell in row]
        left -= sum(map(len, cells))
        if left < 0:
            raise MalformedDocument(f"the text of its sheet {name} comes to more than 256 Mi characters")
        if not any(cells):
            blank = True
            continue
        if table and blank and not _goes_on(table, cells):
            _add_table(builder, table)
            table = []
        blank = False
        table.append(cells)
    _add_table(builder, table)


def _filled(row: Row) -> set[int]:
    return {index for index, cell in enumerate(row) if cell}


def _goes_on(table: Sequence[Row], row: Row) -> bool:
    """Does a row after a blank one belong to the table above it?"""
    taken = set().union(*map(_filled, table))
    filled = _filled(row)
    return filled <= set(range(min(taken), max(taken) + 1)) and any(_is_number(row[one]) for one in filled)


def _is_number(cell: str) -> bool:
    try:
        float(cell.rstrip("%").replace(",", ""))
    except ValueError:
        return False
    return True


def _add_table(builder: TextBuilder, table: Sequence[Row]) -> None:
    """Its first rows of one cell, above wider ones, are lines of their own. Empty columns are cut."""
    if not table:
        return
    widest = max(len(_filled(row)) for row in table)
    first = 0
    while widest > 1 and first < len(table) - 1 and len(_filled(table[first])) == 1:
        builder.paragraph(next(cell for cell in table[first] if cell), tight=True)
        first += 1
    columns = sorted(set().union(*map(_filled, table[first:])))
    builder.table([row[one] if one < len(row) else "" for one in columns] for row in table[first:])
