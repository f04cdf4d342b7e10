"""Other versions of a question, by what was found for it."""

from __future__ import annotations

import pytest

from ragctl.stages.expansion import FEEDBACK_WORDS, expanded, feedback_words
from ragctl.types import Hit


def hits(*texts: str) -> list[Hit]:
    return [Hit(1.0 / n, "docs", f"{n}", "", "", 0, len(text), text) for n, text in enumerate(texts, 1)]


OTHERS = [f"The note {n} is about weather and the garden." for n in range(8)]


def test_words_of_the_best_passages_are_added() -> None:
    found = hits("The lease is held by a heartbeat.", "A heartbeat keeps the lease.", *OTHERS)
    assert feedback_words("Who holds the lease?", found[:2], found)[0] == "heartbeat"
    made = expanded("Who holds the lease?", [found[:2] + found[5:], found], "prf")
    assert made is not None
    assert made.startswith("Who holds the lease? heartbeat")
    assert len(made.split()) <= 4 + FEEDBACK_WORDS
    assert "lease?" in made
    assert made.split().count("lease") == 0  # the question has it


def test_words_that_most_passages_have_are_left_out() -> None:
    found = hits("The lease of the note", *OTHERS)
    assert expanded("What is the lease note about?", [found], "keywords") == "lease"


@pytest.mark.parametrize("expansion", ["none", "prf", "keywords"])
def test_where_nothing_was_found_nothing_is_added(expansion: str) -> None:
    assert expanded("Why?", [[], []], expansion) is None  # type: ignore[arg-type]


def test_a_question_of_key_words_alone_stays() -> None:
    assert expanded("lease", [hits("a lease", *OTHERS)], "keywords") is None


def test_a_script_without_spaces() -> None:
    found = hits("长江是中国最长的河流", "上海有许多高楼", "北京是首都")
    words = feedback_words("河流", found[:1], found)
    assert "长江" in words
    assert "河流" not in words
