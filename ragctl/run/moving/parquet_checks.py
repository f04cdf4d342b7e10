"""What a Parquet file holds, seen to before a store is given it: whoever made the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.errors import MalformedDocument
from ragctl.run.moving.parquet_columns import OF_CHUNK, OF_DOCUMENT, arrow_type, pyarrow
from ragctl.state.json_text import json_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragctl.types import ItemKey

_LONGEST = 2**31 - 1
"""Stores keep spans as whole numbers of 32 bits."""
_HASH_BYTES = 32
_NUL_HINT = "take it out: PostgreSQL's text cannot hold it"


def fitting_columns(batch: Any, path: Path) -> dict[str, Any]:
    """The batch's columns but `vector`, by name, each of the type that docs/moving.md gives for it.

    Numbers written as text, ids that are numbers and the like are taken as what they mean.

    Raises:
        MalformedDocument: a column cannot be taken so, or a text has a NUL character.
    """
    made = {}
    for name, kind in {**OF_DOCUMENT, **OF_CHUNK}.items():
        if name not in batch.schema.names:
            continue
        column = batch.column(name)
        if name != "metadata" or not _is_object(column.type):
            column = _cast(column, arrow_type(kind), name, path)
        if kind in ("string", "list<string>") and _has_nul(column):
            raise MalformedDocument(f"its column {name} has a NUL character", where=str(path), hint=_NUL_HINT)
        made[name] = column
    return made


def _is_object(kind: Any) -> bool:
    types = pyarrow().types
    return bool(types.is_struct(kind) or types.is_map(kind))


def _cast(column: Any, kind: Any, name: str, path: Path) -> Any:
    if column.type == kind:
        return column
    try:
        return column.cast(kind)
    except pyarrow().ArrowException as error:
        raise MalformedDocument(
            f"its column {name} has the type {column.type}, and not all in it can be read as {kind}",
            where=str(path),
            hint="docs/moving.md lists the columns; leave out those that you do not have",
        ) from error


def _has_nul(column: Any) -> bool:
    import pyarrow.compute as compute

    arrow = pyarrow()
    if arrow.types.is_list(column.type):
        column = column.flatten()
    if not arrow.types.is_string(column.type):
        return False
    return bool(compute.any(compute.match_substring(column, "\0"), min_count=0).as_py())


def dimension_of(file: Any, path: Path) -> int:
    """How many numbers the vectors have, by the column's type or the first vector.

    Raises:
        MalformedDocument: the column has no lists of numbers, or there is none in it.
    """
    arrow = pyarrow()
    types = arrow.types
    kind = file.schema_arrow.field("vector").type
    lists = types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind)
    if not lists or not (types.is_floating(kind.value_type) or types.is_integer(kind.value_type)):
        raise MalformedDocument(
            f"its column vector has the type {kind}, not lists of numbers", where=str(path)
        )
    if types.is_fixed_size_list(kind):
        return int(kind.list_size)
    for batch in file.iter_batches(batch_size=100, columns=["vector"]):
        there = batch.column("vector").drop_null()
        if len(there):
            return len(there[0])
    raise MalformedDocument("it has no row with a vector", where=str(path))


def vectors_of(column: Any, dimension: int, path: Path) -> NDArray[np.float32]:
    """A row each, of float32; zeros where there is none.

    Raises:
        MalformedDocument: one has another dimension, or a number is missing in it.
    """
    import numpy as np

    made = np.zeros((len(column), dimension), dtype=np.float32)
    there = np.array(column.is_valid().to_pylist(), dtype=bool)
    valid = column.drop_null()
    flat = valid.flatten()
    if flat.null_count or not _all_long(valid, dimension):
        raise MalformedDocument(f"not every vector has {dimension} numbers", where=str(path))
    numbers = np.asarray(flat.to_numpy(zero_copy_only=False))
    with np.errstate(over="ignore"):  # what becomes infinite is refused with the document's name
        made[there] = numbers.astype(np.float32).reshape(-1, dimension)
    return made


def _all_long(lists: Any, dimension: int) -> bool:
    import pyarrow.compute as compute

    return bool(compute.all(compute.equal(compute.list_value_length(lists), dimension), min_count=0).as_py())


def metadata_of(value: Any, path: Path, key: ItemKey) -> dict[str, Any]:
    """A document's metadata, from JSON text, a struct or a map.

    Raises:
        MalformedDocument: it is no JSON object, or has what a store's JSON does not take.
    """
    if value is None or value == "":
        return {}
    where = f"{path}: {':'.join(key)}"
    try:
        found = json.loads(value) if isinstance(value, str) else value
        found = dict(found) if isinstance(found, list) and not isinstance(value, str) else found
        text = json.dumps(found, allow_nan=False)
    except (ValueError, TypeError):
        found, text = None, ""
    if not isinstance(found, dict):
        raise MalformedDocument(
            "its metadata is no JSON object",
            where=where,
            hint="texts, numbers, true, false, null, lists and objects; dates as text, and no NaN",
        )
    if json_text(found) != text:
        raise MalformedDocument("its metadata has a NUL character", where=where, hint=_NUL_HINT)
    return found


def span_of(row: dict[str, Any], after: int, path: Path) -> tuple[int, int]:
    """Where a row's text stands; where the file does not say, behind the one before.

    Raises:
        MalformedDocument: nothing can stand there.
    """
    start = after if row.get("start") is None else row["start"]
    end = start + len(row["text"]) if row.get("end") is None else row["end"]
    if not 0 <= start <= end <= _LONGEST:
        raise MalformedDocument(
            f"a text cannot stand from {start} to {end}", where=f"{path}: {row['document']}"
        )
    return start, end


def hash_of(row: dict[str, Any], path: Path) -> bytes | None:
    """A row's input hash, as far as it has one.

    Raises:
        MalformedDocument: it is none.
    """
    text = row.get("input_hash")
    if not text:
        return None
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != _HASH_BYTES:
        raise MalformedDocument(
            f"an input_hash is not {2 * _HASH_BYTES} hexadecimal digits",
            where=f"{path}: {row['document']}",
            hint="leave the column out where you do not have it",
        )
    return found
