"""pydantic's findings as mistakes: placed in the text, in words for the person who wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ragctl.spec.mistakes import KeyPath, Mistake, closest, parsed, shown
from ragctl.spec.names import ENVIRONMENT_VARIABLE, NAME, WHAT_FITS, slug
from ragctl.spec.outline import (
    annotation_at,
    choices_at,
    homes_of,
    members,
    names_at,
    section_at,
    tag_key,
    untagged,
)
from ragctl.spec.positions import Positions
from ragctl.spec.section import Section

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (str, "text"),
    (tuple, "a list"),
    (dict, "a mapping"),
)


_HOMES_NAMED = 3


def mistakes_of(error: ValidationError, positions: Positions) -> list[Mistake]:
    """Every finding of the validation, none of which holds the value of an environment variable's name."""
    found: list[Mistake] = []
    for detail in error.errors(include_url=False):
        found.extend(_mistakes(detail, positions))
    return found


def _mistakes(detail: ErrorDetails, positions: Positions) -> Iterator[Mistake]:
    tagged: KeyPath = detail["loc"]  # as the model sees it, see `outline`
    path, kind = untagged(tagged), detail["type"]
    if kind == "too_short" and detail["input"]:
        return  # pydantic counts only the sound entries, and the others have mistakes of their own
    if kind == "spec":
        for inner, text in detail["ctx"]["problems"]:
            parts = inner if isinstance(inner, tuple) else parsed(inner) if inner else ()
            whole = (*path, *parts)
            yield Mistake(positions.value(whole), whole, text)
    elif kind == "extra_forbidden":
        yield Mistake(positions.key(path), path, _unknown_key(tagged))
    elif path and path[-1] == "[key]":
        yield Mistake(positions.key(path[:-1]), path[:-1], _wrong_name(path[:-1], detail))
    elif kind == "missing":
        yield Mistake(positions.value(path[:-1]), path, _missing(tagged))
    elif kind in ("union_tag_invalid", "union_tag_not_found"):
        yield from _wrong_tag(detail, positions)
    else:
        yield Mistake(positions.value(path), path, _SENTENCES.get(kind, _unforeseen)(detail))


def _wrong_tag(detail: ErrorDetails, positions: Positions) -> Iterator[Mistake]:
    """About a value that says of none of the sections that it may be that it is one, and about its keys.

    The keys are compared with those of the section that was most likely meant.
    """
    tagged, value = detail["loc"], detail["input"]
    choices = members(annotation_at(tagged))
    key = tag_key(choices.values())
    path = (*untagged(tagged), key)
    if key in value:
        text = _unknown_choice(key, value[key], tuple(choices))
        yield Mistake(positions.value(path), path, text)
    else:
        examples = " or ".join(f"`{key}: {tag}`" for tag in choices)
        yield Mistake(positions.value(path[:-1]), path, f"is missing; it takes {examples}")
    tag = _meant(value, value.get(key), choices)
    try:
        choices[tag].model_validate({**value, key: tag})
    except ValidationError as error:
        for inner in error.errors(include_url=False):
            inner["loc"] = (*tagged, tag, *inner["loc"])
            yield from _mistakes(inner, positions)


def _meant(value: dict[str, Any], tag: Any, choices: Mapping[str, type[Section]]) -> str:
    near = closest(tag, choices) if isinstance(tag, str) else None
    return near or max(choices, key=lambda one: len(value.keys() & choices[one].model_fields.keys()))


def _wrong_name(path: KeyPath, detail: ErrorDetails) -> str:
    """About the key at the end of `path`, in a mapping whose keys are no section's."""
    known = names_at(path[:-1])
    if not known:
        return f"as a key, must be {_fitting(detail)}"
    named = f"unknown {str(path[-2]).removesuffix('s')} {shown(str(path[-1]))}"
    if near := closest(str(path[-1]), known):
        return f"{named}; did you mean '{near}'?"
    return f"{named}; known: {', '.join(known)}"


def _unknown_key(path: KeyPath) -> str:
    key, section = str(path[-1]), section_at(path[:-1])
    known = list(section.model_fields) if section else []
    if having := _siblings_with(key, path):
        listed = " or ".join(f"'{tag}'" for tag in having)
        return f"is not known for '{path[-2]}' but for {listed}; known here: {', '.join(known)}"
    if f"{key}_env" in known:
        return f"unknown key; did you mean '{key}_env'? It takes the name of an environment variable"
    if (bare := key.removesuffix("_env")) in known:
        return f"unknown key; did you mean '{bare}'?"
    if homes := _nearest(homes_of(key), path[:-1]):
        named = [f"under '{home}'" if home else "at the top level" for home in homes[:_HOMES_NAMED]]
        places = " or ".join([*named, *(["elsewhere"] if len(homes) > _HOMES_NAMED else [])])
        return f"is not known here but {places}; known here: {', '.join(known)}"
    if near := closest(key, known):
        return f"unknown key; did you mean '{near}'?"
    return f"unknown key; known here: {', '.join(known)}"


def _nearest(homes: list[str], path: KeyPath) -> list[str]:
    """Those that the path lies in, if there are any: they are what was meant; else all."""
    inside = [home for home in homes if home and tuple(home.split(".")) == path[: home.count(".") + 1]]
    return inside or homes


def _siblings_with(key: str, path: KeyPath) -> list[str]:
    """The tags of the other sections which the mapping that holds `key` might be, and that have it."""
    siblings = members(annotation_at(path[:-2])) if len(path) > 1 else {}
    return [tag for tag, section in siblings.items() if key in section.model_fields]


def _missing(path: KeyPath) -> str:
    section, key = section_at(path[:-1]), str(path[-1])
    choices = choices_at(path)
    examples = section.model_fields[key].examples if section else None
    if examples or len(choices) == 1:
        return f"is missing; for example `{key}: {examples[0] if examples else choices[0]}`"
    return "is missing"


def _text_expected(detail: ErrorDetails) -> str:
    value = detail["input"]
    if isinstance(value, bool):
        return "must be text, and YAML reads this as a boolean; quote it"
    if isinstance(value, int | float):
        return "must be text, and YAML reads this as a number; quote it"
    return f"must be text, not {_kind(value)}" if value is not None else _NO_VALUE


def _number_expected(what: str) -> Callable[[ErrorDetails], str]:
    def sentence(detail: ErrorDetails) -> str:
        value = detail["input"]
        if value is None:
            return _NO_VALUE
        if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d{1,18}\s*", value):
            return f"must be {what}; write it without quotes"
        if isinstance(value, float) and not isinstance(value, bool):
            return f"must be {what}, not {value:g}"
        return f"must be {what}, not {_kind(value)}"

    return sentence


def _boolean_expected(detail: ErrorDetails) -> str:
    value = detail["input"]
    if value is None:
        return _NO_VALUE
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return "must be true or false; write it without quotes"
    return f"must be true or false, not {_kind(value)}"


def _list_expected(detail: ErrorDetails) -> str:
    value, section = detail["input"], section_at((*detail["loc"], 0))
    if value is None:
        return _NO_VALUE
    if section:
        return f"must be a list, such as [{section.example}], not {_kind(value)}"
    if isinstance(value, str) and len(value) <= 40 and shown(value) == f"'{value}'" and "'" not in value:
        return f"must be a list; write ['{value}']"
    return f"must be a list, not {_kind(value)}"


def _mapping_expected(detail: ErrorDetails) -> str:
    value, section = detail["input"], section_at(detail["loc"])
    if value is None:
        return "has no value; write its keys below it, indented, or remove the line"
    example = f", such as {section.example}" if section else ""
    return f"must be a mapping of keys to values{example}, not {_kind(value)}"


def _unknown_value(detail: ErrorDetails) -> str:
    path = detail["loc"]
    return _unknown_choice(path[-1], detail["input"], choices_at(path))


def _unknown_choice(key: str | int, value: Any, choices: tuple[str, ...]) -> str:
    """About a value that is none of those that `key` may have."""
    listed = " or ".join(f"'{choice}'" for choice in choices)
    if value is None:
        return f"{_NO_VALUE}; it must be {listed}"
    if isinstance(value, int | float) and not isinstance(value, bool) and str(value) in choices:
        return "must be text, and YAML reads this as a number; quote it"
    if not isinstance(value, str):
        return f"must be {listed}, not {_kind(value)}"
    noun = key if key in {"type", "provider", "model", "reader", "splitter"} else "value"
    if near := closest(value, choices):
        return f"unknown {noun} {shown(value)}; did you mean '{near}'?"
    return f"unknown {noun} {shown(value)}; known: {listed}"


def _pattern_expected(detail: ErrorDetails) -> str:
    value, pattern = detail["input"], detail["ctx"]["pattern"]
    if pattern == ENVIRONMENT_VARIABLE:
        return f"must be {WHAT_FITS[pattern]} (the value is not shown here)"
    example = f"; for example '{slug(value)}'" if pattern == NAME else ""
    return f"must be {_fitting(detail)}, not {shown(value)}{example}"


def _fitting(detail: ErrorDetails) -> str:
    return WHAT_FITS.get(detail.get("ctx", {}).get("pattern", ""), "text")


def _out_of_range(relation: str, bound: str) -> Callable[[ErrorDetails], str]:
    return lambda detail: f"must be {relation} {_whole(detail['ctx'][bound])}, not {detail['input']}"


def _whole(bound: float) -> float:
    """`0` for `0.0`."""
    return int(bound) if bound == int(bound) else bound


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "something else")


def _unforeseen(detail: ErrorDetails) -> str:
    expected = annotation_at(detail["loc"])
    return f"does not fit ({detail['type']}; expected {getattr(expected, '__name__', expected)})"


_NO_VALUE = "has no value"

_SENTENCES: dict[str, Callable[[ErrorDetails], str]] = {
    "string_type": _text_expected,
    "string_too_short": lambda detail: "must not be empty",
    "string_too_long": lambda detail: f"must have at most {detail['ctx']['max_length']} characters",
    "bool_type": _boolean_expected,
    "int_type": _number_expected("a whole number"),
    "float_type": _number_expected("a number"),
    "tuple_type": _list_expected,
    "dict_type": _mapping_expected,
    "model_type": _mapping_expected,
    "model_attributes_type": _mapping_expected,
    "literal_error": _unknown_value,
    "string_pattern_mismatch": _pattern_expected,
    "greater_than_equal": _out_of_range("at least", "ge"),
    "less_than_equal": _out_of_range("at most", "le"),
    "too_short": lambda detail: "needs at least one entry",
}
