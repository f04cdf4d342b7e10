"""What rows of a CSV file are, and what is wrong with some."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from contracts.source import content, listed

from ragctl.errors import ListingFailed, UnreadableDocument
from ragctl.sources.csv_records import CsvSource
from ragctl.types import Failure, Item


def made(tmp_path: Path, content: str | bytes, /, **given: Any) -> CsvSource:
    file = tmp_path / "records.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return CsvSource("records", file, **given)


def records(source: CsvSource) -> dict[str, Any]:
    return {path: json.loads(content(source, item)) for path, item in listed(source).items()}


def test_quotes_line_feeds_and_several_fields(tmp_path: Path) -> None:
    text = "\ufeffid,title,question,answer,year\r\n"
    text += '1,"A, b","How\nso?","He said ""so"".",2024\r\n\r\n2,,why,,\r\n'
    source = made(tmp_path, text, text=["question", "answer"], metadata_fields=["year"])
    assert records(source) == {
        "records.csv#1": {
            "title": "A, b",
            "text": 'How\nso?\n\nHe said "so".',
            "metadata": {"year": "2024"},
        },
        "records.csv#2": {"text": "why", "metadata": {}},
    }


def test_types_of_metadata(tmp_path: Path) -> None:
    text = "id,text,year,open,day\n1,a,2024,yes,2026-01-02T00:30:00+01:00\n2,b,soon,no,2026-01-02\n"
    source = made(
        tmp_path,
        text,
        metadata_fields=["year", "open", "day"],
        metadata_types={"year": "number", "open": "boolean", "day": "date"},
    )
    first, second = source.items()
    assert isinstance(first, Item)
    assert json.loads(content(source, first))["metadata"] == {
        "year": 2024,
        "open": True,
        "day": "2026-01-01T23:30:00+00:00",
    }
    assert isinstance(second, Failure)
    assert second.document == "records.csv#2"
    assert second.message == "row 3: its 'year': 'soon' is no number"


def test_a_delimiter_and_an_encoding(tmp_path: Path) -> None:
    source = made(tmp_path, "id;text\n1;caf\u00e9\n".encode("cp1252"), delimiter=";", encoding="cp1252")
    assert records(source)["records.csv#1"]["text"] == "caf\u00e9"


def test_rows_that_are_wrong(tmp_path: Path) -> None:
    text = "id,text\n1,one\n2\n,none\n1,again\n3,a,b\n"
    found = list(made(tmp_path, text).items())
    assert [one.path for one in found if isinstance(one, Item)] == ["records.csv#1"]
    assert [(one.document, one.error) for one in found if isinstance(one, Failure)] == [
        ("records.csv#2", "malformed"),
        ("records.csv:4", "unidentified"),
        ("records.csv:5", "malformed"),
        ("records.csv#3", "malformed"),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no first row"),
        ("id,body\n1,x\n", "no column 'text'"),
        ("id,text,id\n1,x,2\n", "two of its columns are called 'id'"),
        ('id,text\n1,"never closed\n2,x\n', "from line 2 on: unexpected end of data"),
        (b"id,text\n1,\xff\n", "line 2 is not utf-8"),
        ('id,text\n1,"' + "x\n" * 600 + '"\n', "longer than extract.max_bytes"),
    ],
)
def test_files_that_cannot_be_listed(tmp_path: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(ListingFailed, match=why):
        list(made(tmp_path, text, max_bytes=1000).items())


def test_a_listing_that_breaks_half_way(tmp_path: Path) -> None:
    whole = gzip.compress(b"id,text\n" + b"".join(b"%d,text %d\n" % (n, n * 7919) for n in range(9000)))
    found = made(tmp_path, whole[: len(whole) // 2]).items()
    assert isinstance(next(found), Item)
    with pytest.raises(ListingFailed, match="nothing is known about what is gone"):
        list(found)


def test_a_row_that_has_moved_is_not_taken_for_another(tmp_path: Path) -> None:
    source = made(tmp_path, "id,text\n1,one\n2,two\n")
    item = listed(source)["records.csv#2"]
    made(tmp_path, "id,text\n9,a row before\n1,one\n2,two\n")
    with pytest.raises(UnreadableDocument, match="has changed since it was listed"):
        content(source, item)
