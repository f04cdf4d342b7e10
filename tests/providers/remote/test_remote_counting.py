"""The upper bound is one; a tokenizer.json counts as the model does."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from ragctl.errors import MalformedDocument, UsageError
from ragctl.providers.remote.counting import ByteTokenizer
from ragctl.providers.remote.tokenizer_file import FileTokenizer

TEXTS = [
    "",
    "plain words",
    "Grüße, 世界! 🎉",
    "\ufdfa and \u3373 decompose into many characters",
    "İstanbul\u0301 한국어",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small byte-level tokenizer, trained here, which decomposes first and adds two special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFKD()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["some words to learn from, and some more words"] * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_the_bound_is_never_less_than_a_real_count(folder: Path) -> None:
    real = FileTokenizer(folder)
    for bound, exact in zip(ByteTokenizer().count(TEXTS), real.count(TEXTS), strict=True):
        assert bound >= exact
    draw = np.random.default_rng(3)
    for _ in range(200):
        codes = draw.integers(0x20, 0x2FFFF, 50)
        text = "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)
        assert ByteTokenizer().count([text])[0] >= real.count([text])[0]


def test_the_bound_says_what_it_is_and_counts_bytes() -> None:
    tokenizer = ByteTokenizer(prefix="passage: ")
    assert (tokenizer.exact, tokenizer.name) == (False, "bytes")
    assert tokenizer.special_tokens == 3 + 9
    assert tokenizer.count(["abc", "ßbc", "äbc"]) == [15, 16, 17]
    for text in TEXTS:
        starts = tokenizer.token_starts(text)
        assert len(starts) + tokenizer.special_tokens == tokenizer.count([text])[0]
        assert list(starts) == sorted(starts)
        assert set(starts.tolist()) == set(range(len(text)))
    assert len(unicodedata.normalize("NFKD", "\ufdfa").encode("utf-8")) == len(
        tokenizer.token_starts("\ufdfa")
    )


def test_half_a_character_is_refused() -> None:
    with pytest.raises(MalformedDocument, match=r"U\+D83D.*offset 2"):
        ByteTokenizer().count(["ab\ud83d"])


def test_a_file_counts_as_its_model_whatever_way_it_is_named(folder: Path) -> None:
    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    wanted = [len(library.encode(text)) for text in TEXTS]
    relative = (folder.name + "/tokenizer.json", folder.parent)
    for tokenizer in (FileTokenizer(folder), FileTokenizer(relative[0], base=relative[1])):
        assert tokenizer.count(TEXTS) == wanted
        assert tokenizer.exact
        assert tokenizer.name.startswith("sha256:") and str(folder) not in tokenizer.name
    with_prefix = FileTokenizer(folder, prefix="query: ")
    assert with_prefix.count(["word"]) == [len(library.encode("query: word"))]


def test_a_tokenizer_that_is_not_there_is_a_mistake_of_the_spec(tmp_path: Path) -> None:
    for named in ("./nowhere", "./nowhere/tokenizer.json", "no-such-package-anywhere", "org/model", "x.json"):
        with pytest.raises(UsageError):
            FileTokenizer(named, base=tmp_path)
