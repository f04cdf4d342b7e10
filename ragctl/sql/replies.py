"""A chat model's reply read as SQL, or as a conclusion, in whatever form it came. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ragctl.sql.dialects import parse
from ragctl.sql.types import Dialect, StatementFailed
from ragctl.stages.prompt import plain

LONGEST_REASON = 500
MOST_CUTS = 40
"""Lines at the end of a reply that may be talk after a statement."""

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_BLOCK = re.compile(r"```[ \t]*([\w-]*)[ \t]*\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)
_CANNOT = re.compile(
    r"^\W*CANNOT\b(?:\s+(?:BE\s+)?ANSWER(?:ED)?)?\s*[:.\-–—]*\s*(.*)", re.DOTALL | re.IGNORECASE
)
_START = re.compile(
    r"^[ \t>*`]*\(*\s*(?:SELECT\b|WITH\s+(?:RECURSIVE\s+)?[\"\w]+\s*(?:\([^)]*\)\s*)?AS\b)",
    re.IGNORECASE | re.MULTILINE,
)
_OTHERS = """select with insert update delete merge drop create alter truncate copy do call set reset grant
revoke begin commit rollback explain vacuum analyze listen notify lock pragma attach detach declare execute
prepare
comment refresh reindex cluster discard show values table""".split()
_SQL_KEYS = ("sql", "query", "statement")
_REASON_KEYS = ("cannot", "reason", "error", "unanswerable")


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What the final call said: a candidate's number (from 1), or SQL of its own, or why it has no answer."""

    candidate: int | None = None
    sql: str | None = None
    sentence: str = ""
    cannot: str | None = None


def sql_of(reply: str, dialect: Dialect) -> tuple[str | None, str | None]:
    """(statement, None), (None, why there is no answer), or (None, None) if the reply has neither.

    A statement may stand in a block, in a JSON object, or in the middle of talk.
    """
    text = _THOUGHT.sub("", plain(reply)).strip()
    for found in _objects(text):
        if sql := _text_at(found, _SQL_KEYS):
            return _trimmed(sql), None
        if reason := _text_at(found, _REASON_KEYS):
            return None, _reason(reason)
    blocks = [body.strip() for _, body in _BLOCK.findall(text) if body.strip()]
    for body in blocks:
        if _START.match(body) or _first_word(body) in _OTHERS:
            return _trimmed(body), None
    if refused := _CANNOT.match(blocks[0] if blocks else text):
        return None, _reason(refused[1])
    return _amid_talk(text, dialect), None


def conclusion_of(reply: str, most: int, dialect: Dialect) -> Conclusion:
    """The final call's reply; one without a JSON object is taken for a sentence about the first candidate.

    Args:
        most: how many candidates there are; a number that is none of them counts as none.
    """
    text = _THOUGHT.sub("", plain(reply)).strip()
    for found in _objects(text):
        sentence = _text_at(found, ("sentence", "answer", "text")) or ""
        number = found.get("candidate")
        if isinstance(number, str) and number.strip().isdigit():
            number = int(number)
        if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= most:
            return Conclusion(candidate=number, sentence=_sentence(sentence))
        if sql := _text_at(found, _SQL_KEYS):
            return Conclusion(sql=_trimmed(sql), sentence=_sentence(sentence))
        if reason := _text_at(found, ("cannot", "reason")):
            return Conclusion(cannot=_reason(reason))
        if sentence:
            return Conclusion(sentence=_sentence(sentence))
    if refused := _CANNOT.match(text):
        return Conclusion(cannot=_reason(refused[1]))
    sql, _ = sql_of(text, dialect)
    return Conclusion(sql=sql) if sql else Conclusion(sentence=_sentence(text))


def _amid_talk(text: str, dialect: Dialect) -> str | None:
    """From the first line that begins as a SELECT does, to where it ends; None if there is none."""
    if _first_word(text) in _OTHERS and not _START.match(text):
        return _trimmed(text)
    start = _START.search(text)
    if start is None:
        return None
    statement = _trimmed(text[start.start() :].strip().lstrip(">*` "))
    lines = statement.split("\n")
    for cut in range(min(MOST_CUTS, len(lines))):
        shorter = "\n".join(lines[: len(lines) - cut]).rstrip().rstrip("`").rstrip()
        try:
            if parse(shorter, dialect):
                return shorter
        except StatementFailed:
            continue
    return statement


def _trimmed(sql: str) -> str:
    """Without talk after its semicolon; another statement there stays, and is refused later."""
    place = _end(sql)
    if place is None:
        return sql.strip()
    rest = sql[place + 1 :]
    return sql.strip() if _first_word(rest) in _OTHERS else sql[:place].strip()


def _end(sql: str) -> int | None:
    """The first semicolon outside quotation marks."""
    quote = ""
    for place, one in enumerate(sql):
        if quote:
            quote = "" if one == quote else quote
        elif one in "'\"":
            quote = one
        elif one == ";":
            return place
    return None


def _first_word(text: str) -> str:
    found = re.match(r"[\s(;]*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*[\s(;]*([A-Za-z]+)", text, re.DOTALL)
    return found[1].lower() if found else ""


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """JSON objects in a text, each from a `{` on."""
    decoder = json.JSONDecoder(strict=False)  # models write statements on several lines within a JSON text
    place = text.find("{")
    while place >= 0:
        try:
            found, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place = text.find("{", place + 1)
            continue
        if isinstance(found, dict):
            yield found
        place = text.find("{", end)


def _text_at(found: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key, value in found.items():
        if str(key).lower() in keys and isinstance(value, str) and value.strip():
            return value.strip()
    return None


def _reason(text: str) -> str:
    words = " ".join(text.strip().strip("`").split())
    return words[:LONGEST_REASON] or "the model gave no reason"


def _sentence(text: str) -> str:
    return " ".join(text.split())[: 4 * LONGEST_REASON]
