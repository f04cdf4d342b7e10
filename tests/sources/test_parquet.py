"""What rows of a Parquet file are, and what is wrong with some."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from contracts.source import content, listed

from ragctl.errors import ListingFailed, UnreadableDocument
from ragctl.sources.parquet import BATCH_ROWS, ParquetSource
from ragctl.types import Failure, Item


def made(tmp_path: Path, columns: dict[str, Any], rows: int = 1000, **given: Any) -> ParquetSource:
    file = tmp_path / "records.parquet"
    pq.write_table(pa.table(columns), file, row_group_size=rows)
    return ParquetSource("records", file, **given)


def test_types_of_columns(tmp_path: Path) -> None:
    columns = {
        "id": [7],
        "text": ["first"],
        "title": ["Title"],
        "day": [date(2026, 1, 2)],
        "at": [datetime(2026, 1, 2, 3, tzinfo=UTC)],
        "price": [Decimal("1.50")],
        "tags": [["a", "b"]],
        "raw": [b"\xff"],
        "other": ["not asked for"],
    }
    source = made(tmp_path, columns, metadata_fields=["day", "at", "price", "tags", "raw"])
    ((path, item),) = listed(source).items()
    assert path == "records.parquet#7"
    assert json.loads(content(source, item)) == {
        "title": "Title",
        "text": "first",
        "metadata": {
            "day": "2026-01-02",
            "at": "2026-01-02T03:00:00+00:00",
            "price": 1.5,
            "tags": ["a", "b"],
        },
    }


def test_many_row_groups_in_any_order(tmp_path: Path) -> None:
    count = BATCH_ROWS * 3
    columns = {"id": list(range(count)), "text": [f"text {n}" for n in range(count)]}
    source = made(tmp_path, columns, rows=BATCH_ROWS + 100)
    items = list(listed(source).values())
    for number in (*range(250, 400), count - 1, 0, 0, 1, 357, 356, 355):
        assert json.loads(content(source, items[number]))["text"] == f"text {number}"


def test_rows_that_are_wrong(tmp_path: Path) -> None:
    columns = {"id": ["a", None, "a", "b"], "text": ["one", "two", "three", None]}
    found = list(made(tmp_path, columns).items())
    assert [one.path for one in found if isinstance(one, Item)] == ["records.parquet#a"]
    assert [(one.document, one.error) for one in found if isinstance(one, Failure)] == [
        ("records.parquet:2", "unidentified"),
        ("records.parquet:3", "malformed"),
        ("records.parquet#b", "malformed"),
    ]


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ListingFailed, match="no column 'body'"):
        list(made(tmp_path, {"id": [1], "text": ["x"]}, text=["body"]).items())
    with pytest.raises(ListingFailed, match="no column 'id' or '_id'"):
        list(made(tmp_path, {"text": ["x"]}).items())


def test_a_listing_that_breaks_half_way(tmp_path: Path) -> None:
    columns = {"id": list(range(400)), "text": [f"text {n * 7919}" for n in range(400)]}
    source = made(tmp_path, columns, rows=100)
    file = tmp_path / "records.parquet"
    data = bytearray(file.read_bytes())
    start = pq.ParquetFile(file).metadata.row_group(2).column(1).data_page_offset
    data[start - 4 : start + 300] = b"\xff" * 304
    file.write_bytes(data)
    found = source.items()
    assert isinstance(next(found), Item)
    with pytest.raises(ListingFailed, match="nothing is known about what is gone"):
        list(found)


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(ListingFailed):
        list(ParquetSource("records", tmp_path / "x.parquet").items())


def test_a_file_that_is_written_anew_meanwhile(tmp_path: Path) -> None:
    source = made(tmp_path, {"id": [1, 2], "text": ["one", "two"]})
    items = listed(source)
    assert content(source, items["records.parquet#1"])
    made(tmp_path, {"id": [3, 4], "text": ["three", "four"]})
    with pytest.raises(UnreadableDocument, match="has changed since it was listed"):
        content(source, items["records.parquet#2"])
