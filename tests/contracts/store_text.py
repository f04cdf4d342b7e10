"""Any text and any metadata come back from a vector store as they were."""

from __future__ import annotations

import pytest
from contracts.stored import StoreUnderTest, embedded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HOSTILE = {
    "quotes": "it's \"quoted\" `back` ''twice'' $$dollar$$ $1 %s %(name)s {braces} ?",
    "statement": "'); DROP TABLE chunks; --",
    "backslashes": "C:\\new\\table \\. \\N \\x00 \\u0000 \\",
    "control": "tab\tfeed\fbell\x07escape\x1b[31m delete\x7f carriage\r\nnewline\n",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 \U0010fffd",
    "directions": "עברית \u202eolleh\u202c العربية",
    "combining": "e\u0301 é Å Å zalgơ̷̧",
    "separators": "\ufeff\u2028\u2029\u0085\u00a0\u200b",
    "json": '{"a": [null, "\\u0041"]}',
    "long": "longer than a page of any database: 𝄞 " * 30_000,
}


STORABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
"""Readers let no NUL and no half of a surrogate pair through; PostgreSQL, for one, takes neither."""


class AnyText:
    """A part of `VectorStoreContract`, which gives the fixture `store`."""

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
    def test_hostile_text_comes_back_as_it_was(self, store: StoreUnderTest, text: str) -> None:
        short = text[:300]
        written = embedded(short, [text, short], source=short, headings=(short, ""), title=text, uri=text)
        store.replace([written, embedded("plain", ["plain"])])
        assert [chunk["text"] for chunk in store.chunks_of(short, short)] == [text, short]
        [hits] = store.search(written.vectors[:1], k=1)
        assert (hits[0].text, hits[0].title, hits[0].uri) == (text, text, text)
        assert (hits[0].source, hits[0].document, hits[0].headings) == (short, short, (short, ""))
        assert store.delete([(short, short)]) == 2
        assert store.documents() == {("docs", "plain")}

    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(
        texts=st.lists(st.text(STORABLE), max_size=4),
        headings=st.lists(st.text(STORABLE)),
    )
    def test_any_text_comes_back_as_it_was(
        self, store: StoreUnderTest, texts: list[str], headings: list[str]
    ) -> None:
        store.replace([embedded("a.md", texts, headings=tuple(headings))])
        chunks = store.chunks_of("docs", "a.md")
        assert [chunk["text"] for chunk in chunks] == texts
        assert all(chunk["headings"] == headings for chunk in chunks)

    def test_metadata_keeps_values_and_types(self, store: StoreUnderTest) -> None:
        metadata = {
            "text": 'a "quoted" value with \\ and 👩‍👩‍👧',
            "empty": "",
            "yes": True,
            "no": False,
            "whole": 2**53 + 1,
            "negative": -7,
            "fraction": 0.1,
            "small": 5e-324,
            "list": ["a", "", "c"],
            "none": None,
            "nested": {"a": {"b": [1, {"c": "d"}]}},
            "key with 'quotes' and %": 1,
        }
        written = embedded("a.md", ["one"], metadata=metadata)
        store.replace([written, embedded("b.md", ["two"], metadata={})])
        [hits] = store.search(written.vectors, k=2)
        found = {hit.document: dict(hit.metadata) for hit in hits}
        assert found == {"a.md": metadata, "b.md": {}}
        assert {key: type(value) for key, value in found["a.md"].items()} == {
            key: type(value) for key, value in metadata.items()
        }
        store.replace([embedded("a.md", ["one"], written.vectors, metadata={"text": "other"})])
        assert store.search(written.vectors, k=1)[0][0].metadata == {"text": "other"}
