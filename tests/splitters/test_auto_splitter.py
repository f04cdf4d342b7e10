"""How documents are cut: where, how large, with what around them for the model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from splitters.splitting import document_of, split, under_headings

from ragctl.errors import OverlongInput, SpecError
from ragctl.ports import Splitter, Tokenizer
from ragctl.readers.auto import AutoReader
from ragctl.readers.sections import Heading
from ragctl.splitters.auto import AutoSplitter
from ragctl.types import Anchor, Chunk, Document, Item, Section

if TYPE_CHECKING:
    from ragctl.ports import Offsets
    from ragctl.providers.local.tokenizer import LocalTokenizer

WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa"
SENTENCES = "The first sentence is here. The second one follows it. A third comes last. "


def inputs(chunks: Sequence[Chunk]) -> list[str]:
    return [chunk.embed_input for chunk in chunks]


def test_a_short_document_is_one_chunk(minilm_tokenizer: LocalTokenizer) -> None:
    (chunk,) = split(minilm_tokenizer, document_of("\n  Some words.\n\n"))
    assert chunk.text == "Some words."
    assert chunk.embed_input == "Title\n\nSome words."
    assert chunk.line == 2


def test_blank_text_gives_no_chunk(tokenizer: Tokenizer) -> None:
    assert split(tokenizer, document_of(" \n\t\n ")) == ()


def test_the_input_names_title_and_headings(minilm_tokenizer: LocalTokenizer) -> None:
    document = document_of(
        f"{WORDS} " * 8,
        headings=[Heading(0, 1, "Guide"), Heading(120, 2, "Install"), Heading(240, 3, "Linux")],
    )
    chunks = split(minilm_tokenizer, document, min_tokens=0)
    deepest = [chunk for chunk in chunks if chunk.headings == ("Guide", "Install", "Linux")]
    assert deepest
    for chunk in deepest:
        assert chunk.embed_input == f"Title\nGuide > Install > Linux\n\n{chunk.text}"


def test_a_title_from_the_file_name_is_not_read_by_the_model(minilm_tokenizer: LocalTokenizer) -> None:
    named, renamed = (
        split(minilm_tokenizer, document_of(SENTENCES * 5, title=title, fallback=True))
        for title in ("a", "b")
    )
    assert inputs(named) == inputs(renamed)
    assert named[0].embed_input == named[0].text


def test_what_the_text_begins_with_is_not_repeated(minilm_tokenizer: LocalTokenizer) -> None:
    document = under_headings([(1, "Title", SENTENCES), (2, "Install", SENTENCES * 4)])
    chunks = split(minilm_tokenizer, document)
    assert chunks[0].embed_input == chunks[0].text  # "# Title …": no header at all
    first, *later = (chunk for chunk in chunks if chunk.headings == ("Title", "Install"))
    assert first.embed_input == f"Title\n\n{first.text}"
    assert first.text.startswith("## Install")
    assert later
    for chunk in later:
        assert chunk.embed_input == f"Title\nInstall\n\n{chunk.text}"  # the first heading is the title


@pytest.mark.parametrize(
    ("context", "header"),
    [
        (("title", "headings"), "Title\nGuide\n\n"),
        (("title",), "Title\n\n"),
        (("headings",), "Guide\n\n"),
        ((), ""),
    ],
)
def test_context_says_what_goes_into_the_header(
    minilm_tokenizer: LocalTokenizer, context: tuple[str, ...], header: str
) -> None:
    splitter = AutoSplitter(minilm_tokenizer, max_tokens=64, overlap=0, context=context, embedder_limit=256)
    (chunk,) = splitter.split(document_of("Words.", headings=[Heading(0, 1, "Guide")])).chunks
    assert chunk.embed_input == f"{header}Words."


def test_a_long_heading_path_is_shortened_for_the_model_only(minilm_tokenizer: LocalTokenizer) -> None:
    names = tuple(f"{name} {WORDS} {WORDS} {WORDS}" for name in ("one", "two", "three", "four"))
    document = document_of(SENTENCES * 9, sections=[Section(0, len(SENTENCES) * 9, names)])
    chunks = split(minilm_tokenizer, document, max_tokens=128)
    assert len(chunks) > 1
    for chunk in chunks:
        assert chunk.headings == names
        assert chunk.embed_input == f"Title\n{names[-1]}\n\n{chunk.text}"


def test_a_heading_longer_than_the_share_of_the_header_is_left_out(minilm_tokenizer: LocalTokenizer) -> None:
    name = f"{WORDS} " * 20
    document = document_of(SENTENCES, title=name, sections=[Section(0, len(SENTENCES), (name, name))])
    (chunk,) = split(minilm_tokenizer, document)
    assert chunk.embed_input == chunk.text


def test_runs_of_punctuation_are_shortened_for_the_model_only(minilm_tokenizer: LocalTokenizer) -> None:
    table = "=" * 200 + "\nname   value\n" + "=" * 200
    (chunk,) = split(minilm_tokenizer, document_of(table))
    assert chunk.text == table
    assert chunk.embed_input == "Title\n\n===\nname   value\n==="


def test_small_sections_are_packed_under_what_they_share(minilm_tokenizer: LocalTokenizer) -> None:
    document = under_headings(
        [(1, "Guide", ""), (2, "One", "Short."), (2, "Two", "Short."), (2, "Three", SENTENCES * 6)]
    )
    chunks = split(minilm_tokenizer, document)
    assert chunks[0].headings == ("Guide",)
    assert chunks[0].text.startswith("# Guide")
    assert chunks[0].text.endswith("## Two\n\nShort.")
    assert {chunk.headings for chunk in chunks[1:]} == {("Guide", "Three")}


def test_sections_that_are_large_enough_stay_apart(minilm_tokenizer: LocalTokenizer) -> None:
    document = under_headings([(1, "One", SENTENCES), (1, "Two", SENTENCES)])
    assert [chunk.headings for chunk in split(minilm_tokenizer, document)] == [("One",), ("Two",)]


def test_cuts_are_at_the_best_boundary(minilm_tokenizer: LocalTokenizer) -> None:
    names = ["Paragraph one", "Paragraph two", "Paragraph three"]
    paragraphs = "\n\n".join(f"{name}. {SENTENCES}{SENTENCES}" for name in names)
    chunks = split(minilm_tokenizer, document_of(paragraphs), overlap=0)
    assert [chunk.text.split(".")[0] for chunk in chunks] == names
    for chunk in split(minilm_tokenizer, document_of(SENTENCES * 9), overlap=0):
        assert chunk.text.endswith(".")
        assert chunk.text.startswith(("The", "A"))
    for chunk in split(minilm_tokenizer, document_of("これは文章です。" * 60), overlap=0):
        assert chunk.text.endswith("。")


def test_a_heading_is_not_left_alone_before_a_long_paragraph(minilm_tokenizer: LocalTokenizer) -> None:
    for overlap in (0, 8):
        chunks = split(minilm_tokenizer, under_headings([(1, "Install", SENTENCES * 9)]), overlap=overlap)
        assert chunks[0].text.startswith("# Install\n\nThe first sentence is here.")


def test_a_directive_is_kept_with_what_is_indented_under_it(minilm_tokenizer: LocalTokenizer) -> None:
    block = ".. code-block:: python\n\n   first = 1\n\n   second = 2"
    text = f"{SENTENCES * 2}\n\n{block}\n\n{SENTENCES * 2}"
    chunks = split(minilm_tokenizer, document_of(text, media_type="text/x-rst"), overlap=0)
    assert any(block in chunk.text for chunk in chunks)


def test_pieces_are_of_about_one_size(minilm_tokenizer: LocalTokenizer) -> None:
    chunks = split(minilm_tokenizer, document_of(SENTENCES * 5), overlap=0)  # 80 tokens in inputs of 64
    assert len(chunks) == 2
    assert min(chunk.tokens for chunk in chunks) > 30


def test_overlap_repeats_whole_sentences_or_words(minilm_tokenizer: LocalTokenizer) -> None:
    for text, starts in ((SENTENCES * 9, ("The", "A")), (f"{WORDS} " * 30, tuple(WORDS.split()))):
        chunks = split(minilm_tokenizer, document_of(text), overlap=16)
        assert len(chunks) > 2
        for before, after in pairwise(chunks):
            shared = text[after.start : before.end]
            assert shared.strip()
            assert shared.startswith(starts)
            assert minilm_tokenizer.count([shared])[0] - minilm_tokenizer.special_tokens <= 16


def test_overlap_never_reaches_into_another_section(minilm_tokenizer: LocalTokenizer) -> None:
    document = under_headings([(1, "One", SENTENCES * 5), (1, "Two", SENTENCES * 5)])
    second = document.sections[1].start
    for chunk in split(minilm_tokenizer, document, overlap=24):
        assert chunk.end <= second or chunk.start >= second


def test_huge_words_are_cut_and_stay_within_reason(minilm_tokenizer: LocalTokenizer) -> None:
    """The tokenizer takes a word of 50,000 letters for one unknown token; a chunk does not."""
    chunks = split(minilm_tokenizer, document_of("x" * 50_000))
    assert max(len(chunk.text) for chunk in chunks) <= 64 * 32
    assert "".join(chunk.text for chunk in chunks) == "x" * 50_000


def test_places_come_from_the_anchors(minilm_tokenizer: LocalTokenizer) -> None:
    text = "first\nsecond\n\f" + "third\nfourth\n"
    document = Document(
        "docs",
        "a.pdf",
        "file:///a.pdf",
        text,
        "T",
        "application/pdf",
        (Section(0, 6), Section(6, 14), Section(14, len(text))),
        anchors=(Anchor(0, line=10, page=1), Anchor(14, page=2, sheet="S")),
    )
    splitter = AutoSplitter(minilm_tokenizer, max_tokens=64, overlap=0, min_tokens=0, embedder_limit=64)
    chunks = splitter.split(document).chunks
    assert [(chunk.line, chunk.page, chunk.sheet) for chunk in chunks] == [
        (10, 1, None),
        (11, 1, None),
        (None, 2, "S"),
    ]


class _Counting:
    """The real tokenizer, and how often it was asked for what."""

    def __init__(self, inner: Tokenizer) -> None:
        self._inner = inner
        self.characters = 0
        self.calls = 0

    @property
    def special_tokens(self) -> int:
        return self._inner.special_tokens

    def token_starts(self, text: str) -> Offsets:
        self.calls += 1
        self.characters += len(text)
        return self._inner.token_starts(text)

    def count(self, texts: Sequence[str]) -> list[int]:
        self.calls += 1
        self.characters += sum(map(len, texts))
        return self._inner.count(texts)


def test_tokens_are_counted_per_document_not_per_split(minilm_tokenizer: LocalTokenizer) -> None:
    counting = _Counting(minilm_tokenizer)
    text = "\n\n".join([SENTENCES * 3] * 100)
    split(counting, document_of(text))
    calls = counting.calls - 1  # the check counts once more
    assert calls <= 4
    assert counting.characters < 5 * len(text)


def test_a_token_count_that_does_not_add_up_is_made_to_fit(minilm_tokenizer: LocalTokenizer) -> None:
    """Some tokenizers see more tokens in a span than began in it; the last word is the count's."""

    class Underestimating(_Counting):
        def token_starts(self, text: str) -> Offsets:
            return super().token_starts(text)[::3]

    tokenizer = Underestimating(minilm_tokenizer)
    assert len(split(tokenizer, document_of(SENTENCES * 20))) > 5


def test_a_character_over_the_limit_is_an_error(minilm_tokenizer: LocalTokenizer) -> None:
    class Heavy(_Counting):
        def count(self, texts: Sequence[str]) -> list[int]:
            return [
                count + 100 * text.count("x") for text, count in zip(texts, super().count(texts), strict=True)
            ]

    with pytest.raises(OverlongInput, match="single character at 2") as caught:
        split(Heavy(minilm_tokenizer), document_of("a x b"))
    assert caught.value.where == "docs:a.txt"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 512}, "max_tokens is 512, but the embedder reads at most 256"),
        ({"max_tokens": 8}, "at least 16"),
        ({"overlap": 33}, "from 0 to half"),
        ({"overlap": -1}, "from 0 to half"),
        ({"min_tokens": -1}, "0 or more"),
        ({"context": ("titel",)}, "unknown 'titel'"),
    ],
)
def test_numbers_out_of_range(
    minilm_tokenizer: LocalTokenizer, options: dict[str, int | tuple[str, ...]], message: str
) -> None:
    settings: dict[str, int | tuple[str, ...]] = {"max_tokens": 64, "overlap": 8, **options}
    with pytest.raises(SpecError, match=message):
        AutoSplitter(minilm_tokenizer, embedder_limit=256, **settings)  # type: ignore[arg-type]


def test_the_same_document_gives_the_same_chunks(minilm_tokenizer: LocalTokenizer) -> None:
    splitter: Splitter = AutoSplitter(minilm_tokenizer, max_tokens=64, overlap=8, embedder_limit=64)
    data = ("# One\n\n" + SENTENCES * 10 + "\n\n## Two\n\n" + SENTENCES * 3).encode()
    item = Item("docs", "a.md", "file:///a.md", "f")
    (document,) = AutoReader().read(item, data)
    other = document_of(SENTENCES * 30)
    once = splitter.split(document)
    splitter.split(other)
    assert splitter.split(document) == once


def test_loading_the_splitter_does_not_load_langchain() -> None:
    code = (
        "import sys, ragctl.splitters.auto;"
        "print(sorted({'langchain_text_splitters', 'numpy', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
