from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragctl.errors import DocumentError
from ragctl.providers.local.model_files import ModelFiles
from ragctl.providers.local.tokenizer import LocalTokenizer

AWKWARD = st.lists(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from(
            " \n\t,.!?[]()aeiouAEstrnßİéﬁΣ漢字한글😀\u0301\u0323\u200d\ufe0f\u0000\u001c\u00ad、。，"
        ),
        st.sampled_from(["[SEP]", "[PAD]", " ", "the ", "running "]),
    ),
    max_size=80,
).map("".join)

PIECES = (2, 5, 13, 40)


@pytest.fixture(scope="module")
def in_pieces(minilm: ModelFiles) -> dict[int, LocalTokenizer]:
    return {piece: LocalTokenizer(minilm, piece_characters=piece) for piece in PIECES}


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("", []),
        (" \n ", []),
        ("Hello, world", [0, 5, 7]),
        ("a\x00b", [0]),
        ("\x00\x00 tea", [3]),
        ("😀 tea 🚀!", [0, 2, 6, 7]),
        ("漢字 tea", [0, 1, 3]),
        ("cafe\u0301 tea", [0, 6]),
        ("한", [0, 0, 0]),
        ("x" * 5000 + " tea", [0, 5001]),
    ],
)
def test_starts_are_offsets_of_code_points(tokenizer: LocalTokenizer, text: str, starts: list[int]) -> None:
    found = tokenizer.token_starts(text)
    assert found.dtype == np.int64
    assert found.tolist() == starts


def test_counts_include_special_tokens_and_are_never_truncated(tokenizer: LocalTokenizer) -> None:
    assert tokenizer.special_tokens == 2
    assert tokenizer.count([]) == []
    assert tokenizer.count(["", "tea", "tea " * 5000]) == [2, 3, 5002]


@given(AWKWARD)
@settings(max_examples=200, deadline=None)
def test_starts_ascend_within_the_text_and_agree_with_the_count(tokenizer: LocalTokenizer, text: str) -> None:
    starts = tokenizer.token_starts(text)
    assert np.all(np.diff(starts) >= 0)
    assert len(starts) == 0 or (starts[0] >= 0 and starts[-1] < len(text))
    assert tokenizer.count([text]) == [len(starts) + tokenizer.special_tokens]


@given(AWKWARD, st.sampled_from(PIECES))
@settings(max_examples=200, deadline=None)
def test_pieces_give_the_tokens_of_the_whole(
    tokenizer: LocalTokenizer, in_pieces: dict[int, LocalTokenizer], text: str, piece: int
) -> None:
    pieces = in_pieces[piece]
    assert pieces.token_starts(text).tolist() == tokenizer.token_starts(text).tolist()
    assert pieces.token_ids([text])[0].tolist() == tokenizer.token_ids([text])[0].tolist()


def test_a_long_document(tokenizer: LocalTokenizer) -> None:
    paragraph = "The quick brown fox, they say, jumps over the lazy dog; nobody has seen it.\n\n"
    once = tokenizer.token_starts(paragraph)
    times = 4_000_000 // len(paragraph)
    starts = tokenizer.token_starts(paragraph * times)
    expected = np.arange(times)[:, None] * len(paragraph) + once
    assert np.array_equal(starts, expected.ravel())


@pytest.mark.parametrize(("text", "tokens"), [("x" * 100_000, 1), ("漢" * 50_000, 50_000)])
def test_a_long_text_without_a_place_to_cut(tokenizer: LocalTokenizer, text: str, tokens: int) -> None:
    assert len(tokenizer.token_starts(text)) == tokens


def test_a_lone_surrogate_is_an_error_of_the_document(tokenizer: LocalTokenizer) -> None:
    with pytest.raises(DocumentError, match=r"text 1 has a lone surrogate \(U\+D83D\) at offset 4"):
        tokenizer.count(["fine", "bad \ud83d"])
    with pytest.raises(DocumentError, match="at offset 20000"):
        tokenizer.token_starts("tea " * 5000 + "\udc00")


def test_counting_loads_no_runtime_for_models() -> None:
    code = (
        "import sys; from ragctl.providers.local.encoder import LocalEmbedder;"
        "assert LocalEmbedder().tokenizer.count(['tea']) == [3];"
        "assert not {'openvino', 'torch', 'transformers', 'safetensors'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
