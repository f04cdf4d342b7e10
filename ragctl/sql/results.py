"""Rows as plain values, and as text for a person or a model. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ragctl.sql.types import ResultTable, Value
from ragctl.stages.prompt import plain

LONGEST_CELL = 120
"""Characters of a value in a table for a model; the rest is cut off with an ellipsis."""


def plain_value(value: Any) -> Value:
    """A database's value as JSON has it.

    A decimal number becomes a whole one or a float where that loses nothing, else its digits as text; NaN and
    infinity become text, bytes hexadecimal digits after `\\x`; dates, times and all else their text.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    if isinstance(value, list | tuple):
        return [plain_value(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain_value(one) for key, one in value.items()}
    return str(value)


def _number(value: Decimal) -> Value:
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value() and value.adjusted() < 40:
        return int(value)
    as_float = float(value)
    return as_float if Decimal(repr(as_float)) == value else str(value)


def as_text(result: ResultTable, *, most_rows: int = 20) -> str:
    """A table of `a | b` lines under a header; cut off after so many rows, which it says."""
    lines = [" | ".join(_cell(one) for one in result.columns)]
    lines += [" | ".join(_cell(one) for one in row) for row in result.rows[:most_rows]]
    left = len(result.rows) - most_rows
    if left > 0 or result.truncated:
        lines.append(f"... {max(left, 0)} more rows{' and others that were not read' * result.truncated}")
    return "\n".join(lines)


def _cell(value: Value) -> str:
    text = (
        "NULL"
        if value is None
        else plain(str(value)).replace("\n", " ").replace("|", "/").replace("</", "<\\/")
    )
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def text_size(rows: Sequence[Sequence[Any]]) -> int:
    """Characters of all values as text."""
    return sum(len(one if isinstance(one, bytes | str) else str(one)) for row in rows for one in row)
