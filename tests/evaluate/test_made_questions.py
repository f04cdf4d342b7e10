"""Questions made of passages: whose words they are, and where the answer stands."""

from __future__ import annotations

from collections import Counter

import pytest

from ragctl.evaluate.made_questions import Passage, WordCounts, of_heading, of_reply, of_sentence

TEXT = "The office is open. A lease that expired is taken over by the next run after ten seconds. It is so."
PASSAGE = Passage("docs", "lease.md", 100, TEXT, ("Leases", "Taking over a lease"))
OTHERS = [
    Passage("docs", f"{n}.md", 0, "The office is open and the next run is so and so by the door.")
    for n in range(5)
]


def test_a_sentence_gives_its_rarest_words_in_their_order() -> None:
    made = of_sentence(PASSAGE, WordCounts([PASSAGE, *OTHERS]))
    assert made is not None
    assert made.question.split()[:3] == ["lease", "that", "expired"]
    sentence = TEXT[made.start - 100 : made.end - 100]
    assert sentence == "A lease that expired is taken over by the next run after ten seconds."
    line = made.as_json(3)
    assert line["documents"] == [
        {"document": "docs/lease.md", "start": made.start, "end": made.end, "quote": sentence}
    ]


def test_tables_and_code_make_no_question() -> None:
    table = Passage("docs", "t.md", 0, "| one cell | another cell | a third cell of a table row | end |")
    assert of_sentence(table, WordCounts([table])) is None


def test_a_heading_that_stands_twice_says_too_little() -> None:
    assert of_heading(PASSAGE, Counter({"Taking over a lease": 1})) is not None
    assert of_heading(PASSAGE, Counter({"Taking over a lease": 2})) is None
    assert of_heading(Passage("docs", "x", 0, "text", ("Short",)), Counter()) is None


@pytest.mark.parametrize(
    "reply",
    [
        '{"question": "When is a lease taken over?", "quote": "after ten seconds"}',
        'So:\n```json\n{"question": "When is a lease\\ntaken over?", "quote": "after  ten\\nseconds"}\n```',
    ],
)
def test_a_models_question_keeps_the_place_of_its_quote(reply: str) -> None:
    made = of_reply(PASSAGE, reply, "a-model")
    assert made is not None
    assert made.question == "When is a lease taken over?"
    assert TEXT[made.start - 100 : made.end - 100] == "after ten seconds"
    assert made.made_by == "a-model"


@pytest.mark.parametrize(
    "reply",
    [
        '{"question": null}',
        '{"question": "When?", "quote": "after eleven seconds"}',
        '{"question": "When?", "quote": " "}',
        '{"question": "", "quote": "ten"}',
        '["When?"]',
        "I cannot do that.",
        '{"question": "When?", "quote": ',
    ],
)
def test_a_reply_without_a_quote_of_the_passage_is_none(reply: str) -> None:
    assert of_reply(PASSAGE, reply, "a-model") is None
