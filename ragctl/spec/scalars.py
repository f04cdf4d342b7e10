"""The type of a YAML value: YAML 1.2's core schema, and a refusal where YAML 1.1 reads something else.

Editors, Airflow and other tools read the same file by one version or the other. A value that
the two read differently (`no`, `0256`, `12:30`, `2024-01-01`) is a mistake that costs an
afternoon, so it must be quoted or written so that both agree.
"""

from __future__ import annotations

import re

from ragctl.spec.yaml_nodes import ScalarNode

Scalar = str | int | float | bool | None

LARGEST_INTEGER = 2**63 - 1

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_OLD_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_ODD_NUMBER = re.compile(
    r"[-+]?(0[0-7_]+|0[0-9]+(\.[0-9_]*)?|0b[01_]+|0o[0-7]+|0x[0-9a-fA-F_]+"
    r"|[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?)"
)
"""Octal, binary, hexadecimal, base 60 and digits with underscores: numbers to one reader at least."""
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?([ \t]*(Z|[-+][0-9]{1,2}(:?[0-9]{2})?))?)?"
)

_STANDARD_TAG = "tag:yaml.org,2002:"


class Refused(ValueError):
    """The value cannot be taken as it stands; the text says why and what to write."""


def scalar(node: ScalarNode) -> Scalar:
    """The value.

    Raises:
        Refused: readers of YAML disagree about it, its tag is unknown, or it is no finite number.
    """
    if node.tag and node.tag != "!":
        return _tagged(node)
    return _plain(node.text) if node.plain else node.text


def _plain(text: str) -> Scalar:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    _refuse_ambiguous(text)
    return text


def _refuse_ambiguous(text: str) -> None:
    if _NOT_FINITE.fullmatch(text):
        raise Refused(f"{text} is no number that a spec can hold")
    if text.lower() in _OLD_BOOLEANS:
        meant = _OLD_BOOLEANS[text.lower()]
        raise Refused(
            f"{text} is read as a boolean by some YAML readers; quote it ('{text}') or write {meant}"
        )
    if _DATE.fullmatch(text):
        raise Refused(f"{text} is read as a date by some YAML readers; quote it: '{text}'")
    if len(text) < 100 and _ODD_NUMBER.fullmatch(text):
        raise Refused(
            f"{text} is a number to some YAML readers, and not the same one to all; "
            "write the number in plain digits, or quote it if it is text"
        )


def _integer(text: str) -> int:
    # Python refuses to convert thousands of digits, and nothing in a spec is larger than this.
    if len(text) > 20 or abs(value := int(text)) > LARGEST_INTEGER:
        raise Refused(f"is too large a number; the largest is {LARGEST_INTEGER}")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Refused("is too large a number")
    return value


def _tagged(node: ScalarNode) -> Scalar:
    kind = (node.tag or "").removeprefix(_STANDARD_TAG)
    if kind == "str":
        return node.text
    value = _plain(node.text) if kind in {"int", "float", "bool", "null"} else None
    if kind == "null" and value is None:
        return None
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind in {"int", "float"} and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if kind == "float" else value
    raise Refused("has a YAML tag (!…) that does not fit or is not known; a spec takes plain values only")


def collection_tag_fits(tag: str | None, kind: str) -> bool:
    """Whether a list (`kind` "seq") or a mapping ("map") may carry this tag."""
    return tag in (None, "!", _STANDARD_TAG + kind)
