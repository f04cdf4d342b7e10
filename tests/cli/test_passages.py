"""What a person sees of a passage."""

from __future__ import annotations

from ragctl.cli.passages import excerpt, marked, matches, question_stems, reflowed


def words(text: str, question: str) -> list[str]:
    return [text[start:end] for start, end in matches(text, question_stems(question))]


def test_words_are_marked_across_their_endings_and_accents() -> None:
    text = "Retrying: a retry of tasks that retries the Café's task, stopped."
    assert words(text, "How do tasks get retried in the cafe, and stop?") == [
        "Retrying",
        "retry",
        "tasks",
        "retries",
        "Café",
        "task",
        "stopped",
    ]


def test_stop_words_mark_nothing_unless_there_is_nothing_else() -> None:
    assert words("the what is it", "What is the index?") == []
    assert words("To be or not to be", "What is to be?") == ["To", "be", "to", "be"]


def test_no_colour_marks_with_asterisks() -> None:
    assert marked("the index is", question_stems("an index"), colour=False).plain == "the *index* is"
    coloured = marked("the index is", question_stems("an index"), colour=True)
    assert coloured.plain == "the index is"
    assert [str(span.style) for span in coloured.spans] == ["bold yellow"]


def test_an_excerpt_holds_the_words() -> None:
    text = "filler words here " * 60 + "the zebra sleeps " + "more filler there " * 60
    short = excerpt(text, question_stems("Where does the zebra sleep?"), 200)
    assert "zebra sleeps" in short
    assert short.startswith("… ")
    assert short.endswith(" …")
    assert len(short) < 230


def test_a_short_passage_stays_whole() -> None:
    assert excerpt("all of it", question_stems("x")) == "all of it"


def test_an_excerpt_of_one_endless_word() -> None:
    assert len(excerpt("x" * 5000, question_stems("y"), 100)) < 220


def test_prose_is_joined_and_structure_is_not() -> None:
    lists = "- one\n- two\n\n    code = 1\n    more = 2\n| a | b |\n| 1 | 2 |\n# Head\nText."
    structure = lists + "\n\n```\n$ one\ntwo\nthree\n```"
    prose = "A line that\n`goes` on here.\n\n\n"
    assert reflowed(prose + structure) == "A line that `goes` on here.\n\n" + structure
