"""What a DAG run may be told: the keys of its conf, validated here whatever Airflow has let through.

Airflow checks the type of the parameters that it knows, and takes any others without a word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ragctl.conditions import Condition
from ragctl.errors import UsageError
from ragctl.run.answering.conditions import conditions_of
from ragctl.types import Message

QUESTION_CHARACTERS = 4_000
MOST_QUESTIONS = 100
MOST_HITS = 1_000
MOST_CONDITIONS, CONDITION_CHARACTERS = 20, 1_000
MOST_TURNS, TURN_CHARACTERS = 20, 20_000
ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class IngestParameters:
    """Those of an ingest; they mean what the options of `ragctl ingest` mean."""

    allow_delete: int | None = None
    allow_partial: bool = False
    retry_failed: bool = False
    undo_rollback: bool = False
    max_cost: float | None = None


@dataclass(frozen=True, slots=True)
class ExperimentParameters:
    """Those of an experiment: the most that each ingest, and each variant's questions, may cost."""

    max_cost: float | None = None


@dataclass(frozen=True, slots=True)
class AskParameters:
    """Those of a question, or of several.

    `single`: the one result is the run's, not a list of results. `sensitive`: the questions are. `where`:
    what the documents must fulfil. `history`: turns of the conversation that the one question belongs to.
    """

    questions: tuple[str, ...]
    single: bool
    top_n: int | None = None
    sensitive: bool = False
    where: tuple[Condition, ...] = ()
    history: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class _AskConf:
    question: str | None = None
    questions: list[str] = field(default_factory=list)
    top_n: int | None = None
    sensitive: bool = False
    where: list[str] = field(default_factory=list)
    history: list[dict[str, str]] = field(default_factory=list)


def ingest_parameters(conf: Mapping[str, Any] | str | None) -> IngestParameters:
    """The parameters in the conf of a DAG run.

    Raises:
        UsageError: one of them is unknown, or is not what it should be.
    """
    given = _known(conf, IngestParameters)
    for name in ("allow_partial", "retry_failed", "undo_rollback"):
        _check(name, given, isinstance(given.get(name, False), bool), "true or false")
    allowed = given.get("allow_delete")
    fits = allowed is None or (_whole(allowed) and allowed >= 0)
    _check("allow_delete", given, fits, "a whole number, at least 0, or null")
    _check_cost(given)
    return IngestParameters(**given)


def experiment_parameters(conf: Mapping[str, Any] | str | None) -> ExperimentParameters:
    """The parameters in the conf of a DAG run.

    Raises:
        UsageError: one of them is unknown, or is not what it should be.
    """
    given = _known(conf, ExperimentParameters)
    _check_cost(given)
    return ExperimentParameters(**given)


def _check_cost(given: Mapping[str, Any]) -> None:
    cost = given.get("max_cost")
    fits = cost is None or (isinstance(cost, int | float) and not isinstance(cost, bool) and cost >= 0)
    _check("max_cost", given, fits, "a number of US dollars, at least 0, or null")


def ask_parameters(conf: Mapping[str, Any] | str | None) -> AskParameters:
    """The parameters in the conf of a DAG run.

    Raises:
        UsageError: one of them is unknown, or is not what it should be, or there is no question.
    """
    given = {name: value for name, value in _known(conf, _AskConf).items() if value is not None}
    top = given.get("top_n")
    fits = top is None or (_whole(top) and 1 <= top <= MOST_HITS)
    _check("top_n", given, fits, f"a whole number from 1 to {MOST_HITS:,}")
    _check("sensitive", given, isinstance(given.get("sensitive", False), bool), "true or false")
    question, several = given.get("question"), given.get("questions")
    if (question is None) == (several is None):
        raise UsageError(
            "an ask run takes `question`, or `questions`, and not both",
            where="conf",
            hint='trigger it with {"question": "…"}',
        )
    _check("question", given, question is None or _is_question(question), _QUESTION)
    fits = several is None or (isinstance(several, list) and 1 <= len(several) <= MOST_QUESTIONS)
    _check("questions", given, fits, f"a list of 1 to {MOST_QUESTIONS} questions")
    for one in several or ():
        _check("questions", given, _is_question(one), f"a list whose entries are each {_QUESTION}")
    asked = (question,) if question is not None else tuple(several or ())
    return AskParameters(
        asked,
        single=question is not None,
        top_n=top,
        sensitive=given.get("sensitive", False),
        where=_conditions(given),
        history=_history(given, single=question is not None),
    )


def _conditions(given: Mapping[str, Any]) -> tuple[Condition, ...]:
    texts = given.get("where", [])
    fits = isinstance(texts, list) and len(texts) <= MOST_CONDITIONS and all(map(_is_condition, texts))
    _check("where", given, fits, f"a list of at most {MOST_CONDITIONS} conditions, such as source=docs")
    return conditions_of(texts, option="conf")


def _history(given: Mapping[str, Any], *, single: bool) -> tuple[Message, ...]:
    turns = given.get("history", [])
    fits = isinstance(turns, list) and len(turns) <= MOST_TURNS and all(map(_is_turn, turns))
    kind = '{"role": "user" or "assistant", "content": "…"}'
    _check("history", given, fits, f"a list of at most {MOST_TURNS} turns, each {kind}, oldest first")
    _check("history", given, single or not turns, "left out where there are several questions")
    return tuple(Message(one["role"], one["content"]) for one in turns)


def _is_condition(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= CONDITION_CHARACTERS


def _is_turn(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"role", "content"}:
        return False
    text = value["content"]
    return value["role"] in ROLES and isinstance(text, str) and len(text) <= TURN_CHARACTERS


_QUESTION = f"text of 1 to {QUESTION_CHARACTERS:,} characters"


def _is_question(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= QUESTION_CHARACTERS


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check(name: str, given: Mapping[str, Any], fits: bool, expected: str) -> None:
    if name in given and not fits:
        raise UsageError(f"the parameter {name!r} must be {expected}", where="conf")


def _known(conf: Mapping[str, Any] | str | None, parameters: type) -> dict[str, Any]:
    """The conf as a mapping, which may have come as JSON from a template."""
    if isinstance(conf, str):
        try:
            conf = json.loads(conf) if conf.strip() not in ("", "None") else None
        except ValueError:
            raise UsageError("the run's conf is no JSON", where="conf") from None
    if conf is None:
        return {}
    if not isinstance(conf, Mapping):
        raise UsageError("the run's conf must be a mapping of parameters to values", where="conf")
    known = [one.name for one in fields(parameters)]
    unknown = sorted(str(name) for name in conf if name not in known)
    if unknown:
        raise UsageError(
            f"the DAG has no parameter {', '.join(map(repr, unknown))}; it has {', '.join(known)}",
            where="conf",
            hint="what belongs to the recipe is set in the spec, not in a run",
        )
    return dict(conf)
