"""Errors on their way through an XCom."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import ragctl.airflow.answers
import ragctl.run.tasks  # noqa: F401  # so that the errors defined there are known, too
from ragctl.airflow.faults import error_of
from ragctl.errors import Drift, IncompleteIngest, LockDrift, RagctlError, RejectedInputs, SpecError


def every(base: type[RagctlError]) -> Iterator[type[RagctlError]]:
    yield base
    for one in base.__subclasses__():
        yield from every(one)


def example(kind: type[RagctlError]) -> RagctlError:
    if issubclass(kind, SpecError):
        return kind(
            "2 mistakes", where="a.yaml", hint="mend them", mistakes=["a.yaml:1:1: é", "a.yaml:2:2: b"]
        )
    if issubclass(kind, Drift):
        return kind("it moved", moved=[("embed.model", "a", None)])
    if issubclass(kind, IncompleteIngest):
        return kind("1 document failed", where="max_failures", hint="look", report={"failures": []})
    if issubclass(kind, RejectedInputs):
        return kind("2 of 3 texts", where="here", hint="do this", refused={})
    return kind("what happened: é", where="here", hint="do this")


ROOMS = ("ragctl.errors", "ragctl.run", "ragctl.airflow")
OWN = sorted(
    {kind for kind in every(RagctlError) if kind.__module__.startswith(ROOMS) and kind.exit_code != 1},
    key=lambda kind: kind.__qualname__,
)


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__qualname__)
def test_every_error_comes_back_as_it_was(kind: type[RagctlError]) -> None:
    error = example(kind)
    back = error_of(json.loads(json.dumps(error.as_json())))
    assert back is not None
    assert back.as_json() == error.as_json()
    assert (str(back), back.exit_code) == (str(error), error.exit_code)


def test_a_kind_of_a_later_version_keeps_its_name_and_code() -> None:
    document = {"code": 4, "kind": "too_private", "message": "no", "where": None, "hint": "ask"}
    back = error_of(document)
    assert back is not None
    assert back.as_json() == document
    assert back.exit_code == 4


@pytest.mark.parametrize(
    "document",
    [
        None,
        "text",
        [],
        {},
        {"kind": "usage", "message": "no code"},
        {"kind": "usage", "message": "m", "code": 99},
        {"kind": "usage", "message": "m", "code": [2]},
        {"kind": 3, "message": "m", "code": 2},
    ],
)
def test_anything_else_is_no_error(document: object) -> None:
    assert error_of(document) is None


def test_a_foreign_form_of_the_details_does_no_harm() -> None:
    spec = error_of({"kind": "spec", "code": 2, "message": "m", "where": 3, "hint": [], "mistakes": "x"})
    drift = error_of({"kind": "lock_drift", "code": 5, "message": "m", "moved": [1, {"what": "a"}]})
    assert isinstance(spec, SpecError)
    assert (spec.where, spec.hint, spec.mistakes) == (None, None, ())
    assert isinstance(drift, LockDrift)
    assert drift.moved == (("a", None, None),)
