"""Questions on a real index with the real model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from workspace import Workspace, call

PAGES = {
    "coffee.txt": "The coffee machine on the third floor takes tokens.\n",
    "coffee-copy.txt": "The coffee machine on the third floor\ntakes tokens.\n",
    "hours.md": "# Opening hours\n\nWe open at nine and close at five.\n",
    "backup.rst": "Backups\n=======\n\nA copy of the database is made every night.\n",
}


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    for path, text in PAGES.items():
        workspace.write(path, text)
    workspace.ingest()
    return workspace


def test_the_right_passage_comes_first(filled: Workspace) -> None:
    for question, document in {
        "When does the shop close?": "hours.md",
        "How often do you save the data?": "backup.rst",
        "Where can I get an espresso?": "coffee-copy.txt",
    }.items():
        hits = filled.call("ask", question, "--format", "json").json["hits"]
        assert hits[0]["document"] == document, question


def test_json_keeps_its_shape(filled: Workspace) -> None:
    called = filled.call("ask", "When does the shop close?", "--format", "json")
    answer = called.json
    assert list(answer) == [
        "schema_version",
        "question",
        "stand_alone",
        "rephrasings",
        "hits",
        "left_out",
        "answer",
        "notes",
        "models",
        "prompts",
        "timings",
        "usage",
    ]
    hit = answer["hits"][0]
    assert list(hit) == [
        "rank",
        "score",
        "source",
        "document",
        "uri",
        "title",
        "heading",
        "page",
        "sheet",
        "line",
        "start",
        "end",
        "text",
        "metadata",
        "duplicates",
        "trail",
    ]
    assert (hit["rank"], hit["source"], hit["title"], hit["heading"]) == (
        1,
        "docs",
        "Opening hours",
        "Opening hours",
    )
    assert hit["line"] == 1
    assert hit["uri"].startswith("file:///")
    assert list(hit["trail"]) == ["dense", "lexical"]
    assert hit["trail"]["dense"]["rank"] == hit["trail"]["lexical"]["rank"] == 1
    assert hit["score"] == pytest.approx(2)  # first in both lists
    assert hit["text"] == PAGES["hours.md"][hit["start"] : hit["end"]]
    assert answer["usage"]["tokens"] > 0
    assert answer["timings"]["total_ms"] >= answer["timings"]["query_ms"] >= answer["timings"]["embed_ms"] > 0


@pytest.mark.parametrize("mode", ["dense", "lexical"])
def test_one_search_alone_keeps_its_scores(filled: Workspace, mode: str) -> None:
    filled.spec(ask={"query": {"mode": mode}})
    answer = filled.call("ask", "When does the shop close?", "--format", "json").json
    hit = answer["hits"][0]
    assert hit["trail"] == {mode: {"rank": 1, "score": hit["score"]}}
    assert f"{mode}_ms" in answer["timings"]
    assert ("embed_ms" in answer["timings"]) is (mode == "dense")


def test_words_find_what_vectors_miss(filled: Workspace) -> None:
    filled.write("codes.md", "# Codes\n\nThe error XK-4711 means that the lid is open.\n")
    filled.ingest()
    filled.spec(ask={"query": {"mode": "lexical"}})
    hits = filled.call("ask", "XK-4711", "--format", "json").json["hits"]
    assert [hit["document"] for hit in hits] == ["codes.md"]
    assert filled.call("ask", "zzz", "--format", "json").json["hits"] == []


def test_explain_shows_ranks_scores_and_times(filled: Workspace) -> None:
    shown = filled.call("ask", "When does the shop close?", "--explain", "--top", "2")
    assert shown.code == 0, shown.err
    header = next(line for line in shown.out.splitlines() if line.startswith("#"))
    assert header.split() == ["#", "passage", "dense", "lexical", "folded", "score"]
    assert "#1 0." in shown.out
    last = shown.out.splitlines()[-1]
    assert last.startswith("milliseconds: query ")
    assert all(f"{step} " in last for step in ("embed", "dense", "lexical", "dedupe", "rank", "total"))


def test_the_same_text_is_one_hit(filled: Workspace) -> None:
    hits = filled.call("ask", "Where can I get an espresso?", "--format", "json").json["hits"]
    assert [one["document"] for one in hits[0]["duplicates"]] == ["coffee.txt"]
    assert len(hits) == 3


def test_scores_fall_and_ranks_rise(filled: Workspace) -> None:
    hits = filled.call("ask", "What time is it?", "--format", "json").json["hits"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    only = filled.call("ask", "What time is it?", "--format", "json", "--top", "1").json["hits"]
    assert [hit["document"] for hit in only] == [hits[0]["document"]]


def test_the_table_names_place_trail_and_marks_words(filled: Workspace) -> None:
    called = filled.call("ask", "When do you open and close?", "--top", "1")
    assert called.code == 0
    assert "docs: hours.md:1" in called.out
    assert "dense #1" in called.out
    assert "*open*" in called.out
    assert "*close*" in called.out
    assert max(map(len, called.out.splitlines())) <= 80


@pytest.mark.parametrize("lines", ["plain", "json", "mixed"])
def test_many_questions_in_one_process(filled: Workspace, tmp_path: Path, lines: str) -> None:
    questions = ["When does the shop close?", "Where can I get an espresso?"]
    as_json = [json.dumps({"question": question, "id": 7}) for question in questions]
    text = {"plain": questions, "json": as_json, "mixed": [questions[0], "", as_json[1]]}[lines]
    file = tmp_path / "questions"
    file.write_text("\n".join(text) + "\n", encoding="utf-8")
    called = filled.call("ask", "--questions", str(file), "--format", "json")
    assert called.code == 0, called.err
    answers = [json.loads(line) for line in called.out.splitlines()]
    assert [answer["question"] for answer in answers] == questions
    assert [answer["hits"][0]["document"] for answer in answers] == ["hours.md", "coffee-copy.txt"]


def test_a_question_that_fails_fails_alone(filled: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "questions"
    file.write_text("When?\n" + "very " * 400 + "long?\nWhere?\n", encoding="utf-8")
    called = filled.call("ask", "--questions", str(file), "--format", "json")
    assert called.code == 3
    lines = [json.loads(line) for line in called.out.splitlines()]
    assert [set(line) == {"question", "error"} for line in lines] == [False, True, False]
    assert "too long" in lines[1]["error"]["message"]


@pytest.mark.parametrize(
    ("text", "place"), [('{"question": 3}', ":1"), ('{"q": "x"}', ":1"), ('ok\n{"question": ', ":2:")]
)
def test_a_wrong_file_of_questions_says_where(
    filled: Workspace, tmp_path: Path, text: str, place: str
) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(text, encoding="utf-8")
    called = filled.call("ask", "--questions", str(file))
    assert called.code == 2
    assert f"questions.jsonl{place}" in called.err


@pytest.mark.parametrize(
    "arguments", [(), ("What?", "--questions", "file"), ("   ",), ("--questions", "missing")]
)
def test_wrong_calls(filled: Workspace, arguments: tuple[str, ...]) -> None:
    called = filled.call("ask", *arguments)
    assert called.code == 2
    assert "Traceback" not in called.err


def test_before_the_first_ingest_there_is_nothing_to_ask(workspace: Workspace, tmp_path: Path) -> None:
    called = workspace.call("ask", "Anything?", "--format", "json")
    assert called.code == 5
    assert called.json["error"]["kind"] == "nothing_published"
    assert "ragctl ingest" in called.json["error"]["hint"]
    lonely = tmp_path / "lonely.yaml"
    lonely.write_text("name: lonely\nsources: [{type: directory, path: .}]\n", encoding="utf-8")
    assert call("ask", str(lonely), "Anything?").code == 5
    assert not (tmp_path / ".ragctl").exists()


def test_an_index_of_another_model_is_refused(filled: Workspace, connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "UPDATE ragctl.generations SET embedder = 'another-model@1' WHERE index_name = %s", (filled.name,)
    )
    called = filled.call("ask", "When?", "--format", "json")
    assert called.code == 5
    assert "another-model@1" in called.json["error"]["message"]
