"""Long texts in pieces give the tokens of the whole, whatever the family's tokenizer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from providers.local.small_models import SENTENCE_MODELS, write_model

from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.providers.local.pieces import BERT_CUTS, NO_CUTS, WORD_CUTS, pieces
from ragctl.providers.local.tokenizer import LocalTokenizer

KINDS = ("bert", "roberta", "xlm-roberta", "distilbert")
AWKWARD = st.lists(
    st.one_of(
        st.sampled_from(["the", "lake", " ", " ", "  ", "\n", "\t", ", ", ".", "ß", "é", "今天", "😀", "'s"]),
        st.sampled_from(
            ["<mask>", " <mask>", "</s>", "<pad>", "[SEP]", "2024", "a", " A", "e\u0301", "\u200b"]
        ),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
).map("".join)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], LocalTokenizer]:
    base = tmp_path_factory.mktemp("tokenizers")
    made = {}
    for kind in KINDS:
        write_model(base / kind, SENTENCE_MODELS[kind])
        files = LocalEmbedder(f"./{kind}", base=base)._files()
        for size in (3, 11, 1 << 20):
            made[kind, size] = LocalTokenizer(files, piece_characters=size)
    return made


@pytest.mark.parametrize("kind", KINDS)
@given(text=AWKWARD)
@settings(max_examples=150, deadline=None)
def test_pieces_give_the_tokens_of_the_whole(
    kind: str, tokenizers: dict[tuple[str, int], LocalTokenizer], text: str
) -> None:
    whole = tokenizers[kind, 1 << 20]
    [ids], starts = whole.token_ids([text]), whole.token_starts(text).tolist()
    assert whole.count([text]) == [len(ids)]
    assert starts == sorted(starts)
    for size in (3, 11):
        assert tokenizers[kind, size].token_ids([text])[0].tolist() == ids.tolist()
        assert tokenizers[kind, size].token_starts(text).tolist() == starts


@pytest.mark.parametrize("cuts", [BERT_CUTS, WORD_CUTS, NO_CUTS])
def test_pieces_are_the_whole_text(cuts: object) -> None:
    text = "The ferry leaves the north pier at  a quarter past six, and takes forty\nminutes. " * 20
    found = list(pieces(text, 50, cuts))  # type: ignore[arg-type]
    assert "".join(piece for _, piece in found) == text
    assert all(text.startswith(piece, start) for start, piece in found)
    assert (max(len(piece) for _, piece in found) <= 50) == (cuts is not NO_CUTS)
