"""Conditions on documents as a person writes them: `year>=2024`, `team in search,docs`. Pure.

A value is taken for what it looks like: `12` and `-3` are whole numbers, `1.5` is a fraction, `true` and
`false` are what they say, anything else is a text, `007` and `2024-01-31` among them. So is what stands in
quotation marks, single or double; within them, two of the same stand for one. Values for `source`, `path`
and `media_type` are always texts.
"""

from __future__ import annotations

import re
from typing import cast

from ragctl.conditions import DOCUMENT_KEYS, Condition, Operator, Scalar

# Nothing is given back that was taken (*+, ++): else a long text that does not match takes for ever.
_QUOTED = r"""(?:"(?:[^"]|"")*+"|'(?:[^']|'')*+')"""
_FORM = re.compile(
    rf"""\s*+(?P<key>{_QUOTED}|[^=!<>"'\s]++)(?:\s*(?P<sign>!=|<=|>=|=|<|>)|\s+(?P<word>in)(?!\S))(?P<value>.*)""",
    re.DOTALL,
)
_PART = rf"""(?:{_QUOTED}|[^,"'\s][^,]*+)"""
_PARTS = re.compile(rf"{_PART}\s*+(?:,\s*+{_PART}\s*+)*+")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FRACTION = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_ANOTHER = re.compile(r"\s(?:and|or|&&?|\|\|?)\s+[^\s=!<>]+\s*[=!<>]", re.IGNORECASE)
_MOST_DIGITS = 300  # a fraction cannot have many more, and Python reads no more than 4,300


def parse_condition(text: str) -> Condition:
    """The condition that is written there.

    Raises:
        ValueError: it is none; the message is for whoever wrote it.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no condition: write key=value, key!=value, key<value, key<=value, key>value, "
            "key>=value or key in one,two; a key with spaces in quotation marks"
        )
    key, value = found["key"], found["value"].strip()
    if key[0] in "\"'":
        key = _unquoted(key)
    as_text = key in DOCUMENT_KEYS
    try:
        if not value:
            raise ValueError('there is no value; write "" for an empty text')
        if found["word"]:
            return Condition(key, "in", tuple(_scalar(part, as_text=as_text) for part in _parts(value)))
        return Condition(key, cast(Operator, found["sign"]), _scalar(value, as_text=as_text))
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error


def _parts(text: str) -> list[str]:
    if not _PARTS.fullmatch(text):
        raise ValueError(
            'there must be a value before and after each comma; write "" for an empty text, and put a text '
            "with a comma or a quotation mark in quotation marks"
        )
    return [part.strip() for part in re.findall(_PART, text)]


def _scalar(text: str, *, as_text: bool) -> Scalar:
    if text[0] in "\"'":
        return _unquoted(text)
    if text[0] in "=<>":
        raise ValueError(f"there is an operator too many; or put the value in quotation marks: '{text}'")
    if _ANOTHER.search(text):
        raise ValueError(
            "there seem to be two conditions in it: give each on its own; or put the value in quotation marks"
        )
    return text if as_text else _typed(text)


def _typed(text: str) -> Scalar:
    if text in ("true", "false"):
        return text == "true"
    if _WHOLE.fullmatch(text):
        if len(text) > _MOST_DIGITS:
            raise ValueError(f"a number has more than {_MOST_DIGITS} digits; a text goes in quotation marks")
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) else text


def _unquoted(text: str) -> str:
    if not re.fullmatch(_QUOTED, text):
        raise ValueError(
            "a value that begins with a quotation mark ends with the same, and with nothing after"
        )
    mark = text[0]
    return text[1:-1].replace(2 * mark, mark)
