"""A spec with the recipe's settings of another time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragctl.errors import Mismatch
from ragctl.spec.earlier_settings import with_settings
from ragctl.spec.embed_settings import LocalEmbedder, OpenAIEmbedder
from ragctl.spec.load import LoadedSpec, load_spec
from ragctl.spec.recipe import recipe_settings, recorded_language


def load(folder: Path, **sections: object) -> LoadedSpec:
    source = {"type": "directory", "path": "docs"}
    path = folder / "docs.yaml"
    path.write_text(json.dumps({"name": "docs", "sources": [source], **sections}), encoding="utf-8")
    return load_spec(path)


def test_settings_come_back_through_json(tmp_path: Path) -> None:
    chunk = {"max_tokens": 100, "overlap": 10, "min_tokens": 20, "context": ["headings"]}
    earlier = load(tmp_path, chunk=chunk, extract={"max_bytes": 5})
    recorded = json.loads(json.dumps(recipe_settings(earlier.spec)))
    now = load(tmp_path, chunk={"max_tokens": 50}, extract={"max_bytes": 7}, max_failures=3)
    composed = with_settings(now, recorded)
    assert composed.spec.chunk == earlier.spec.chunk
    assert composed.spec.embed == earlier.spec.embed
    assert composed.spec.extract.max_bytes == 7  # it is no part of the recipe
    assert composed.spec.max_failures == 3
    assert recipe_settings(composed.spec) == recorded
    assert now.spec.chunk.max_tokens == 50


def test_without_settings_the_spec_stays_as_it_is(tmp_path: Path) -> None:
    now = load(tmp_path, chunk={"max_tokens": 50})
    assert with_settings(now, {}).spec == now.spec


def test_a_language_that_was_not_recorded_was_english(tmp_path: Path) -> None:
    recorded = recipe_settings(load(tmp_path, chunk={"language": "english"}).spec)
    assert "language" not in recorded["chunk"]  # as in what earlier releases recorded
    now = load(tmp_path, chunk={"language": "german"})
    assert with_settings(now, recorded).spec.chunk.language == "english"
    assert with_settings(now, recipe_settings(now.spec)).spec == now.spec
    assert [recorded_language(one) for one in ({}, recorded, recipe_settings(now.spec))] == [
        "english",
        "english",
        "german",
    ]


OPENAI = {"provider": "openai", "model": "text-embedding-3-large", "dimensions": 256}
CRITERIA = {"privacy_sensitive": True, "allowed_hosts": ["api.openai.com"]}


def test_settings_of_another_provider(tmp_path: Path) -> None:
    recorded = recipe_settings(load(tmp_path, embed={**OPENAI, "retries": 2}).spec)
    now = load(tmp_path, embed={"query_prefix": "q: ", "selection_criteria": CRITERIA})
    embed = with_settings(now, recorded).spec.embed
    assert isinstance(embed, OpenAIEmbedder)
    assert (embed.model, embed.dimensions, embed.query_prefix) == ("text-embedding-3-large", 256, None)
    assert (embed.retries, embed.api_key_env) == (6, "OPENAI_API_KEY")  # its own defaults
    assert embed.selection_criteria == now.spec.embed.selection_criteria
    local = recipe_settings(load(tmp_path).spec)
    back = with_settings(load(tmp_path, embed={**OPENAI, "selection_criteria": CRITERIA}), local).spec.embed
    assert isinstance(back, LocalEmbedder)
    assert back.selection_criteria.allowed_hosts == ("api.openai.com",)


def test_settings_of_an_option_that_was_chosen(tmp_path: Path) -> None:
    options = [{"provider": "local"}, {**OPENAI, "retries": 2, "api_key_env": "A_KEY"}]
    criteria = {**CRITERIA, "cost_threshold": "low"}
    now = load(
        tmp_path,
        embed={"provider": "auto", "embedder_options": options, "selection_criteria": criteria},
    )
    recorded = recipe_settings(load(tmp_path, embed=OPENAI).spec)
    embed = with_settings(now, recorded).spec.embed
    assert isinstance(embed, OpenAIEmbedder)
    assert (embed.model, embed.retries, embed.api_key_env) == ("text-embedding-3-large", 2, "A_KEY")
    assert embed.selection_criteria.privacy_sensitive
    assert embed.selection_criteria.cost_threshold is None
    gone = recipe_settings(load(tmp_path, embed={**OPENAI, "dimensions": 512}).spec)
    other = with_settings(now, gone).spec.embed
    assert isinstance(other, OpenAIEmbedder)
    assert (other.dimensions, other.api_key_env) == (512, "OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"chunk": {"by_moonlight": True}}, "by_moonlight"),
        ({"chunk": {"max_tokens": "many"}}, "max_tokens"),
        ({"embed": {"provider": "forgotten"}}, "provider"),
        ({"embed": {"provider": "openai", "model": "m", "by_moonlight": True}}, "by_moonlight"),
    ],
)
def test_what_this_release_does_not_know(
    tmp_path: Path, settings: dict[str, dict[str, object]], named: str
) -> None:
    with pytest.raises(Mismatch, match=named):
        with_settings(load(tmp_path), settings)
