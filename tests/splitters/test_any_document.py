"""Whatever the document: spans, coverage, order and limit."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from splitters.splitting import document_of, split

from ragctl.ports import Tokenizer
from ragctl.readers.sections import Heading

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
MEDIA_TYPES = st.sampled_from(["text/plain", "text/markdown", "text/x-rst", "text/html"])


@st.composite
def headings_in(draw: st.DrawFn, text: str) -> list[Heading]:
    starts = draw(st.lists(st.integers(0, len(text)), max_size=12, unique=True).map(sorted))
    names = st.sampled_from(["A", "Install", "A long heading of several words", "H" * 300, "日本語", ""])
    return [Heading(start, draw(st.integers(1, 4)), draw(names)) for start in starts if start < len(text)]


@given(data=st.data(), text=TEXTS, media_type=MEDIA_TYPES, fallback=st.booleans())
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_random_documents(
    tokenizer: Tokenizer, data: st.DataObject, text: str, media_type: str, fallback: bool
) -> None:
    document = document_of(
        text,
        title=data.draw(st.sampled_from(["Title", "A", "T" * 2000, "word " * 200])),
        fallback=fallback,
        media_type=media_type,
        headings=data.draw(headings_in(text)),
    )
    max_tokens = data.draw(st.integers(16, 128))
    split(
        tokenizer,
        document,
        max_tokens=max_tokens,
        overlap=data.draw(st.integers(0, max_tokens // 2)),
        min_tokens=data.draw(st.integers(0, 64)),
    )


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
def test_random_text(tokenizer: Tokenizer, text: str) -> None:
    split(tokenizer, document_of(text), max_tokens=32, overlap=8)
