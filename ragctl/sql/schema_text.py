"""A schema as a model is shown it: one line a table, its columns below it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from ragctl.sql.types import Column, Schema, Table

Counting = Callable[[str], int]
"""Tokens of a text."""


def schema_text(schema: Schema, tables: Collection[str] | None = None) -> str:
    """The tables with these full names, or all, in the schema's order."""
    chosen = [one for one in schema.tables if tables is None or one.full_name in tables]
    alone = len({one.schema for one in schema.tables}) < 2
    return "\n\n".join(table_text(one, alone=alone) for one in chosen)


def without_samples(schema: Schema) -> Schema:
    """The same without a value of any row; labels of enumerated types are part of the schema."""
    tables = (
        replace(one, columns=tuple(replace(column, samples=()) for column in one.columns))
        for one in schema.tables
    )
    return replace(schema, tables=tuple(tables))


def table_text(table: Table, *, alone: bool) -> str:
    """One table.

    Args:
        alone: there is but one schema, so that its name says nothing.
    """
    name = _name(table.name) if alone else f"{_name(table.schema)}.{_name(table.name)}"
    head = f"{table.kind} {name}"
    if table.rows is not None:
        head += f", {'about ' * table.rows_estimated}{table.rows} rows"
    if table.comment:
        head += f": {table.comment}"
    keys = [f"  unique ({', '.join(map(_name, one))})" for one in table.unique]
    if len(table.primary_key) > 1:
        keys.insert(0, f"  primary key ({', '.join(map(_name, table.primary_key))})")
    for key in table.foreign_keys:
        there = key.table.partition(".")[2] if alone else key.table
        keys.append(f"  ({', '.join(key.columns)}) -> {there} ({', '.join(key.referred)})")
    return "\n".join([head, *(_column_text(one, table) for one in table.columns), *keys])


def _column_text(column: Column, table: Table) -> str:
    text = f"  {_name(column.name)} {column.type}"
    if table.primary_key == (column.name,):
        text += " primary key"
    elif not column.nullable:
        text += " not null"
    if column.values:
        text += f" one of {', '.join(map(repr, column.values))}"
    if column.samples:
        text += f" e.g. {', '.join(map(repr, column.samples))}"
    return f"{text} -- {column.comment}" if column.comment else text


def _name(name: str) -> str:
    """As it must be written: with quotation marks where it has capitals or anything but letters in it."""
    plain_name = name.isascii() and name.replace("_", "a").isalnum() and name == name.lower()
    return name if plain_name and not name[0].isdigit() else '"' + name.replace('"', '""') + '"'
