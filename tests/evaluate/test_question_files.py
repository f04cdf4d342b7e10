"""Questions and judgements as files have them, and what is wrong with a line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragctl.errors import UsageError
from ragctl.evaluate.judgements import Judged
from ragctl.evaluate.question_files import read_questions

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


def write(folder: Path, *records: object, name: str = "questions.jsonl") -> Path:
    file = folder / name
    lines = [one if isinstance(one, str) else json.dumps(one) for one in records]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_questions_with_their_own_judgements(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {"id": "a", "question": "Who?", "documents": ["x.md", {"document": "y.md", "start": 3, "end": 9}]},
        {
            "id": 7,
            "question": "What?",
            "quotes": ["two words", {"quote": "three", "document": "z.md", "grade": 2}],
        },
        {"id": "c", "question": "When?", "answers": ["1066"]},
        {"id": "d", "question": "Why?"},
    )
    found = read_questions(file)
    assert [one.id for one in found.questions] == ["a", "7", "c"]
    assert found.left_out == ("d",)
    assert found.questions[0].judged == (Judged("x.md"), Judged("y.md", start=3, end=9))
    assert found.questions[1].judged == (
        Judged("", quote="two words"),
        Judged("z.md", grade=2, quote="three"),
    )
    assert found.questions[2].answers == ("1066",)
    assert found.level == "span"


BEIR = "query-id\tcorpus-id\tscore\nq1\td 1\t2\nq1\td2\t0\n"
TREC = "q1 0 d1 2\nq1 Q0 d2 -1\n"


@pytest.mark.parametrize(("text", "first"), [(BEIR, "d 1"), (TREC, "d1")])
def test_judgements_of_beir_and_trec(tmp_path: Path, text: str, first: str) -> None:
    queries = write(tmp_path, {"_id": "q1", "text": "Who?"}, {"_id": "q2", "text": "What?"})
    qrels = tmp_path / "qrels"
    qrels.write_text(text, encoding="utf-8")
    found = read_questions(queries, qrels)
    assert [one.judged for one in found.questions] == [(Judged(first, grade=2), Judged("d2", grade=0))]
    assert (found.left_out, found.level) == (("q2",), "document")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "no JSON"),
        ([], "no JSON object"),
        ({"question": "?"}, "no id"),
        ({"id": "a", "question": " "}, "no question"),
        ({"id": "a", "question": "?", "documents": "x"}, "no list"),
        ({"id": "a", "question": "?", "documents": [{"doc": "x"}]}, "something other"),
        ({"id": "a", "question": "?", "documents": [""]}, "without a document"),
        ({"id": "a", "question": "?", "documents": [{"document": "x", "start": 9, "end": 3}]}, "no span"),
        ({"id": "a", "question": "?", "quotes": [{"quote": "x", "start": 1, "end": 3}]}, "need the document"),
        ({"id": "a", "question": "?", "documents": [{"document": "x", "grade": "high"}]}, "whole number"),
        ({"id": "a", "question": "?", "answers": [1]}, "no list of texts"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(tmp_path: Path, line: object, told: str) -> None:
    file = write(tmp_path, {"id": "ok", "question": "?", "answers": ["x"]}, line)
    with pytest.raises(UsageError, match=told) as error:
        read_questions(file)
    assert error.value.where == f"{file}:2"


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_questions(tmp_path / "absent")
    with pytest.raises(UsageError, match="nothing is known"):
        read_questions(write(tmp_path, {"id": "a", "question": "?"}))
    with pytest.raises(UsageError, match="twice"):
        read_questions(write(tmp_path, *[{"id": "a", "question": "?", "answers": ["x"]}] * 2))
    qrels = write(tmp_path, "query-id\tcorpus-id\tscore", "a\tb", name="qrels")
    with pytest.raises(UsageError, match="2 parts") as told:
        read_questions(write(tmp_path, {"id": "a", "question": "?"}), qrels)
    assert told.value.where == f"{qrels}:2"


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not beside the project")
def test_real_question_files() -> None:
    scifact = read_questions(DATA / "scifact" / "queries.jsonl", DATA / "scifact" / "qrels" / "train.tsv")
    assert (len(scifact.questions), len(scifact.left_out), scifact.level) == (809, 0, "document")
    assert sum(len(one.judged) for one in scifact.questions) == 919
    xquad = read_questions(DATA / "xquad-en" / "queries.jsonl")
    assert (len(xquad.questions), xquad.level) == (1190, "answer")
