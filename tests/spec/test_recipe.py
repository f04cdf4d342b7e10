"""Which setting moves which part of the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest

from ragctl.spec.embed_settings import AutoEmbedder, CohereEmbedder, HuggingFaceEmbedder, OpenAIEmbedder
from ragctl.spec.model import Spec
from ragctl.spec.recipe import Recipe, given_settings, make_recipe, recipe_settings
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
        ({"chunk": {"splitter": "sentence"}}, {"chunk"}),
        ({"chunk": {"splitter": "none"}}, {"chunk"}),
        ({"chunk": {"splitter": "auto"}}, set()),
        ({"chunk": {"max_tokens": 200}}, {"chunk"}),
        ({"chunk": {"overlap": 8}}, {"chunk"}),
        ({"chunk": {"min_tokens": 8}}, {"chunk"}),
        ({"chunk": {"context": ("title",)}}, {"chunk"}),
        ({"chunk": {"context": ("headings", "title")}}, {"chunk"}),
        ({"chunk": {"language": "german"}}, {"chunk"}),
        ({"chunk": {"language": "english"}}, set()),
        ({"extract": {"max_bytes": 5}}, set()),
        ({"extract": {"limits": {"seconds": 5, "memory": 512 << 20, "output": 5}, "workers": 2}}, set()),
        ({"extract": {"readers": {}, "encodings": (), "unstructured": {"languages": ()}}}, set()),
        ({"extract": {"reader": "unstructured"}}, {"extract"}),
        ({"extract": {"readers": {".conf": "text"}}}, {"extract"}),
        ({"extract": {"encodings": ("cp1251",)}}, {"extract"}),
        ({"extract": {"unstructured": {"strategy": "fast"}}}, {"extract"}),
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
        (
            {"embed": {"selection_criteria": {"privacy_sensitive": True, "allowed_hosts": ("a.example",)}}},
            set(),
        ),
        ({"sources": ({"type": "directory", "path": "x", "sensitivity": "sensitive"},)}, set()),
        ({"ask": {"rank": {"provider": "cohere", "retries": 3}}}, set()),
        ({"ask": {"rank": {"provider": "local", "model": "./cross"}}}, set()),
        ({"chunk": {"max_tokens": 256}, "embed": {"provider": "local"}}, set()),  # the defaults, written out
    ],
    ids=_name,
)
def test_settings(settings: dict[str, Any], parts: set[str]) -> None:
    before, after = recipe(), recipe(settings)
    assert moved(before, after) == parts
    assert (before.digest != after.digest) == bool(parts)


OPENAI = {"provider": "openai"}
COHERE = {"provider": "cohere"}
TORCH = {"provider": "huggingface", "model": "org/model"}
EMBEDDERS = [
    (OPENAI, {"model": "text-embedding-3-large"}, True),
    (OPENAI, {"base_url": "http://localhost:8000/v1"}, True),
    (OPENAI, {"dimensions": 256}, True),
    (OPENAI, {"max_tokens": 4000}, True),
    (OPENAI, {"tokenizer": "./tokenizer"}, True),
    (OPENAI, {"query_prefix": "query: "}, True),
    (OPENAI, {"passage_prefix": "passage: "}, True),
    (OPENAI, {"api_key_env": "OTHER_KEY"}, False),
    (OPENAI, {"timeout_seconds": 5}, False),
    (OPENAI, {"retries": 0}, False),
    (OPENAI, {"max_in_flight": 1}, False),
    (OPENAI, {"requests_per_minute": 10}, False),
    (OPENAI, {"tokens_per_minute": 10}, False),
    (OPENAI, {"usd_per_million_tokens": 1}, False),
    (OPENAI, {"selection_criteria": {"privacy_sensitive": True}}, False),
    (COHERE, {"model": "embed-english-v3.0"}, True),
    (COHERE, {"dimensions": 256}, True),
    (COHERE, {"base_url": "http://localhost:8000"}, False),
    (COHERE, {"api_key_env": "OTHER_KEY"}, False),
    (COHERE, {"timeout_seconds": 5}, False),
    (COHERE, {"retries": 0}, False),
    (COHERE, {"max_in_flight": 1}, False),
    (COHERE, {"requests_per_minute": 10}, False),
    (COHERE, {"tokens_per_minute": 10}, False),
    (COHERE, {"usd_per_million_tokens": 1}, False),
    (COHERE, {"selection_criteria": {"privacy_sensitive": True}}, False),
    (TORCH, {"model": "org/other"}, True),
    (TORCH, {"revision": "main"}, True),
    (TORCH, {"query_prefix": ""}, True),
    (TORCH, {"passage_prefix": ""}, True),
    (TORCH, {"device": "cuda"}, False),
    (TORCH, {"precision": "fp32"}, False),
    (TORCH, {"batch_tokens": 512}, False),
    (TORCH, {"selection_criteria": {"privacy_sensitive": True}}, False),
]


@pytest.mark.parametrize(("embed", "changed", "counts"), EMBEDDERS, ids=_name)
def test_settings_of_an_embedder(embed: dict[str, Any], changed: dict[str, Any], counts: bool) -> None:
    before, after = recipe({"embed": embed}), recipe({"embed": {**embed, **changed}})
    assert moved(before, after) == ({"embed"} if counts else set())


@pytest.mark.parametrize("kind", [OpenAIEmbedder, CohereEmbedder, HuggingFaceEmbedder])
def test_every_setting_of_an_embedder_is_tried(kind: type[Section]) -> None:
    """A new setting must get a line in the table above."""
    provider = get_args(kind.model_fields["provider"].annotation)[0]
    tried = {key for embed, changed, _ in EMBEDDERS for key in changed if embed["provider"] == provider}
    assert tried == set(kind.model_fields) - {"provider"}


CHOICE: dict[str, Any] = {
    "provider": "auto",
    "embedder_options": (
        {"provider": "local", "cost": "low", "quality": 0.5},
        {"provider": "openai", "cost": 0.02, "dim": 1536, "retries": 2, "dimensions": 256},
        {"provider": "huggingface", "model": "org/model", "use_gpu": True},
        {"provider": "huggingface", "model": "org/model"},
        {"provider": "cohere", "model": "embed-v4.0"},
    ),
    "selection_criteria": {"cost_threshold": "medium"},
}
ALONE: list[dict[str, Any]] = [
    {"provider": "local"},
    {"provider": "openai", "retries": 2, "dimensions": 256},
    TORCH,
    {**TORCH, "device": "cpu"},
    {"provider": "cohere", "model": "embed-v4.0"},
]


@pytest.mark.parametrize("number", range(5))
def test_a_chosen_option_has_the_recipe_of_a_spec_that_names_it(number: int) -> None:
    open_spec = Spec.model_validate({**MINIMAL, "embed": CHOICE})
    assert isinstance(open_spec.embed, AutoEmbedder)
    chosen = open_spec.embed.embedder_options[number].settings
    alone = Spec.model_validate({**MINIMAL, "embed": ALONE[number]})
    assert chosen == alone.embed
    assert make_recipe(open_spec, **PARTS, embed=chosen) == make_recipe(alone, **PARTS)
    assert recipe_settings(open_spec, chosen) == recipe_settings(alone)
    assert given_settings(open_spec, chosen) == given_settings(alone)


def test_an_open_choice_has_no_recipe() -> None:
    with pytest.raises(ValueError, match="the chosen option"):
        recipe({"embed": CHOICE})


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
        "extract": {"reader", "readers", "encodings", "max_bytes", "limits", "workers", "unstructured"},
        "chunk": {"splitter", "max_tokens", "overlap", "min_tokens", "context", "language"},
        "embed": {"model", "revision", "query_prefix", "passage_prefix", "selection_criteria"},
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
