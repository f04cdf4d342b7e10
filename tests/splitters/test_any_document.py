"""Whatever the document: spans, coverage, order and limit."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from splitters.splitting import document_of, split

from ragctl.errors import OverlongInput
from ragctl.ports import Tokenizer
from ragctl.readers.sections import Heading
from ragctl.splitters.auto import AutoSplitter
from ragctl.splitters.recursive import RecursiveSplitter
from ragctl.splitters.sentence import SentenceSplitter
from ragctl.splitters.sized import SizedSplitter
from ragctl.splitters.token import TokenSplitter
from ragctl.splitters.whole import WholeSplitter
from ragctl.types import Block

WORDS = st.sampled_from(
    [
        "word",
        "Sentence. Next one!",
        "Donaudampfschifffahrtsgesellschaft",
        "日本語の文章です。次の文。",
        "한국어 문장",
        "😀👩‍👩‍👧",
        "e\u0301\u0302",
        "ﷺ",
        "\u00a0",
        "\u200b",
        "\x07",
        "x" * 400,
        "ab" * 150,
        "=" * 120,
        "-" * 5,
        "| a | b |",
        "- item",
        "★★★★★★",
        "\n\ndef one():\n    pass",
        "\n\n@wraps\nclass Two:",
        "1. item",
        ".. note::",
        "```",
        "   ",
        "\n",
        "\n\n",
        "\n\n\n\n",
        " \t ",
        "[SEP]",
        "[UNK]",
    ]
)
TEXTS = st.lists(WORDS | st.text(max_size=8), max_size=80).map(" ".join)
MEDIA_TYPES = st.sampled_from(
    ["text/plain", "text/markdown", "text/x-rst", "text/html", "text/x-python", "text/x-c", "text/csv"]
)


@st.composite
def headings_in(draw: st.DrawFn, text: str) -> list[Heading]:
    starts = draw(st.lists(st.integers(0, len(text)), max_size=12, unique=True).map(sorted))
    names = st.sampled_from(["A", "Install", "A long heading of several words", "H" * 300, "日本語", ""])
    return [Heading(start, draw(st.integers(1, 4)), draw(names)) for start in starts if start < len(text)]


@st.composite
def blocks_in(draw: st.DrawFn, text: str) -> list[Block]:
    """Blocks of every kind, sorted, apart from one another."""
    edges = draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True).map(sorted))
    kinds: st.SearchStrategy[Literal["table", "code", "slide", "message"]]
    kinds = st.sampled_from(("table", "code", "slide", "message"))
    made = []
    for start, end in zip(edges[::2], edges[1::2], strict=False):
        kind = draw(kinds)
        first_line = text[start:end].split("\n")[0]
        made.append(Block(start, end, kind, first_line if kind == "table" else ""))
    return made


@pytest.mark.parametrize("by", [AutoSplitter, RecursiveSplitter, SentenceSplitter, TokenSplitter])
@given(data=st.data(), text=TEXTS, media_type=MEDIA_TYPES, fallback=st.booleans())
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_random_documents(
    tokenizer: Tokenizer,
    by: type[SizedSplitter],
    data: st.DataObject,
    text: str,
    media_type: str,
    fallback: bool,
) -> None:
    document = document_of(
        text,
        title=data.draw(st.sampled_from(["Title", "A", "T" * 2000, "word " * 200])),
        fallback=fallback,
        media_type=media_type,
        headings=data.draw(headings_in(text)),
        blocks=data.draw(blocks_in(text)),
    )
    max_tokens = data.draw(st.integers(16, 128))
    split(
        tokenizer,
        document,
        max_tokens=max_tokens,
        overlap=data.draw(st.integers(0, max_tokens // 2)),
        min_tokens=data.draw(st.integers(0, 64)),
        by=by,
    )


@pytest.mark.parametrize("by", [AutoSplitter, RecursiveSplitter, SentenceSplitter, TokenSplitter])
@given(text=st.text(max_size=2000))
@example(text="a" * 2000)
@example(text="\n" * 2000)
@example(text="a\n" * 1000)
@example(text=". " * 1000)
@example(text="。" * 1000)
@example(text="a b " * 500 + "\n\n" + "a b " * 500)
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_random_text(tokenizer: Tokenizer, by: type[SizedSplitter], text: str) -> None:
    split(tokenizer, document_of(text), max_tokens=32, overlap=8, by=by)


@given(text=TEXTS)
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_none_is_one_chunk_or_a_failure(tokenizer: Tokenizer, text: str) -> None:
    try:
        chunks = split(tokenizer, document_of(text), max_tokens=128, by=WholeSplitter)
    except OverlongInput as error:
        assert "`none` cuts nothing" in error.message
        assert len(tokenizer.count([text])) == 1
    else:
        assert [chunk.text for chunk in chunks] == [one for one in [text.strip()] if one]
