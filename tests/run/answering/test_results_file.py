"""The file of results: what failed is asked again, whenever the process before was killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragctl.errors import UsageError
from ragctl.run.answering.results_file import ResultsFile

QUESTIONS = ["one?", " two? ", "three?", "four?", "five?"]


def good(question: str, said: str = "first") -> dict[str, Any]:
    return {"question": question.strip(), "hits": [], "said": said}


def bad(question: str) -> dict[str, Any]:
    return {"question": question, "error": {"code": 6}}


def begun(path: Path, documents: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in documents), encoding="utf-8")
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """Three of five have a line, two of those failed."""
    return begun(tmp_path / "out.jsonl", [bad(QUESTIONS[0]), bad(QUESTIONS[1]), good(QUESTIONS[2])])


def test_what_failed_is_asked_again_before_what_is_left(half: Path) -> None:
    with ResultsFile(half, QUESTIONS) as results:
        assert (results.left, results.before, results.again, results.failed) == ((0, 1, 3, 4), 1, 2, 2)
        results.add(good(QUESTIONS[0], "again"))
        results.add(bad(QUESTIONS[1]))
        results.add(good(QUESTIONS[3]))
        results.add(bad(QUESTIONS[4]))
        assert results.failed == 2
    found = lines(half)
    assert [one["question"].strip() for one in found] == [one.strip() for one in QUESTIONS]
    assert ["error" in one for one in found] == [False, True, False, False, True]
    assert found[0]["said"] == "again"
    assert [file.name for file in half.parent.iterdir()] == ["out.jsonl"]
    with ResultsFile(half, QUESTIONS) as results:
        assert results.left == (1, 4)


def test_a_process_that_was_killed_had_asked_some_again(half: Path) -> None:
    killed = ResultsFile(half, QUESTIONS)
    killed.add(good(QUESTIONS[0], "again"))
    killed._file.close()  # and nothing else is done
    assert killed._again is not None
    killed._again.write(b'{"line": 1, "resu')  # a line that was not written whole
    killed._again.close()
    assert "error" in lines(half)[0]
    with ResultsFile(half, QUESTIONS) as results:
        assert results.left == (1, 3, 4)
    assert lines(half)[0]["said"] == "again"


def test_one_killed_while_the_lines_were_put_in_place(half: Path) -> None:
    beside = half.with_name("out.jsonl.again")
    begun(beside, [{"line": 0, "result": good(QUESTIONS[0], "again")}])
    begun(half.with_name("out.jsonl.new"), [good(QUESTIONS[0], "half of it")])
    with ResultsFile(half, QUESTIONS) as results:
        assert results.left == (1, 3, 4)
    assert [file.name for file in half.parent.iterdir()] == ["out.jsonl"]


def test_what_lies_beside_takes_no_good_answers_place(half: Path) -> None:
    beside = begun(
        half.with_name("out.jsonl.again"),
        [
            {"line": 2, "result": good(QUESTIONS[2], "another")},
            {"line": 1, "result": good("of other questions?")},
            {"line": 9, "result": good("of other questions?")},
        ],
    )
    before = half.read_bytes()
    with ResultsFile(half, QUESTIONS) as results:
        assert results.left == (0, 1, 3, 4)
    assert half.read_bytes() == before
    assert not beside.exists()


def test_a_file_that_was_removed_begins_anew(half: Path) -> None:
    begun(half.with_name("out.jsonl.again"), [{"line": 0, "result": good(QUESTIONS[0])}])
    half.unlink()
    with ResultsFile(half, QUESTIONS) as results:
        assert results.left == (0, 1, 2, 3, 4)
    assert half.read_bytes() == b""


def test_something_else_beside_it_is_said(half: Path) -> None:
    beside = half.with_name("out.jsonl.again")
    beside.write_text("no json\n", encoding="utf-8")
    with pytest.raises(UsageError, match="something else than results of questions that were asked again"):
        ResultsFile(half, QUESTIONS)
    assert beside.read_text(encoding="utf-8") == "no json\n"
