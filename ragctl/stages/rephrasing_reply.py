"""A chat model's reply read as a list of questions, in whatever form it came. Pure."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from ragctl.stages.prompt import plain

LONGEST_VERSION = 1_000
"""Characters; what is longer is no question but a text about it."""

_FENCE = re.compile(r"^\s*```[\w-]*\s*$", re.MULTILINE)
_THOUGHT = re.compile(r"<think(ing)?>.*?(</think(ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
# 1. 2) (3) [4] 5: #6 - * • – — > Q1: Version 2: Frage 3:
_MARK = re.compile(
    r"^\s*(?:>\s*)?(?:[-*•‣◦–—]+|\(?\[?#?\d{1,3}[.):\]]+|(?:q|question|version|rephrasing|option|variant)\s*\d{0,3}\s*[:.)])\s+",
    re.IGNORECASE,
)
_QUOTES = "\"'“”„‟‘’‚«»‹›「」『』`*_"
_REFUSAL = re.compile(
    r"^(i['’]?m sorry|i am sorry|sorry,|i can(not|['’]t)|as an ai|unfortunately|i['’]?m unable|i am unable)",
    re.IGNORECASE,
)
_NOT_LETTERS = re.compile(r"[\W_]+")


def versions_of(reply: str, question: str, most: int) -> list[str]:
    """At most so many questions of a reply: JSON, numbered, bulleted, or a line each.

    Left out are preambles, refusals, repetitions, echoes of the question, and what is too long for one.
    """
    text = _FENCE.sub("", _THOUGHT.sub("", plain(reply))).strip()
    found = _of_json(text)
    seen = {_folded(question)}
    made = []
    for one in _of_lines(text) if found is None else found:
        version = _cleaned(one)
        folded = _folded(version)
        if folded not in seen and _is_question(version):
            seen.add(folded)
            made.append(version)
    return made[:most]


def _is_question(text: str) -> bool:
    has_words = any(one.isalpha() for one in text)
    return has_words and len(text) <= LONGEST_VERSION and not _REFUSAL.match(text)


def same_wording(one: str, other: str) -> bool:
    """Are they equal but for case, punctuation and white space?"""
    return _folded(one) == _folded(other)


def _of_json(text: str) -> list[str] | None:
    """The texts of a JSON array or object in the reply; None if there is none."""
    starts = [place for place in (text.find("["), text.find("{")) if place >= 0]
    if not starts:
        return None
    start = min(starts)
    end = max(text.rfind("]"), text.rfind("}"))
    try:
        content = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    return list(_texts(content)) or None


def _texts(content: Any) -> Iterator[str]:
    """Texts of lists, and of the values of objects, in order; keys are no questions."""
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, dict):
            waiting.extend(reversed(list(one.values())))


def _of_lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    marked = [line for line in lines if _MARK.match(line)]
    if marked:  # then the others are talk around the list
        return marked
    return [line for line in lines if not line.endswith((":", "："))]


def _cleaned(line: str) -> str:
    """Without mark, quotation marks and emphasis around it."""
    line = " ".join(_MARK.sub("", line).split())
    inner = line.strip(_QUOTES + " ")
    # A quotation inside the question is the question's own.
    balanced = any(line.startswith(mark) and line.endswith(mark) for mark in _QUOTES)
    return inner if balanced or line[:1] in "“„«‹「『" or not inner else line.strip("*_` ")


def _folded(text: str) -> str:
    return _NOT_LETTERS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
