"""JSON values as text that reads: `key: value` lines, headings for what is nested, tables for rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ragctl.errors import MalformedDocument
from ragctl.readers.text_builder import TextBuilder

DEEPEST = 12
"""Levels that become headings; what lies deeper is written as JSON."""
_LONG_TEXT = 200
_MOST_COLUMNS = 60


def parse_json(text: str) -> Any:
    """The value.

    Raises:
        MalformedDocument: it is no JSON, with the place.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise MalformedDocument(
            f"it is no JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    except (ValueError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise MalformedDocument(f"it is no JSON that can be read: {what}") from None


def scalar_text(value: Any) -> str:
    """A value that is no object and no list, as text; nothing for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def compact(value: Any) -> str:
    """Any value on one line."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return " ".join(scalar_text(value).split())


def add_value(builder: TextBuilder, value: Any, level: int = 1) -> None:
    """Adds a value below what was added before; `level` is that of its headings."""
    if isinstance(value, Mapping):
        _add_object(builder, value, level)
    elif isinstance(value, list):
        _add_list(builder, value, level)
    else:
        builder.paragraph(scalar_text(value))


def _add_object(builder: TextBuilder, value: Mapping[str, Any], level: int) -> None:
    nested: list[tuple[str, Any]] = []
    for key, one in value.items():
        if isinstance(one, Mapping | list) and one and not _is_plain_list(one):
            nested.append((key, one))
        elif isinstance(one, str) and len(one) > _LONG_TEXT:
            builder.paragraph(f"{key}:")
            builder.paragraph(one)
        else:
            builder.paragraph(f"{key}: {_inline(one)}", tight=True)
    for key, one in nested:
        if level > DEEPEST:
            builder.paragraph(f"{key}: {compact(one)}", tight=True)
        else:
            builder.heading(level, key)
            add_value(builder, one, level + 1)


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(scalar_text(one) for one in value)
    return compact(value)


def _is_plain_list(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(one, Mapping | list) for one in value)


def _add_list(builder: TextBuilder, value: Sequence[Any], level: int) -> None:
    columns = _columns(value)
    if columns:
        rows = [[scalar_text(one.get(name)) for name in columns] for one in value]
        builder.table([columns, *rows])
        return
    for number, one in enumerate(value, start=1):
        if isinstance(one, Mapping | list) and level <= DEEPEST:
            builder.section(level, _name_of(one) or str(number))
            add_value(builder, one, level + 1)
        else:
            builder.paragraph(f"- {compact(one)}", tight=True)


def _columns(value: Sequence[Any]) -> list[str]:
    """The keys of records that make a table: flat, alike and short; none if they do not."""
    if len(value) < 2 or not all(isinstance(one, Mapping) for one in value):
        return []
    columns = list(dict.fromkeys(key for one in value for key in one))
    if len(columns) > _MOST_COLUMNS or sum(len(one) for one in value) * 2 < len(columns) * len(value):
        return []
    for one in value:
        for cell in one.values():
            if isinstance(cell, Mapping | list) or (isinstance(cell, str) and len(cell) > _LONG_TEXT):
                return []
    return columns


def _name_of(value: Any) -> str:
    if isinstance(value, Mapping):
        for key in ("title", "name", "id"):
            if isinstance(value.get(key), str | int) and not isinstance(value.get(key), bool):
                return str(value[key])
    return ""
