"""YAML front matter: the block between `---` lines that a Markdown file may begin with."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ragctl.readers.assemble import one_line

_BLOCK = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_LIMIT = 1 << 16
_DEPTH = 20


class FrontMatter(NamedTuple):
    """`values` fit for metadata, and how many lines of the text they took."""

    values: Mapping[str, Any]
    lines: int


def front_matter(text: str) -> FrontMatter:
    """What `text` begins with; no lines if that is no YAML mapping, which is then ordinary text.

    Values keep their type if they are text, numbers or truth values, dates become ISO 8601, lists
    of such values stay; deeper structures are left out. YAML aliases are not followed: a block
    that uses them is not taken for front matter, so it cannot grow without bound.
    """
    found = _BLOCK.match(text, 0, min(len(text), _LIMIT))
    if not found:
        return FrontMatter({}, 0)
    loaded = _load(found[1])
    if loaded is None:
        return FrontMatter({}, 0)
    values: dict[str, Any] = {}
    for key, value in loaded.items():
        plain = _list(value) if isinstance(value, list) else _scalar(value)
        if isinstance(key, str) and plain is not None:
            values[one_line(key)] = plain
    ended = found[0].endswith("\n")
    return FrontMatter(values, found[0].count("\n") + (not ended))


def _load(block: str) -> dict[Any, Any] | None:
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(block, Loader=loader):
            if isinstance(event, yaml.AliasEvent):
                return None
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEPTH:
                return None
        loaded = yaml.load(block, Loader=loader)  # a safe loader: plain values only
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError):
        # not YAML: a text may begin with a ruled line, and then this is part of the text
        return None
    if loaded is None:
        return {}
    return loaded if isinstance(loaded, dict) else None


def _list(values: list[Any]) -> list[Any]:
    return [plain for plain in map(_scalar, values) if plain is not None]


def _scalar(value: Any) -> Any:
    """None if it is not fit for metadata."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else None
    return None
