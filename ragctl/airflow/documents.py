"""What a run in Airflow returned → the values that a run on this machine would have returned."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ragctl.airflow.faults import StrangeResult, error_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ragctl.run.answering.asked import AskResult, Unanswered
    from ragctl.run.ingesting.report import IngestReport
    from ragctl.types import Usage

ASSET = "asset"
"""Key of the metadata for Airflow's asset event, which `ragctl ingest` does not print."""


def ingest_document(result: object) -> dict[str, Any]:
    """The JSON document of `ragctl ingest` in what a run of the ingest DAG returned.

    Raises:
        StrangeResult: it is something else.
    """
    document = _document(result, "index", "generation", "counts", "failures", "published")
    return {key: value for key, value in document.items() if key != ASSET}


def ask_document(result: object) -> dict[str, Any]:
    """The JSON document of `ragctl ask` in what a run of the ask DAG returned for one question.

    Raises:
        StrangeResult: it is something else.
    """
    return _document(result, "question", "hits")


def ask_documents(result: object, expected: int) -> list[dict[str, Any]]:
    """One document a question, for those that failed with the key `error` instead of `hits`.

    Raises:
        StrangeResult: it is something else, or not one a question.
    """
    found = _document(result, "results")["results"]
    if not isinstance(found, list) or len(found) != expected:
        raise _strange("not one result for each question")
    return [one if _has(one, "question", "error") else ask_document(one) for one in found]


def ingest_report(document: Mapping[str, Any]) -> IngestReport:
    """The report whose `as_json` gives this document.

    Raises:
        StrangeResult: it is none.
    """
    from ragctl.run.ingesting.report import Counts, IngestReport
    from ragctl.types import Failure

    with _understood():
        counted = {name: int(document["counts"].get(name, 0)) for name in Counts.__dataclass_fields__}
        failures = [
            Failure(**{name: one[name] for name in Failure.__dataclass_fields__})
            for one in document["failures"]
        ]
        ignored = {
            failure for failure, one in zip(failures, document["failures"], strict=True) if one["ignored"]
        }
        return IngestReport(
            run_id=document["run_id"],
            pipeline=document["pipeline"],
            index=document["index"],
            generation=document["generation"],
            recipe=document["recipe"],
            started_at=datetime.fromisoformat(document["started_at"]),
            seconds=float(document["seconds"]),
            counts=Counts(**counted),
            tokens=document["usage"]["tokens"],
            cost_usd=document["usage"]["cost_usd"],
            usage=_stages(document),
            failures=failures,
            published=document["published"],
            interrupted=document["interrupted"],
            lacking=document.get("lacking", 0),
            ignored=ignored.__contains__,
        )


def ask_result(document: Mapping[str, Any]) -> AskResult | Unanswered:
    """The result whose `as_json` gives this document.

    Raises:
        StrangeResult: it is none.
    """
    from ragctl.run.answering.asked import AskResult, Unanswered

    with _understood():
        if "error" in document:
            error = error_of(document["error"])
            if error is None:
                raise ValueError("no error")
            return Unanswered(document["question"], error)
        return AskResult.of_json(document)


def _stages(document: Mapping[str, Any]) -> dict[str, Usage]:
    """Usage by stage; nothing of a ragctl that did not tell it."""
    from ragctl.run.usage import usage_of

    return {stage: usage_of(one) for stage, one in document["usage"].get("stages", {}).items()}


def _document(result: object, *keys: str) -> dict[str, Any]:
    if isinstance(result, str) and "://" in result:
        raise StrangeResult(
            "the run's result lies in object storage, which Airflow's API does not read",
            hint="raise [common.io] xcom_objectstorage_threshold in Airflow above the size of an answer",
        )
    if result is None:
        raise _strange("nothing")
    if not isinstance(result, dict) or not _has(result, *keys):
        raise _strange("something else")
    return result


def _has(document: object, *keys: str) -> bool:
    return isinstance(document, dict) and all(key in document for key in keys)


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _strange("a document of another form") from None


def _strange(what: str) -> StrangeResult:
    return StrangeResult(
        f"the run in Airflow succeeded and returned {what}, where ragctl's result was to be expected",
        hint="was the DAG changed by hand, or is ragctl there of another version than here?",
    )
