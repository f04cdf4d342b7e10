"""Tokens counted word by word are the library's, whatever the text."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from providers.local.small_models import SENTENCE_MODELS, write_model

from ragctl.errors import MalformedDocument
from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.providers.local.tokenizer import LocalTokenizer
from ragctl.providers.local.word_counts import WordCounts, counts_by_word

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ragctl.providers.local.model_files import ModelFiles

AWKWARD = st.lists(
    st.one_of(
        st.sampled_from(
            ["the", "Lake", "unaffable", " ", "\n", "\t", ", ", ".", "ß", "İ", "é", "2024", "x" * 101]
        ),
        st.sampled_from(
            ["今天。", "カッコ", "한국", "😀", "e\u0301\u0327", "\u0301", "ﷺ", "豈", "\U00020000"]
        ),
        st.sampled_from(
            ["\x07", "\x0b", "\x0c", "\x1c", "\x85", "\0", "\ufffd", "\u00ad", "\u200b", "\u3000", "\u2028"]
        ),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
).map("".join)


@pytest.fixture(scope="module")
def library(minilm: ModelFiles) -> Tokenizer:
    return LocalTokenizer(minilm)._library


def starts_of(library: Tokenizer, text: str) -> list[int]:
    return [start for start, _ in library.encode(text, add_special_tokens=False).offsets]


@given(texts=st.lists(AWKWARD, max_size=4))
@settings(max_examples=400, deadline=None)
def test_places_and_counts_are_the_librarys(library: Tokenizer, texts: list[str]) -> None:
    words = WordCounts(library, most_characters=500)
    expected = [starts_of(library, text) for text in texts]
    for _ in range(2):  # new words, then known ones
        assert words.counts(texts) == list(map(len, expected))
        assert [words.starts(text).tolist() for text in texts] == expected


def test_every_character_beside_others(library: Tokenizer) -> None:
    """Those that separate words for the library and those that do not."""
    words = WordCounts(library)

    def texts() -> Iterator[str]:
        every = [chr(code) for code in range(0x11000) if not 0xD800 <= code < 0xE000]
        for at in range(0, len(every), 4096):
            yield "".join(f"ab{one}cd {one}ef. " for one in every[at : at + 4096])

    for text in texts():
        assert words.starts(text).tolist() == starts_of(library, text)


def test_words_are_forgotten_when_they_are_many(library: Tokenizer) -> None:
    words = WordCounts(library, most_characters=100)
    texts = [" ".join(f"word{number}" for number in range(first, first + 30)) for first in range(0, 600, 7)]
    assert words.counts(texts) == [len(starts_of(library, text)) for text in texts]
    for text in texts:
        assert words.starts(text).tolist() == starts_of(library, text)
    assert words._characters <= 30 * len("word999")


def test_threads_share_what_is_known(library: Tokenizer) -> None:
    words = WordCounts(library, most_characters=300)
    texts = [f"passage{number} about lake {number % 7} and {number % 5}" * 3 for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: words.starts(text).tolist(), texts))
    assert found == [starts_of(library, text) for text in texts]


def test_special_tokens_are_left_to_the_library(minilm: ModelFiles) -> None:
    tokenizer = LocalTokenizer(minilm)
    for text in ("a [SEP] b", "[MASK]x[PAD]", "no special [ SEP ]"):
        assert tokenizer.count([text]) == [len(tokenizer.token_ids([text])[0])]
        assert tokenizer.token_starts(text).tolist() == starts_of(tokenizer._library, text)


def test_a_lone_surrogate_is_refused_by_name(minilm: ModelFiles) -> None:
    tokenizer = LocalTokenizer(minilm)
    with pytest.raises(MalformedDocument, match=r"text 1 has a lone surrogate \(U\+D800\) at offset 2"):
        tokenizer.count(["ok", "a \ud800"])


@pytest.mark.parametrize(("kind", "by_word"), [("bert", True), ("roberta", False), ("xlm-roberta", False)])
def test_only_bert_counts_by_word(tmp_path: Path, kind: str, by_word: bool) -> None:
    write_model(tmp_path / kind, SENTENCE_MODELS[kind])
    files = LocalEmbedder(f"./{kind}", base=tmp_path)._files()
    assert counts_by_word(LocalTokenizer(files)._library) is by_word
