"""Metadata from paths, and the types of metadata."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from contracts.source import content, listed

from ragctl.sources.directory import DirectorySource
from ragctl.sources.path_metadata import WithPathMetadata, compiled
from ragctl.sources.typed_values import WrongType, plain, typed
from ragctl.types import Failure, Item


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("docs/{version}/{lang}/**", "docs/2.1/en/a/b.md", {"version": "2.1", "lang": "en"}),
        ("docs/{version}/{lang}/**", "docs/2.1/en", None),
        ("docs/{version}/{lang}/**", "old/docs/2.1/en/a.md", None),
        ("**/{product}-{version}.md", "a/b/x-y-1.md", {"product": "x", "version": "y-1"}),
        ("**/{name}.md", "top.md", {"name": "top"}),
        ("{area}/*.md", "a.b/c/d.md", None),
        ("a+b/{x}?", "a+b/cd", {"x": "c"}),
        (r"^blog/(?P<year>\d{4})-(?P<month>\d\d)?", "blog/2026-x.md", {"year": "2026", "month": None}),
    ],
)
def test_patterns(pattern: str, path: str, found: dict[str, Any] | None) -> None:
    match = compiled(pattern).match(path)
    assert (match.groupdict() if match else None) == found


@pytest.mark.parametrize("pattern", ["docs/**", "^docs/", "^(?P<a", "{a}/{a}"])
def test_patterns_that_are_none(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|names nothing"):
        compiled(pattern)


def test_items_carry_what_their_paths_say(tmp_path: Path) -> None:
    for name in ("v1/a.md", "v2/a.md", "vx/a.md", "other.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    inner = DirectorySource("docs", tmp_path, metadata={"lang": "en"})
    source = WithPathMetadata(inner, ["v{version}/**"], {"version": "number"})
    found = list(source.items())
    assert {one.path: one.metadata for one in found if isinstance(one, Item)} == {
        "other.md": {"lang": "en"},
        "v1/a.md": {"lang": "en", "version": 1},
        "v2/a.md": {"lang": "en", "version": 2},
    }
    (failure,) = [one for one in found if isinstance(one, Failure)]
    assert failure.document == "vx/a.md"
    assert "its 'version': 'x' is no number" in failure.message


def test_what_the_spec_says_comes_before_what_the_path_says(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x", encoding="utf-8")
    inner = DirectorySource("docs", tmp_path, metadata={"name": "fixed"})
    source = WithPathMetadata(inner, ["{name}.md"], {})
    (item,) = listed(source).values()
    assert item.metadata == {"name": "fixed"}
    assert content(source, item) == b"x"


@pytest.mark.parametrize(
    ("value", "kind", "found"),
    [
        ("12", "number", 12),
        ("1.5", "number", 1.5),
        (3, "number", 3),
        ("TRUE", "boolean", True),
        (0, "boolean", False),
        (True, "text", "true"),
        (2.5, "text", "2.5"),
        ("2026-01-02", "date", "2026-01-02"),
        ("20260102", "date", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "date", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T00:30:00+02:00", "date", "2026-01-01T22:30:00+00:00"),
        ("2026-01-02 03:04", "date", "2026-01-02T03:04:00"),
    ],
)
def test_types(value: Any, kind: str, found: Any) -> None:
    made = typed(value, kind)
    assert made == found
    assert type(made) is type(found)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", "number"),
        (True, "number"),
        ("nan", "number"),
        ("inf", "number"),
        ("9" * 5000, "number"),
        ("maybe", "boolean"),
        (2, "boolean"),
        ("2026-13-01", "date"),
        (2026, "date"),
        ({}, "text"),
    ],
)
def test_what_is_of_no_type(value: Any, kind: str) -> None:
    with pytest.raises(WrongType, match=f"is no {kind}"):
        typed(value, kind)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (time(3, 4), "03:04:00"),
        (Decimal("5.00"), 5),
        (Decimal("NaN"), None),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"x", None),
        ((1, date(2026, 1, 2)), [1, "2026-01-02"]),
        ({"a": b"x"}, {"a": None}),
    ],
)
def test_plain_values(value: Any, found: Any) -> None:
    assert plain(value) == found
