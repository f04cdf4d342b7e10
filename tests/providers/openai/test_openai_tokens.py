"""Counts are those of OpenAI's own tables."""

from __future__ import annotations

import random
import sys
from importlib.machinery import ModuleSpec

import bpe_openai
import numpy as np
import pytest

from ragctl.errors import MalformedDocument, MissingPackage
from ragctl.providers.openai import tokens
from ragctl.providers.openai.models import table_of
from ragctl.providers.openai.tokens import TableTokenizer, tokenizer_for
from ragctl.providers.remote.counting import ByteTokenizer

# From OpenAI's cookbook, "How to count tokens with tiktoken".
KNOWN = [
    ("cl100k_base", "antidisestablishmentarianism", 6),
    ("cl100k_base", "2 + 2 = 4", 7),
    ("cl100k_base", "お誕生日おめでとう", 9),
    ("cl100k_base", "tiktoken is great!", 6),
    ("o200k_base", "antidisestablishmentarianism", 6),
    ("o200k_base", "2 + 2 = 4", 7),
    ("o200k_base", "お誕生日おめでとう", 8),
    ("o200k_base", "tiktoken is great!", 6),
]
TABLES = ("cl100k_base", "o200k_base")


@pytest.mark.parametrize(("table", "text", "count"), KNOWN)
def test_known_counts(table: str, text: str, count: int) -> None:
    assert TableTokenizer(table).count([text]) == [count]


@pytest.mark.parametrize(
    ("model", "table"),
    [
        ("text-embedding-3-small", "cl100k_base"),
        ("text-embedding-ada-002", "cl100k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1-mini", "o200k_base"),
        ("gpt-5-nano", "o200k_base"),
        ("gpt-oss:20b", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("ft:gpt-4o-mini:org::id", "o200k_base"),
        ("nomic-embed-text", None),
        ("gpt-4omega", None),
        ("o1000", None),
    ],
)
def test_the_table_of_a_model(model: str, table: str | None) -> None:
    assert table_of(model) == table
    assert tokenizer_for(model).name == (table or "bytes")
    assert tokenizer_for(model).exact is (table is not None)


@pytest.mark.parametrize("table", TABLES)
def test_token_starts_are_where_the_tokens_begin(table: str) -> None:
    text = "Grüße aus 東京! 🎉🎉 naïve\n\n\tdef f(x):  return x ** 2\r\n" + "wörter " * 30
    encoding = bpe_openai.get_encoding(table)
    _, wanted = encoding.decode_with_offsets(encoding.encode_ordinary(text))
    starts = TableTokenizer(table).token_starts(text)
    assert starts.dtype == np.int64
    assert starts.tolist() == wanted
    assert len(TableTokenizer(table).token_starts("")) == 0


@pytest.mark.parametrize("table", TABLES)
def test_a_long_text_in_pieces_counts_as_the_whole(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(5)
    words = [
        "word",
        "Ein",
        "don't",
        "I'LL",
        "東京",
        "x1",
        "3.14159",
        "naïve\u0301",
        "—",
        "...",
        "🎉",
        "_",
        "a_b",
    ]
    gaps = [" ", "  ", "\n", "\n\n", " \n ", "\t", "\r\n", "\u00a0", "\u2003", "", ","]
    whole = TableTokenizer(table)
    for _ in range(20):
        text = "".join(draw.choice(words) + draw.choice(gaps) for _ in range(400))
        starts, count = whole.token_starts(text), whole.count([text])
        with monkeypatch.context() as patch:
            patch.setattr(tokens, "_PIECE_CHARACTERS", 64)
            assert len(list(whole._pieces(text))) > 10
            assert whole.count([text]) == count
            np.testing.assert_array_equal(whole.token_starts(text), starts)


def test_what_looks_like_a_special_token_is_text() -> None:
    assert TableTokenizer("cl100k_base").count(["<|endoftext|>"]) == [7]


def test_a_text_of_more_than_a_million_characters_is_counted() -> None:
    assert TableTokenizer("cl100k_base").count(["ACGT" * 300_000])[0] > 100_000


def test_the_prefix_counts() -> None:
    with_prefix = tokenizer_for("text-embedding-3-small", prefix="passage: ")
    bare = tokenizer_for("text-embedding-3-small")
    assert with_prefix.special_tokens == bare.count(["passage: "])[0]
    assert bare.special_tokens == 0
    assert with_prefix.count(["a text"]) == bare.count(["passage: a text"])


def test_half_a_character_is_refused() -> None:
    for call in (
        TableTokenizer("cl100k_base").count,
        lambda texts: TableTokenizer("cl100k_base").token_starts(*texts),
    ):
        with pytest.raises(MalformedDocument, match=r"U\+DC00"):
            call(["x\udc00"])


def test_the_bound_can_be_asked_for_and_is_never_taken_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(tokenizer_for("gpt-4o", tokenizer="bytes"), ByteTokenizer)

    def absent(name: str) -> ModuleSpec | None:
        assert name == "bpe_openai"
        return None

    monkeypatch.setattr(tokens, "find_spec", absent)
    with pytest.raises(MissingPackage, match="bpe_openai") as caught:
        tokenizer_for("gpt-4o")
    assert "tokenizer: bytes" in (caught.value.hint or "")
    assert not tokenizer_for("some-model").exact


def test_the_bound_is_above_the_tables_counts() -> None:
    draw = random.Random(7)
    codes = [*range(32, 700), *range(0x3000, 0x9FFF)]
    texts = ["".join(chr(code) for code in draw.choices(codes, k=200)) for _ in range(50)]
    for table in TABLES:
        for bound, exact in zip(
            ByteTokenizer().count(texts), TableTokenizer(table).count(texts), strict=True
        ):
            assert bound >= exact


def test_nothing_is_loaded_before_a_count() -> None:
    assert "openai" in sys.modules or TableTokenizer("cl100k_base").exact  # made without reading a table
    tokens._table.cache_clear()
    tokenizer_for("gpt-4o")
    assert tokens._table.cache_info().misses == 0
