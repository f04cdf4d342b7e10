"""Answers whose every statement has to show its evidence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages.scripted import Scripted

import ragctl
from ragctl.errors import OverlongInput
from ragctl.stages.answer import ANSWER_PLACES, COMBINE_PLACES, answer, combine
from ragctl.stages.citing import CitedText, unsupported_statements
from ragctl.stages.prompt import Prompt
from ragctl.types import Answer, Hit, Reply

PROMPTS = Path(ragctl.__file__).parent / "prompts"
PROMPT = Prompt.parse((PROMPTS / "answer.md").read_text(encoding="utf-8"), places=ANSWER_PLACES)
COMBINE = Prompt.parse((PROMPTS / "combine.md").read_text(encoding="utf-8"), places=COMBINE_PLACES)

KEEPER = "The keeper   stops the “server” after\nfive idle minutes."
RIGHTS = "It needs no root rights. Windows is supported — since 2.1."
HITS = [
    Hit(0.9, "docs", "keeper.md", "", "Keeper", 100, 100 + len(KEEPER), KEEPER),
    Hit(0.8, "docs", "rights.md", "", "Rights", 0, len(RIGHTS), RIGHTS),
]


def asked(reply: str | Reply, *, hits: list[Hit] = HITS, room: int = 4_000) -> Answer:
    made, _ = answer("When?", hits, Scripted(reply), PROMPT, context_tokens=room, max_tokens=500)
    return made


def test_a_grounded_answer() -> None:
    made = asked('After five minutes [1: "after five idle minutes"]. No rights [2: "needs no root rights"].')
    assert made.status == "grounded"
    assert made.text == "After five minutes [1]. No rights [2]."
    first, second = made.citations
    assert (first.number, first.hit.document, first.quote) == (1, "keeper.md", "after\nfive idle minutes")
    assert KEEPER[first.start - 100 : first.end - 100] == first.quote
    assert (second.number, second.hit.document) == (2, "rights.md")
    assert (made.dropped, made.unsupported, made.passages) == (0, 0, 2)


def test_only_what_is_cited_is_a_source_in_the_order_of_citing() -> None:
    made = asked('Yes, on Windows [2: "Windows is supported"]. Since 2.1 [2: "supported - since 2.1"].')
    assert made.text == "Yes, on Windows [1]. Since 2.1 [1]."
    assert [(one.number, one.hit.document) for one in made.citations] == [(1, "rights.md")] * 2


@pytest.mark.parametrize(
    "evidence",
    ['[1: "after six idle minutes"]', '[2: "after five idle minutes"]', '[3: "after five idle minutes"]',
     '[0: "after five idle minutes"]', "[1]", '[1: ""]', '[1: "the"]', '[1: "keeper ... minutes"]'],
)  # fmt: skip
def test_evidence_that_does_not_hold_is_dropped(evidence: str) -> None:
    made = asked(f'It stops {evidence}. No rights [2: "needs no root rights"].')
    assert made.text == "It stops. No rights [1]."
    assert (made.status, made.dropped, made.unsupported) == ("partial", 1, 1)
    alone = asked(f"It stops {evidence}.")
    assert (alone.status, alone.citations) == ("none", ())


def test_a_statement_without_evidence_makes_it_partial() -> None:
    made = asked('It is blue. It needs no root. [2: "needs no root rights"]')
    assert (made.status, made.unsupported) == ("partial", 1)


@pytest.mark.parametrize(
    "reply", ["NOT IN THE PASSAGES", "Not in the passages.", "**NOT IN THE PASSAGES**", ""]
)
def test_what_the_passages_do_not_say(reply: str) -> None:
    made = asked(reply)
    assert (made.status, made.text, made.citations) == ("none", "", ())


def test_without_passages_no_model_is_asked() -> None:
    model = Scripted()
    made, _ = answer("When?", [], model, PROMPT, context_tokens=100, max_tokens=10)
    assert (made.status, model.asked) == ("none", [])


@given(st.integers(1, 40))
def test_a_streamed_answer_shows_the_same(piece: int) -> None:
    reply = (
        'After [1: "after five idle minutes"] or [1: "made up words"], see config["a"] and [x] [2: "Windows'
    )
    shown: list[str] = []
    made, _ = answer(
        "When?", HITS, Scripted(reply, piece=piece), PROMPT, context_tokens=4_000, max_tokens=500,
        on_text=shown.append,
    )  # fmt: skip
    assert "".join(shown).strip() == made.text == 'After [1] or, see config["a"] and [x]'
    assert made.dropped == 2


def test_nothing_hidden_reaches_the_terminal() -> None:
    made = asked('Red \x1b[31m\u202e\u200bwords \x07 [1: "after five idle minutes"].')
    assert made.text == "Red [31mwords  [1]."


def test_an_answer_that_was_cut_off_says_so() -> None:
    assert asked(Reply("After", "length")).cut_off


def test_passages_are_left_out_where_the_model_has_no_room() -> None:
    long = Hit(0.5, "docs", "long.md", "", "", 0, 5_000, "word " * 1_000)
    model = Scripted("NOT IN THE PASSAGES")
    made, _ = answer("When?", [*HITS, long], model, PROMPT, context_tokens=800, max_tokens=100)
    assert made.passages == 2
    assert "word word" not in model.asked[0][1].content
    with pytest.raises(OverlongInput):
        answer("When?", [long], Scripted(), PROMPT, context_tokens=800, max_tokens=100)


def test_answers_are_combined_with_their_evidence() -> None:
    model = Scripted('Both [1: "after five idle minutes"] [2: "needs no root rights"].')
    answers = [("When?", 'A [1: "after five idle minutes"]'), ("And?", "NOT IN THE PASSAGES")]
    made, _, shown = combine("When?", answers, HITS, model, COMBINE, context_tokens=2_000, max_tokens=500)
    assert shown == 2
    assert (made.status, made.text) == ("grounded", "Both [1] [2].")
    assert 'Asked as: When?\nAnswer: A [1: "after five idle minutes"]' in model.asked[0][1].content


def test_answers_are_left_out_where_the_model_has_no_room() -> None:
    model = Scripted("NOT IN THE PASSAGES")
    answers = [("When?", "short"), ("And?", "word " * 1_000), ("Or?", "short")]
    _, _, shown = combine("When?", answers, HITS, model, COMBINE, context_tokens=900, max_tokens=100)
    assert shown == 2
    assert "word word" not in model.asked[0][1].content
    made, _, shown = combine(
        "When?", answers[1:2], HITS, Scripted(), COMBINE, context_tokens=900, max_tokens=100
    )
    assert (made.status, shown) == ("none", 0)
    with pytest.raises(OverlongInput, match="the question needs"):
        combine("When? " * 900, answers, HITS, Scripted(), COMBINE, context_tokens=900, max_tokens=100)


@given(st.text(alphabet='ab[]1: "\x00.\n', max_size=60), st.integers(1, 7))
def test_no_text_breaks_it(text: str, piece: int) -> None:
    cited = CitedText(HITS)
    shown = (
        "".join(cited.feed(text[start : start + piece]) for start in range(0, len(text), piece)) + cited.end()
    )
    whole = CitedText(HITS)
    assert shown == whole.feed(text) + whole.end()
    asked(text)


@pytest.mark.parametrize(
    "end", [' [1: "Download the archive"].', ' [1: "Download the archive"]', '[1: "Download the archive"],']
)
def test_evidence_after_a_full_stop_belongs_to_what_is_before_it(end: str) -> None:
    passages = [Hit(1.0, "docs", "a.md", "", "", 0, 36, "Download the archive and unpack it.\n")]
    evidence = end.format('[1: "Download the archive"]')
    text = f"Download it and unpack it.{evidence} It is not said where."
    assert unsupported_statements(text, passages) == (1, 2)
