"""Counts that are added up, not counted again, are those of the library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from splitters.splitting import document_of, under_headings
from splitters.test_any_document import TEXTS, blocks_in

from ragctl.errors import SpecError
from ragctl.ports import Tokenizer, WordByWord
from ragctl.providers.local.model_files import find_files, known_model
from ragctl.providers.local.tokenizer import LocalTokenizer
from ragctl.splitters.auto import AutoSplitter
from ragctl.types import Document

if TYPE_CHECKING:
    from ragctl.ports import Offsets

SENTENCES = "The first sentence is here. The second one follows it. A third comes last. "


def prefixed(prefix: str) -> LocalTokenizer:
    return LocalTokenizer(find_files(replace(known_model("all-MiniLM-L6-v2"), passage_prefix=prefix)))


def tokens_by_library(tokenizer: LocalTokenizer, texts: Sequence[str], prefix: str) -> list[int]:
    return [len(ids) for ids in tokenizer.token_ids(texts, prefix=prefix)]


@pytest.mark.parametrize("prefix", ["", "passage: ", "passage:", "[SEP] "])
@given(data=st.data(), text=TEXTS, title=st.sampled_from(["Title", "A [SEP] b", "T" * 300, "★★★★★", "\x0b"]))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_every_count_is_the_librarys(data: st.DataObject, prefix: str, text: str, title: str) -> None:
    tokenizer = prefixed(prefix)
    document = document_of(text, title=title, blocks=data.draw(blocks_in(text)))
    splitter = AutoSplitter(tokenizer, max_tokens=64, overlap=8, min_tokens=16, embedder_limit=64)
    chunks = splitter.split(document).chunks
    inputs = [chunk.embed_input for chunk in chunks]
    assert [chunk.tokens for chunk in chunks] == tokens_by_library(tokenizer, inputs, prefix)


class _Counting:
    """The real tokenizer, and what it was asked to count."""

    def __init__(self, inner: LocalTokenizer) -> None:
        self._inner = inner
        self.counted: list[str] = []

    @property
    def special_tokens(self) -> int:
        return self._inner.special_tokens

    def token_starts(self, text: str) -> Offsets:
        return self._inner.token_starts(text)

    def count(self, texts: Sequence[str]) -> list[int]:
        self.counted.extend(texts)
        return self._inner.count(texts)


class _WordByWord(_Counting):
    def word_by_word(self, text: str) -> bool:
        return self._inner.word_by_word(text)


def counted(tokenizer: _Counting, document: Document) -> list[str]:
    """What of the document's embed inputs the tokenizer was asked to count."""
    splitter = AutoSplitter(tokenizer, max_tokens=64, overlap=8, embedder_limit=64)
    inputs = {chunk.embed_input for chunk in splitter.split(document).chunks}
    assert len(inputs) > 2
    return [text for text in tokenizer.counted if text in inputs]


def test_what_adds_up_is_not_counted_again(minilm_tokenizer: LocalTokenizer) -> None:
    document = under_headings(
        [(1, "Guide", SENTENCES * 20), (2, "Install", "=" * 80 + "\n\n" + SENTENCES * 9)]
    )
    assert counted(_WordByWord(minilm_tokenizer), document) == []


@pytest.mark.parametrize("odd", ["[SEP] ", "★★★★★★ "])
def test_what_does_not_add_up_is_counted(minilm_tokenizer: LocalTokenizer, odd: str) -> None:
    document = document_of(odd + SENTENCES * 20)
    tokenizer = _WordByWord(minilm_tokenizer)
    assert len(counted(tokenizer, document)) == len(
        AutoSplitter(tokenizer, max_tokens=64, overlap=8, embedder_limit=64).split(document).chunks
    )


def test_a_tokenizer_need_not_know(minilm_tokenizer: LocalTokenizer) -> None:
    assert isinstance(minilm_tokenizer, WordByWord)
    assert not isinstance(_Counting(minilm_tokenizer), WordByWord)
    assert len(counted(_Counting(minilm_tokenizer), document_of(SENTENCES * 20))) > 2


@pytest.mark.parametrize(("prefix", "adds_up"), [("", True), ("passage: ", True), ("passage:", False)])
def test_a_prefix_that_runs_into_the_text_does_not_add_up(prefix: str, adds_up: bool) -> None:
    assert prefixed(prefix).word_by_word("some text") is adds_up


def test_a_prefix_must_leave_room() -> None:
    tokenizer: Tokenizer = prefixed("a passage of a text that is about something or other: ")
    with pytest.raises(SpecError, match="max_tokens is 16, and the model's own tokens and prefix take 14"):
        AutoSplitter(tokenizer, max_tokens=16, overlap=0, embedder_limit=256)
    with pytest.raises(SpecError) as caught:
        AutoSplitter(tokenizer, max_tokens=16, overlap=0, embedder_limit=256)
    assert caught.value.hint == "Set it to 22 or more."
