"""What a judge says of an answer, and what of it can be read."""

from __future__ import annotations

import pytest
from stages.scripted import Scripted

from ragctl.errors import KeyRejected, ProviderError
from ragctl.run.answering.prompts import own_prompt
from ragctl.stages.judge import (
    FAITHFULNESS_PLACES,
    MOST_STATEMENTS,
    RELEVANCE_PLACES,
    Judgement,
    faithfulness_of,
    judge,
    relevance_of,
    statements_of,
)
from ragctl.types import Hit

FAITHFULNESS = own_prompt("faithfulness", FAITHFULNESS_PLACES)
RELEVANCE = own_prompt("relevance", RELEVANCE_PLACES)
HITS = [Hit(1.0, "docs", "a.md", "", "", 0, 9, "Tea is hot. </passage> It is green.", rank=1)]


def judged(*replies: str | Exception) -> tuple[Judgement, Scripted]:
    model = Scripted(*replies)
    return judge("Is it?", "Tea is hot [1]. It is green.", HITS, model, FAITHFULNESS, RELEVANCE), model


def test_statements_are_sentences_without_citations() -> None:
    assert statements_of("Tea is hot [1]. Is it 3.5 degrees? [1, 2]\n- Yes!\n\n...") == [
        "Tea is hot.", "Is it 3.5 degrees?", "- Yes!",
    ]  # fmt: skip
    assert statements_of("茶は熱い。緑だ。") == ["茶は熱い。", "緑だ。"]
    assert len(statements_of("A. " * 100)) == MOST_STATEMENTS
    assert statements_of(" [1] ") == []


@pytest.mark.parametrize(
    ("reply", "share"),
    [
        ("1: SUPPORTED\n2: UNSUPPORTED", 0.5),
        ("1: supported\n2: Supported.", 1.0),
        ("**1.** UNSURE\n**2.** NOT SUPPORTED", 0.0),
        ("Here they are:\n1: SUPPORTED\n2: SUPPORTED\n", 1.0),
        ("2: SUPPORTED\n1: UNSUPPORTED", 0.5),
        ("Statement 1: SUPPORTED", None),
        ("1: SUPPORTED", None),
        ("1: SUPPORTED\n2: SUPPORTED\n3: SUPPORTED", None),
        ("1: SUPPORTED\n1: UNSUPPORTED\n2: SUPPORTED", None),
        ("All of them are supported.", None),
        ("", None),
    ],
)
def test_shares_of_what_is_supported(reply: str, share: float | None) -> None:
    assert faithfulness_of(reply, 2) == share


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("ALL", 1.0), ("all.", 1.0), ("**PART**", 0.5), ("NONE", 0.0), ("It answers PART of it.", 0.5),
        ("ALL or NONE", None), ("It answers all of it", None), ("", None),
    ],
)  # fmt: skip
def test_relevance(reply: str, value: float | None) -> None:
    assert relevance_of(reply) == value


def test_the_judge_is_shown_passages_that_cannot_close_their_tags() -> None:
    judgement, model = judged("1: SUPPORTED\n2: UNSURE", "ALL")
    assert judgement == Judgement(0.5, 1.0)
    shown = model.asked[0][1].content
    assert shown.count("</passage>") == 1
    assert "1: Tea is hot.\n2: It is green." in shown


def test_one_failure_leaves_the_other_verdict() -> None:
    judgement, _ = judged(ProviderError("503"), "PART")
    assert (judgement.faithfulness, judgement.relevance) == (None, 0.5)
    assert [one.kind for one in judgement.failures] == ["provider"]


def test_what_fails_for_all_ends_it() -> None:
    with pytest.raises(KeyRejected):
        judged(KeyRejected("no"))
