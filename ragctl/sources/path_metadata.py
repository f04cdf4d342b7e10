"""Metadata from an item's path, whatever source lists it.

A pattern is a glob with names in braces, each for the text of (part of) one segment, or a regular
expression with named groups, which is what begins with `^`:

    docs/{version}/{lang}/**
    releases/{product}-{version}.md
    ^blog/(?P<published>\\d{4}-\\d\\d-\\d\\d)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, BinaryIO

from ragctl.errors import MalformedDocument
from ragctl.ports import Source
from ragctl.sources.typed_values import WrongType, typed_values
from ragctl.types import Failure, Item

_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def compiled(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern, to be matched at the beginning of a path.

    Raises:
        ValueError: it is none, or names nothing.
    """
    try:
        found = re.compile(pattern if pattern.startswith("^") else _of_glob(pattern))
    except re.error as error:
        raise ValueError(f"{pattern!r} is no pattern: {error}") from None
    if not found.groupindex:
        raise ValueError(f"{pattern!r} names nothing; write {{name}}, or (?P<name>…) in a regular expression")
    return found


def _of_glob(pattern: str) -> str:
    out: list[str] = []
    at = 0
    for found in re.finditer(r"\*\*/|\*\*|\*|\?|" + _NAME.pattern, pattern):
        out.append(re.escape(pattern[at : found.start()]))
        token = found.group()
        wild = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        out.append(wild.get(token) or f"(?P<{found.group(1)}>[^/]+?)")
        at = found.end()
    return "".join(out) + re.escape(pattern[at:]) + r"\Z"


class WithPathMetadata:
    """A source whose items carry what their paths say as well.

    The first pattern that matches counts. A path that none matches says nothing; one whose value is not of
    its type is a `Failure`.

    Args:
        source: what lists and opens.
        patterns: see `compiled`.
        types: name → type, see `typed_values.typed`; text where there is none.

    Raises:
        ValueError: a pattern is none.
    """

    def __init__(self, source: Source, patterns: Sequence[str], types: Mapping[str, str]) -> None:
        self._source = source
        self._patterns = [compiled(one) for one in patterns]
        self._types = dict(types)

    @property
    def name(self) -> str:
        return self._source.name

    def items(self) -> Iterator[Item | Failure]:
        """Those of the source."""
        for one in self._source.items():
            yield self._described(one) if isinstance(one, Item) else one

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        return self._source.open(item)

    def _described(self, item: Item) -> Item | Failure:
        try:
            found = typed_values(self._said(item.path), self._types)
        except WrongType as error:
            message = f"{error}; see path_metadata and metadata_types of the source"
            return Failure(item.source, item.path, "list", MalformedDocument.kind, message, retryable=True)
        return replace(item, metadata={**found, **item.metadata}) if found else item

    def _said(self, path: str) -> dict[str, Any]:
        for pattern in self._patterns:
            found = pattern.match(path)
            if found:
                return {key: value for key, value in found.groupdict().items() if value is not None}
        return {}
