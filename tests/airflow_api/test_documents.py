"""What a run returned → what a run on this machine would have returned."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ragctl.airflow.documents import (
    ask_document,
    ask_documents,
    ask_result,
    ingest_document,
    ingest_report,
)
from ragctl.airflow.faults import StrangeResult
from ragctl.errors import UsageError
from ragctl.run.answering.ask import AskResult, Unanswered
from ragctl.run.ingesting.report import Counts, IngestReport
from ragctl.types import Failure, Hit, Usage

HIT = Hit(
    score=0.75,
    source="docs",
    document="ä.md",
    uri="file:///ä.md",
    title="Ä",
    start=3,
    end=8,
    text="line\u2028one",
    headings=("A", "B"),
    line=4,
    metadata={"n": 1},
    duplicates=({"source": "docs", "document": "b.md"},),
    trail={"query": {"rank": 1, "score": 0.75}},
)


def report() -> IngestReport:
    counted = Failure("docs", "a.md", "extract", "malformed", "no text", retryable=False)
    accepted = Failure("docs", "b.md", "extract", "empty", "there is no text in it", False, known=True)
    return IngestReport(
        run_id="airflow/run",
        pipeline="docs",
        index="docs",
        generation=3,
        recipe="abc",
        started_at=datetime(2026, 11, 22, 17, 1, 16, 251, tzinfo=UTC),
        seconds=1.5,
        counts=Counts(listed=5, added=2, failed=2, chunks=9, embedded=8, cached=1),
        tokens=1234,
        cost_usd=None,
        failures=[counted, accepted],
        published=False,
        lacking=2,
        ignored=lambda failure: failure == accepted,
    )


def through_json(document: object) -> Any:
    return json.loads(json.dumps(document))


def test_an_ingest_report_comes_back_as_it_was() -> None:
    document = ingest_document(through_json({**report().as_json(), "asset": {"generation": 3}}))
    assert document == report().as_json()
    back = ingest_report(document)
    assert back.as_json() == document
    here, there = (one.verdict(1, "ragctl {}".format) for one in (report(), back))
    assert here is not None
    assert there is not None
    assert there.as_json() == here.as_json()


def test_a_result_comes_back_as_it_was() -> None:
    asked = AskResult("What?", [HIT], ("How?",), {"total_ms": 2.5}, Usage(tokens=7, cost_usd=0.5))
    document = ask_document(through_json(asked.as_json()))
    back = ask_result(document)
    assert back.as_json() == document == through_json(asked.as_json())


def test_several_results_with_a_failed_question_among_them() -> None:
    failed = Unanswered("?" * 9, UsageError("the question is too long", hint="shorten it"))
    result = {"schema_version": 1, "results": [AskResult("What?", []).as_json(), failed.as_json()]}
    good, bad = ask_documents(through_json(result), 2)
    assert ask_result(good).as_json() == good
    back = ask_result(bad)
    assert isinstance(back, Unanswered)
    assert back.as_json() == failed.as_json()


@pytest.mark.parametrize("result", [None, 3, [], {}, {"hits": []}, "text", {"question": "?"}])
def test_what_is_no_result_is_an_error_for_people(result: object) -> None:
    for reads in (ask_document, ingest_document, lambda one: ask_documents(one, 1)):
        with pytest.raises(StrangeResult) as strange:
            reads(result)
        assert strange.value.exit_code == 5
        assert strange.value.hint is not None


def test_a_result_for_each_question_or_none() -> None:
    with pytest.raises(StrangeResult):
        ask_documents({"results": [AskResult("a", []).as_json()]}, 2)


def test_a_result_in_object_storage_is_called_that() -> None:
    with pytest.raises(StrangeResult) as strange:
        ask_document("file:///xcoms/docs_ask/answer")
    assert "xcom_objectstorage_threshold" in str(strange.value.hint)


@pytest.mark.parametrize("broken", ["counts", "failures", "started_at", "usage"])
def test_a_report_of_another_form_is_an_error_for_people(broken: str) -> None:
    with pytest.raises(StrangeResult):
        ingest_report({**report().as_json(), broken: [1]})


@pytest.mark.parametrize(
    "hits", [None, [3], [{}], [{**AskResult("?", [HIT]).as_json()["hits"][0], "heading": 0, "duplicates": 3}]]
)
def test_hits_of_another_form_are_an_error_for_people(hits: object) -> None:
    with pytest.raises(StrangeResult):
        ask_result({**AskResult("?", [HIT]).as_json(), "hits": hits})
    with pytest.raises(StrangeResult):
        ask_result({"question": "?", "error": "text"})
