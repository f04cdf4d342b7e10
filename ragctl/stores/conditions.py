"""Conditions on documents, decided here: for stores that leave some of it to whoever asks them.

A store may keep a document's terms and look for them itself: a document that fulfils `=` or `in` has one
of the condition's terms. Having one is no proof, so `fulfils` has the last word.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ragctl.conditions import DOCUMENT_KEYS, Condition

MANY = "many"
"""A term of documents that have more values than terms are kept for."""
MOST_TERMS = 200

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DIGITS = 24


def fulfils(where: Iterable[Condition], values: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Does a document fulfil all of them? See `Condition` for what they mean.

    Args:
        values: its `DOCUMENT_KEYS`; other keys do not matter.
    """
    return all(_fulfils(condition, values, metadata) for condition in where)


def _fulfils(condition: Condition, values: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    there = _there(condition.key, values, metadata)
    if condition.operator in _COMPARE:
        return any(_ordered(one, condition.operator, condition.value) for one in there)
    wanted = {_comparable(value) for value in condition.values}
    found = any(_comparable(one) in wanted for one in there if _comparable(one) is not None)
    return found != (condition.operator == "!=")


def _there(key: str, values: Mapping[str, Any], metadata: Mapping[str, Any]) -> Sequence[Any]:
    found = values[key] if key in DOCUMENT_KEYS else metadata.get(key)
    return found if isinstance(found, list) else [found]


def _comparable(value: Any) -> tuple[str, object] | None:
    """Equal for values that are equal, types kept apart; None for what equals nothing."""
    if isinstance(value, bool):
        return "flag", value
    if isinstance(value, str):
        return "text", value
    number = _number(value)
    return ("number", number) if number is not None else None


def _number(value: Any) -> Fraction | None:
    """As JSON has it: what is written, not what a float of it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Fraction(Decimal(json.dumps(value)))


def _ordered(one: Any, sign: str, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return _COMPARE[sign](one, other)
    first, second = _number(one), _number(other)
    return first is not None and second is not None and _COMPARE[sign](first, second)


def terms_of(values: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[str]:
    """A short text for each thing that a document equals in a key; at most `MOST_TERMS` and `MANY`."""
    pairs = [(key, one) for key in (*DOCUMENT_KEYS, *metadata) for one in _there(key, values, metadata)]
    found = dict.fromkeys(term for key, value in pairs if (term := _term(key, value)) is not None)
    terms = list(found)
    return terms if len(terms) <= MOST_TERMS else [*terms[:MOST_TERMS], MANY]


def wanted_terms(condition: Condition) -> list[str] | None:
    """A document that fulfils it has one of these; None if that cannot be told by terms."""
    if condition.operator not in ("=", "in"):
        return None
    terms = (_term(condition.key, value) for value in condition.values)
    return [*dict.fromkeys(one for one in terms if one is not None), MANY]


def _term(key: str, value: Any) -> str | None:
    known = _comparable(value)
    if known is None:
        return None
    text = json.dumps([key, known[0], str(known[1])])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:_DIGITS]
