"""Records as documents, whatever is in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from readers.reading import check

from ragctl.errors import DocumentError, EmptyDocument, MalformedDocument
from ragctl.readers.auto import AutoReader
from ragctl.readers.record import RecordReader
from ragctl.sources.records import RecordFields
from ragctl.types import RECORD_MEDIA_TYPE, Document, Item

ITEM = Item("docs", "c.jsonl#a.b/c", "file:///c.jsonl#a.b%2Fc", "f", media_type=RECORD_MEDIA_TYPE)


def read(data: bytes, item: Item = ITEM) -> Document:
    (document,) = AutoReader().read(item, data)
    check(document)
    return document


def packed(**values: Any) -> bytes:
    return json.dumps(values).encode("utf-8")


def test_title_text_and_metadata() -> None:
    document = read(packed(title=" A\n title ", text="One.\r\nTwo.\rThree.\0", metadata={"year": 2024}))
    assert document.title == "A title"
    assert not document.title_is_fallback
    assert document.text == "One.\nTwo.\nThree.\ufffd"
    assert document.media_type == "text/plain"
    assert document.metadata == {"year": 2024}
    assert document.reader == "record@1"
    assert document.uri == ITEM.uri


def test_a_record_has_no_line() -> None:
    assert [anchor.line for anchor in read(packed(text="One.\nTwo.")).anchors] == [None]


def test_without_a_title_it_is_called_by_its_name() -> None:
    document = read(packed(text="a"))
    assert (document.title, document.title_is_fallback) == ("c.jsonl#a.b/c", True)


def test_markup_is_left_alone() -> None:
    assert read(packed(text="<html><p># no heading</p>")).text == "<html><p># no heading</p>"
    assert len(read(packed(text="# a\n\n# b")).sections) == 1


def test_metadata_that_can_be_filtered_by() -> None:
    metadata = {
        "text": "a\n b\0", "whole": -5, "number": 1.5, "flag": False, "list": ["a", 1, None, {"x": 1}],
        "large": 1 << 63, "object": {"a": 1}, "nothing": None, "long": "x" * 2000, "nan": float("nan"),
        "half": "\ud800",
    }  # fmt: skip
    assert read(packed(text="a", metadata=metadata)).metadata == {
        "text": "a\n b\ufffd", "whole": -5, "number": 1.5, "flag": False, "list": ["a", 1],
        "long": "x" * 2000, "half": "\ufffd",
    }  # fmt: skip


def test_a_fixed_value_wins() -> None:
    item = Item("docs", "a#1", "file:///a#1", "f", media_type=RECORD_MEDIA_TYPE, metadata={"language": "en"})
    assert read(packed(text="a", metadata={"language": "de", "x": 1}), item).metadata == {
        "language": "en", "x": 1,
    }  # fmt: skip


def test_no_text_is_an_empty_document() -> None:
    for data in (b"", packed(text=""), packed(text="\ufeff \n")):
        with pytest.raises(EmptyDocument):
            read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"words", b"[1]", b"{}", b'"text"', b"{", b'{"text": 5}', b'{"text": "a", "title": 5}',
        b'{"text": "a", "metadata": []}', b"\xff\xfe", b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_record(data: bytes) -> None:
    with pytest.raises(MalformedDocument):
        list(RecordReader().read(ITEM, data))


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters())),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters()), st.text(st.characters()), st.dictionaries(st.sampled_from(["a", "b"]), ANYTHING)
)
@example("\ud800\0\r", "\udfff\r\n\0", {"a": "\ud83d"})
@example("", "\ufeff", {})
def test_what_a_source_makes_the_reader_reads(title: str, text: str, metadata: dict[str, Any]) -> None:
    record = RecordFields(metadata=["a", "b"]).record({"id": 1, "title": title, "text": text, **metadata})
    item = Item("docs", "c#1", "file:///c#1", record.fingerprint, media_type=RECORD_MEDIA_TYPE)
    try:
        document = read(record.content, item)
    except DocumentError as error:
        assert not isinstance(error, MalformedDocument) or "control characters" in error.message
        return
    assert document.digest == record.fingerprint
    json.dumps(document.metadata, allow_nan=False).encode("utf-8")
