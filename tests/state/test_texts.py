"""Kept texts: what an item gave is found again by its fingerprint or its bytes, and only then."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from ragctl.state.texts import FLUSH_BYTES, FLUSH_ITEMS, TextCache
from ragctl.types import Anchor, Document, Item, Section

ITEM = Item("docs", "a.md", "file:///a.md", "f1")
DOCUMENT = Document(
    source="docs",
    path="a.md",
    uri="file:///a.md",
    text="# Títle 👩‍👧\n\n\u2028 \"text\" \\ 'x'\n",
    title="Títle 👩‍👧",
    media_type="text/markdown",
    sections=(Section(0, 12), Section(12, 30, ("Títle", "Below"))),
    title_is_fallback=True,
    anchors=(Anchor(0, line=1), Anchor(12, line=3, page=2, sheet="S")),
    item="a.md",
    digest="d1",
    reader="markdown@1",
    metadata={"team": "search", "year": 2026, "list": ["a", "b"], "yes": True},
)


@pytest.fixture
def texts(connection: psycopg.Connection[Any], index: str) -> TextCache:
    return TextCache(connection, index, "extract1")


def kept(texts: TextCache, item: Item = ITEM, digest: str = "d1", *documents: Document) -> None:
    texts.keep(item, digest, list(documents or [DOCUMENT]))
    texts.flush()


def test_what_was_never_kept_is_not_found(texts: TextCache) -> None:
    texts.flush()
    assert texts.find(ITEM) is None
    assert texts.find(ITEM, "d1") is None


def test_documents_come_back_equal(texts: TextCache) -> None:
    parts = [replace(DOCUMENT, path=f"a.zip!/{name}") for name in ("one", "two")]
    parts = [replace(part, item="a.zip") for part in parts]
    kept(texts)
    kept(texts, replace(ITEM, path="a.zip"), "d1", *parts)
    assert texts.find(ITEM) == [DOCUMENT]
    assert texts.find(replace(ITEM, path="a.zip")) == parts


def test_the_fingerprint_or_the_bytes_must_be_the_same(texts: TextCache) -> None:
    kept(texts)
    changed = replace(ITEM, fingerprint="f2")
    assert texts.find(changed) is None
    assert texts.find(changed, "d2") is None
    assert texts.find(ITEM, "d2") is None
    assert texts.find(changed, "d1") == [DOCUMENT]  # it was only touched


@pytest.mark.parametrize("unsure", [{"settled": False}, {"fingerprint": ""}])
def test_a_fingerprint_that_is_not_to_be_trusted_finds_nothing(
    texts: TextCache, unsure: dict[str, Any]
) -> None:
    item = replace(ITEM, **unsure)
    kept(texts, item)
    assert texts.find(item) is None
    assert texts.find(ITEM) is None
    assert texts.find(item, "d1") == [DOCUMENT]


def test_other_settings_and_other_indexes_find_nothing(
    texts: TextCache, connection: psycopg.Connection[Any], index: str
) -> None:
    kept(texts)
    assert TextCache(connection, index, "extract2").find(ITEM) is None
    assert TextCache(connection, f"{index}_beside", "extract1").find(ITEM) is None
    assert texts.find(replace(ITEM, source="more")) is None
    assert TextCache(connection, index, "extract1").find(ITEM) == [DOCUMENT]


def test_one_entry_an_item_the_last_one(texts: TextCache) -> None:
    kept(texts)
    newer = replace(DOCUMENT, text="newer", digest="d2")
    kept(texts, replace(ITEM, fingerprint="f2"), "d2", newer)
    assert texts.find(ITEM) is None
    assert texts.find(replace(ITEM, fingerprint="f2")) == [newer]
    texts.keep(ITEM, "d1", [DOCUMENT])
    texts.keep(replace(ITEM, fingerprint="f2"), "d2", [newer])
    texts.flush()
    assert texts.find(replace(ITEM, fingerprint="f2")) == [newer]


def test_nothing_is_written_before_enough_has_come_together(texts: TextCache) -> None:
    items = [replace(ITEM, path=f"{number}.md") for number in range(FLUSH_ITEMS)]
    for item in items[:-1]:
        texts.keep(item, "d1", [DOCUMENT])
    assert texts.find(items[0]) is None
    texts.keep(items[-1], "d1", [DOCUMENT])
    assert all(texts.find(item) is not None for item in items)


def test_a_large_text_is_written_at_once(texts: TextCache) -> None:
    draw = random.Random(1)
    large = replace(DOCUMENT, text=draw.randbytes(FLUSH_BYTES).hex())
    texts.keep(ITEM, "d1", [large])
    assert texts.find(ITEM) == [large]


def test_forget_takes_those_and_no_others(texts: TextCache) -> None:
    other = replace(ITEM, path="b.md")
    kept(texts)
    kept(texts, other)
    texts.forget([("docs", "a.md"), ("more", "b.md")])
    assert texts.find(ITEM) is None
    assert texts.find(other) is not None
    texts.forget([])
    assert texts.find(other) is not None
