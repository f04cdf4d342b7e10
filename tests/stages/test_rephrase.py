"""Other wordings of a question, out of whatever a chat model replies."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages.scripted import Scripted

import ragctl
from ragctl.errors import KeyRejected, ProviderError
from ragctl.stages.prompt import Prompt, plain
from ragctl.stages.rephrase import REPHRASE_PLACES, STAND_ALONE_PLACES, rephrase, stand_alone
from ragctl.stages.rephrasing_reply import LONGEST_VERSION, versions_of
from ragctl.types import Message

QUESTION = "How do I stop the server?"
PROMPTS = Path(ragctl.__file__).parent / "prompts"
PROMPT = Prompt.parse((PROMPTS / "rephrase.md").read_text(encoding="utf-8"), places=REPHRASE_PLACES)
ALONE = Prompt.parse((PROMPTS / "stand_alone.md").read_text(encoding="utf-8"), places=STAND_ALONE_PLACES)


@pytest.mark.parametrize(
    ("reply", "versions"),
    [
        ("1. What halts it?\n2. What ends it?\n", ["What halts it?", "What ends it?"]),
        ("1) What halts it?\n\n2) What ends it?", ["What halts it?", "What ends it?"]),
        ("Sure! Here are 3 versions:\n\n- **What halts it?**\n- \"What ends it?\"\n\nHope that helps!",
         ["What halts it?", "What ends it?"]),
        ("Here you go:\nWhat halts it?\n\n\nWhat ends it?", ["What halts it?", "What ends it?"]),
        ('```json\n{"questions": ["What halts it?", "What ends it?"]}\n```',
         ["What halts it?", "What ends it?"]),
        ('[{"q": "What halts it?"}, {"q": "What ends it?"}]', ["What halts it?", "What ends it?"]),
        ('["What halts it?", ', ['["What halts it?",']),
        (f"1. {QUESTION}\n2. how do i stop the SERVER\n3. What ends it?", ["What ends it?"]),
        ("What ends it?\nwhat ends it", ["What ends it?"]),
        ("<think>1. Let me see\n2. well</think>\nWhat ends it?", ["What ends it?"]),
        ("1. A a?\n2. B b?\n3. C c?\n4. D d?", ["A a?", "B b?", "C c?"]),
        ("I'm sorry, I cannot help with that.", []),
        ("「サーバーを止めるには？」\n• 如何停止服务器？", ["如何停止服务器？"]),
        ('1. What does "stop" do?', ['What does "stop" do?']),
        ("1. x\x1b[31mred\x07 \u202eflipped?", ["x[31mred flipped?"]),
        ("", []),
        ("\n \n", []),
        ("[1, 2]", []),
        ("y" * (LONGEST_VERSION + 1), []),
    ],
)  # fmt: skip
def test_replies_of_all_kinds(reply: str, versions: list[str]) -> None:
    assert versions_of(reply, QUESTION, 3) == versions


@given(st.text(max_size=400))
def test_no_reply_breaks_it(reply: str) -> None:
    made = versions_of(reply, QUESTION, 3)
    assert len(made) <= 3
    assert all(version and plain(version) == version for version in made)


def test_the_question_itself_comes_first() -> None:
    model = Scripted("1. What ends it?")
    assert rephrase(QUESTION, model, PROMPT).versions == (QUESTION, "What ends it?")
    [[system, user]] = model.asked
    assert (system.role, user.role) == ("system", "user")
    assert QUESTION in user.content
    assert "3 versions" in user.content


def test_a_failure_leaves_the_question_alone() -> None:
    made = rephrase(QUESTION, Scripted(ProviderError("503")), PROMPT)
    assert made.versions == (QUESTION,)
    assert made.failure is not None
    assert made.failure.kind == "provider"
    with pytest.raises(KeyRejected):
        rephrase(QUESTION, Scripted(KeyRejected("no")), PROMPT)


def test_nothing_in_a_question_is_a_place() -> None:
    model = Scripted("x y?")
    rephrase("What is $n and ${question} and $$?", model, PROMPT)
    assert "What is $n and ${question} and $$?" in model.asked[0][1].content


def test_a_question_of_a_conversation_stands_alone() -> None:
    history = [Message("user", "What is the keeper?"), Message("assistant", "A process.\x1b[2J")]
    model = Scripted("How do I stop the keeper?")
    assert stand_alone("How do I stop it?", history, model, ALONE) == ("How do I stop the keeper?", None)
    told = model.asked[0][1].content
    assert "user: What is the keeper?\nassistant: A process.[2J" in told
    silent = Scripted()
    assert stand_alone("Why?", [], silent, ALONE) == ("Why?", None)
    assert silent.asked == []
    question, failure = stand_alone("Why?", history, Scripted(ProviderError("503")), ALONE)
    assert question == "Why?"
    assert failure is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no divider", "needs a line ---"),
        ("a\n---\n$question", "it lacks $n"),
        ("a\n---\n$question $n $more", "it has $more; known are $n, $question"),
        ("a\n---\n$question $n 5$", "write $$"),
    ],
)
def test_a_prompt_that_cannot_be_used(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"\$|---") as raised:
        Prompt.parse(text, places=REPHRASE_PLACES)
    assert said in str(raised.value)
