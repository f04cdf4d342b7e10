"""Which setting moves which part of the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ragctl.spec.model import Spec
from ragctl.spec.recipe import Recipe, make_recipe
from ragctl.spec.section import Section

MINIMAL: dict[str, Any] = {"name": "docs", "sources": ({"type": "directory", "path": "docs"},)}

PARTS: dict[str, Any] = {
    "readers": {"markdown": 1, "html": 1},
    "splitters": {"auto": 1},
    "embedder": "local/all-MiniLM-L6-v2@1",
    "tokenizer": "wordpiece-1",
}


def recipe(settings: Mapping[str, Any] | None = None, **parts: Any) -> Recipe:
    return make_recipe(Spec.model_validate({**MINIMAL, **(settings or {})}), **{**PARTS, **parts})


def _name(value: object) -> str:
    """A test's name must be the same in every process, which the order of a set is not."""
    return str(sorted(value)) if isinstance(value, set) else str(value)


def moved(before: Recipe, after: Recipe) -> set[str]:
    return {part for part in ("extract", "chunk", "embed") if getattr(before, part) != getattr(after, part)}


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"chunk": {"max_tokens": 200}}, {"chunk"}),
        ({"chunk": {"overlap": 8}}, {"chunk"}),
        ({"chunk": {"min_tokens": 8}}, {"chunk"}),
        ({"chunk": {"context": ("title",)}}, {"chunk"}),
        ({"chunk": {"context": ("headings", "title")}}, {"chunk"}),
        ({"chunk": {"language": "german"}}, {"chunk"}),
        ({"chunk": {"language": "english"}}, set()),
        ({"extract": {"max_bytes": 5}}, set()),
        ({"store": {"existing": "skip", "keep_generations": 3, "index": "x"}}, set()),
        ({"ask": {"query": {"k": 10}, "rank": {"top_n": 3}}}, set()),
        ({"max_failures": 9, "name": "other"}, set()),
        ({"sources": ({"type": "directory", "path": "x", "metadata": {"a": 1}},)}, set()),
        ({"sources": ({"type": "jsonl", "path": "x", "text": ("a", "b")},)}, set()),
        ({"embed": {"model": "./mine"}}, {"embed"}),
        ({"embed": {"revision": "main"}}, {"embed"}),
        ({"embed": {"query_prefix": "query: "}}, {"embed"}),
        ({"embed": {"passage_prefix": ""}}, {"embed"}),
        ({"embed": {"revision": None, "query_prefix": None}}, set()),
        ({"ask": {"rank": {"provider": "local", "model": "./cross"}}}, set()),
        ({"chunk": {"max_tokens": 256}, "embed": {"provider": "local"}}, set()),  # the defaults, written out
    ],
    ids=_name,
)
def test_settings(settings: dict[str, Any], parts: set[str]) -> None:
    before, after = recipe(), recipe(settings)
    assert moved(before, after) == parts
    assert (before.digest != after.digest) == bool(parts)


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"readers": {"markdown": 2, "html": 1}}, {"extract"}),
        ({"readers": {"html": 1, "markdown": 1}}, set()),
        ({"splitters": {"auto": 2}}, {"chunk"}),
        ({"tokenizer": "wordpiece-2"}, {"chunk"}),
        ({"embedder": "local/all-MiniLM-L6-v2@2"}, {"embed"}),
        ({"embedder": "local/all-MiniLM-L6-v2@2", "tokenizer": ""}, {"chunk", "embed"}),
    ],
    ids=_name,
)
def test_versions_of_the_parts(changed: dict[str, Any], parts: set[str]) -> None:
    assert moved(recipe(), recipe(**changed)) == parts


def test_every_setting_of_the_three_sections_is_tried_or_has_one_choice() -> None:
    """A new setting must get a line in the tests above."""
    tried = {
        "extract": {"max_bytes"},
        "chunk": {"max_tokens", "overlap", "min_tokens", "context", "language"},
        "embed": {"model", "revision", "query_prefix", "passage_prefix"},
    }
    spec = Spec.model_validate(MINIMAL)
    for name in ("extract", "chunk", "embed"):
        section: Section = getattr(spec, name)
        schema = type(section).model_json_schema()["properties"]
        open_settings = {key for key, value in schema.items() if "const" not in value}
        assert open_settings == tried.get(name, set())


def test_digests_are_stable() -> None:
    """A change here makes every index out of date: it must be meant."""
    assert recipe() == Recipe(
        extract="c4cdf4f41e6356f6081d0164bfa9eab1401ef71b35f9e5f54acaf9fcc5cf2143",
        chunk="908c581a823553c8d3a0df9328237ef239cf2a2034aedd08c1d5156bcaa1c1e7",
        embed="7c299824a0dc79c287ab80143a5aabb6ee730f66b67466d30dd7f189c4d56fcf",
    )
    assert recipe().digest == "df70544bf07c3326b161e8965538debdd10743dbd5e3ced5b8a55eb029e72bf2"
