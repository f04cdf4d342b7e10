"""Glob patterns over POSIX paths relative to a root, matched a segment at a time.

The rules, which docs/ repeats:

* `*` is any run of characters but `/`, `?` one such character, `[abc]`, `[a-z]` and `[!a]` a set.
* `**` as a whole segment is any number of directories, none included; anywhere else it is `*`.
* A pattern is matched against the whole relative path: `*.md` finds files directly under the
  root, `**/*.md` at any depth. A trailing `/` means everything below: `docs/` is `docs/**`.
* Case counts, on every platform, so that a spec means the same everywhere.
* In an include pattern no wildcard matches a leading dot: hidden files and directories are found
  only by a pattern that writes the dot, such as `.github/**`; `.ragctl` only by its whole name.
  In an exclude pattern wildcards match dots too.
* An exclude pattern that matches a directory excludes all that is below it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

WORK_DIRECTORY = ".ragctl"

_Segment = Callable[[str], object]
State = tuple[int, int]
"""(pattern, how many of its segments are behind): where matching stands after some directories."""


def _set_in_regex(segment: str, start: int) -> tuple[str, int]:
    """The regex for the `[…]` that opens at `start`, and where it ends; a lone `[` is a literal."""
    end = start + 1
    if end < len(segment) and segment[end] == "!":
        end += 1
    if end < len(segment) and segment[end] == "]":
        end += 1
    end = segment.find("]", end)
    if end < 0:
        return r"\[", start + 1
    inner = segment[start + 1 : end]
    negated = inner.startswith("!")
    escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", inner[negated:])
    return f"[{'^' if negated else ''}{escaped}]", end + 1


def _segment_regex(segment: str) -> str:
    out: list[str] = []
    i = 0
    while i < len(segment):
        character = segment[i]
        if character == "[":
            piece, i = _set_in_regex(segment, i)
            out.append(piece)
            continue
        i += 1
        if character == "*":
            if out[-1:] != [".*"]:
                out.append(".*")
        else:
            out.append("." if character == "?" else re.escape(character))
    return "".join(out)


def _matcher(segment: str, *, dots: bool) -> _Segment:
    """A predicate for one segment of a path; `dots`: may a wildcard match a leading dot?"""
    guard = ""
    if not dots:
        if segment[0] in "*?[":
            guard = r"(?!\.)"
        elif segment != WORK_DIRECTORY:
            guard = rf"(?!{re.escape(WORK_DIRECTORY)}\Z)"
    try:
        return re.compile(guard + _segment_regex(segment), re.DOTALL).fullmatch
    except re.error as error:
        raise ValueError(f"{segment!r} is not a glob pattern: {error}") from None


def _segments(pattern: str) -> list[str]:
    text = unicodedata.normalize("NFC", pattern)
    if text.endswith("/"):
        text += "**"
    segments = [part for part in text.split("/") if part not in ("", ".")]
    if not segments or ".." in segments or text.startswith("/"):
        raise ValueError(f"{pattern!r} is not a path pattern relative to the source's root")
    return segments


class Patterns:
    """Several glob patterns, walked down a tree together.

    Args:
        patterns: at least one segment each, relative, without `..`.
        dots: whether wildcards match a leading dot (exclude patterns) or not (include patterns).

    Raises:
        ValueError: a pattern is absolute, empty, holds `..`, or a `[…]` that is not a set.
    """

    def __init__(self, patterns: Iterable[str], *, dots: bool) -> None:
        self._dots = dots
        # None stands for `**`
        self._patterns: list[list[_Segment | None]] = [
            [None if part == "**" else _matcher(part, dots=dots) for part in _segments(pattern)]
            for pattern in patterns
        ]

    def start(self) -> frozenset[State]:
        """The state at the root."""
        return self._closed((i, 0) for i in range(len(self._patterns)))

    def enter(self, states: Iterable[State], name: str) -> frozenset[State]:
        """The state inside the directory `name`; empty if nothing below it can match."""
        return self._closed(state for _, state in self._moves(states, name))

    def matches(self, states: Iterable[State], name: str) -> bool:
        """Does the entry `name` complete a pattern in a directory with these states?"""
        for before, (pattern, at) in self._moves(states, name):
            # a last `**` has to take a name itself: `docs/**` is no file `docs`
            if at == len(self._patterns[pattern]) or (at == before and self._is_rest_free(pattern, at)):
                return True
        return False

    def match(self, path: str) -> bool:
        """Does a pattern match this path as a whole?"""
        *folders, name = unicodedata.normalize("NFC", path).split("/")
        states = self.start()
        for folder in folders:
            states = self.enter(states, folder)
        return self.matches(states, name)

    def cover(self, path: str) -> bool:
        """Does a pattern match this path, or a directory that it lies in?"""
        states = self.start()
        for name in unicodedata.normalize("NFC", path).split("/"):
            if self.matches(states, name):
                return True
            states = self.enter(states, name)
        return False

    def match_all_below(self, states: Iterable[State]) -> bool:
        """Does every entry below a directory with these states match?"""
        return self._dots and any(
            at < len(self._patterns[pattern]) and self._is_rest_free(pattern, at) for pattern, at in states
        )

    def _moves(self, states: Iterable[State], name: str) -> Iterator[tuple[int, State]]:
        """Where `name` leads: (segments behind before, state after)."""
        for pattern, at in states:
            segments = self._patterns[pattern]
            if at == len(segments):
                continue
            segment = segments[at]
            if segment is None:
                if self._dots or not name.startswith("."):
                    yield at, (pattern, at)
            elif segment(name):
                yield at, (pattern, at + 1)

    def _closed(self, states: Iterable[State]) -> frozenset[State]:
        """With the states that a `**` for no directory at all leads to."""
        out: set[State] = set()
        for pattern, at in states:
            segments = self._patterns[pattern]
            out.add((pattern, at))
            while at < len(segments) and segments[at] is None:
                at += 1
                out.add((pattern, at))
        return frozenset(out)

    def _is_rest_free(self, pattern: int, at: int) -> bool:
        """Is all that is left of the pattern `**`?"""
        return all(segment is None for segment in self._patterns[pattern][at:])
