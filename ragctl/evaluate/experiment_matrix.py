"""The variants of an experiment: combinations of a matrix, less what is excluded, and what is included."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

AS_IS = "as-is"
"""Name of the variant that changes nothing."""
LONGEST_NAME = 60
_DIGEST = 6


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to set a spec.

    Attributes:
        name: lower-case letters, digits, `.`, `-` and `_`; at most 60 characters.
        values: JSON values by dotted key.
        places: where each value stands in the spec: the path of its key.
    """

    name: str
    values: Mapping[str, Any]
    places: Mapping[str, tuple[str | int, ...]]


_Choice = tuple[str, Any, tuple[str | int, ...]]
"""A key, a value for it, and where that stands."""


def variants(
    matrix: Mapping[str, Sequence[Any]],
    include: Sequence[Mapping[str, Any]] = (),
    exclude: Sequence[Mapping[str, Any]] = (),
) -> tuple[Variant, ...]:
    """Every combination, the last key varying fastest, and then those included.

    Of two with the same values the first one stays. `exclude` leaves out combinations that have all the
    values of one of its entries; what is included is not left out.
    """
    choices: list[list[_Choice]] = [
        [(key, value, ("experiment", "matrix", key, number)) for number, value in enumerate(values)]
        for key, values in matrix.items()
    ]
    combined = [list(one) for one in itertools.product(*choices)] if choices else []
    kept = [one for one in combined if not any(_has_all(one, without) for without in exclude)]
    kept += [
        [(key, value, ("experiment", "include", number, key)) for key, value in values.items()]
        for number, values in enumerate(include)
    ]
    labels = _labels({key for one in kept for key, _, _ in one})
    found: dict[str, Variant] = {}
    names: set[str] = set()
    for one in kept:
        values = {key: value for key, value, _ in one}
        same = _json(values)
        if same not in found:
            name = _name(values, labels, names)
            names.add(name)
            found[same] = Variant(name, values, {key: place for key, _, place in one})
    return tuple(found.values())


def _has_all(combination: Sequence[_Choice], without: Mapping[str, Any]) -> bool:
    values = {key: value for key, value, _ in combination}
    return bool(without) and all(
        key in values and _json(values[key]) == _json(value) for key, value in without.items()
    )


def _labels(keys: set[str]) -> dict[str, str]:
    """For each key as many of its last parts as tell it from the others."""
    parts = {key: key.split(".") for key in keys}
    found = {}
    for key, own in parts.items():
        length = 1
        while length < len(own) and any(
            other != key and theirs[-length:] == own[-length:] for other, theirs in parts.items()
        ):
            length += 1
        found[key] = ".".join(own[-length:])
    return found


def _name(values: Mapping[str, Any], labels: Mapping[str, str], taken: set[str]) -> str:
    whole = "_".join(f"{labels[key]}-{_slug(value)}" for key, value in values.items())
    name = re.sub(r"[^a-z0-9_.-]+", "-", whole.lower()).strip("-_.") or AS_IS
    if len(name) <= LONGEST_NAME and name not in taken:
        return name
    digest = hashlib.sha256(_json(values).encode("utf-8")).hexdigest()[:_DIGEST]
    return f"{name[: LONGEST_NAME - _DIGEST - 1].rstrip('-_.')}-{digest}"


def _slug(value: Any) -> str:
    """A value in a word or a few; of a mapping its values, as its keys say little."""
    if isinstance(value, Mapping):
        return "-".join(_slug(one) for one in value.values()) or "none"
    if isinstance(value, list | tuple):
        return "-".join(_slug(one) for one in value) or "none"
    if value is None:
        return "none"
    return str(value).rpartition("/")[2] if isinstance(value, str) else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=list)
