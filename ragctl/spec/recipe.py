"""The recipe: digests of everything that decides which chunks and vectors a document gives.

Two runs of one recipe give the same chunks and vectors; another recipe needs another
generation. Settings count unless they are named here as changing no output, so that a new
setting is not forgotten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragctl.spec.embed_settings import GivenEmbedder
    from ragctl.spec.model import Spec
    from ragctl.spec.section import Section

_CHANGES_NO_OUTPUT = {
    # they decide whether, and how soon, a file is read, not what is read from it
    "extract": frozenset({"max_bytes", "limits", "workers"}),
    "chunk": frozenset[str](),
    "embed": frozenset(
        {"api_key_env", "timeout_seconds", "retries", "max_in_flight", "requests_per_minute"}
        | {"tokens_per_minute", "usd_per_million_tokens"}  # how a server is asked, and at what price
        | {"device", "precision", "batch_tokens"}  # vectors agree within rounding
        | {"selection_criteria"}
    ),
}
_CHANGES_NO_OUTPUT_OF: Mapping[str, frozenset[str]] = {
    "cohere": frozenset({"base_url"}),  # the same models at each address; one of OpenAI's API may have any
}
"""Embedder's provider → what changes no output with it alone."""

LEFT_OUT_AS_DEFAULT: Mapping[str, Mapping[str, Any]] = {
    "extract": {
        "readers": {},
        "encodings": [],
        "unstructured": {"strategy": "auto", "languages": []},
    },
    "chunk": {"language": "english"},
    "embed": {"revision": None, "query_prefix": None, "passage_prefix": None},
}
"""Settings that came after the first index was made, with what held before there was a choice. One of that
value is left out, so that a new release builds nothing anew that nobody changed."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Three digests, SHA-256 in hex, so that a change of one is seen as such.

    Attributes:
        extract: from an item's bytes to documents.
        chunk: from documents to embed inputs; counts in the embedder's tokens, so it changes
            with the tokenizer too.
        embed: from embed inputs to vectors.
    """

    extract: str
    chunk: str
    embed: str

    @property
    def digest(self) -> str:
        """One digest of all three."""
        return _digest("recipe", {"extract": self.extract, "chunk": self.chunk, "embed": self.embed})


def make_recipe(
    spec: Spec,
    *,
    readers: Mapping[str, int],
    splitters: Mapping[str, int],
    embedder: str,
    tokenizer: str = "",
    embed: GivenEmbedder | None = None,
) -> Recipe:
    """The recipe of a spec and of the parts that will carry it out.

    Args:
        readers, splitters: `output_version` of each by name.
        embedder: `Embedder.identity`.
        tokenizer: identity of what counts the tokens; the embedder's own identity if left empty.
        embed: settings of the chosen embedder, where the spec leaves the choice open (`provider: auto`).
    """
    settings = recipe_settings(spec, embed)
    extract = {"settings": settings["extract"], "readers": dict(readers)}
    chunk = {
        "settings": settings["chunk"],
        "splitters": dict(splitters),
        "tokenizer": tokenizer or embedder,
    }
    vectors = {"settings": settings["embed"], "embedder": embedder}
    return Recipe(_digest("extract", extract), _digest("chunk", chunk), _digest("embed", vectors))


def recipe_settings(spec: Spec, embed: GivenEmbedder | None = None) -> dict[str, dict[str, Any]]:
    """The settings that the recipe is made of, by section, as JSON values. `embed` as in `make_recipe`."""
    return {name: _settings(name, section) for name, section in _sections(spec, embed).items()}


def given_settings(spec: Spec, embed: GivenEmbedder | None = None) -> dict[str, list[str]]:
    """The names of those of them that the user gave, by section; the others are ragctl's defaults."""
    return {
        name: [key for key in _settings(name, section) if key in section.model_fields_set]
        for name, section in _sections(spec, embed).items()
    }


def recorded_language(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """`chunk.language` of recorded settings, which leave it out where it is the default."""
    language: str = {**LEFT_OUT_AS_DEFAULT["chunk"], **settings.get("chunk", {})}["language"]
    return language


def _sections(spec: Spec, embed: GivenEmbedder | None) -> dict[str, Section]:
    chosen = embed or spec.embed
    if chosen.provider == "auto":
        raise ValueError("the recipe of a spec with `provider: auto` needs the settings of the chosen option")
    return {"extract": spec.extract, "chunk": spec.chunk, "embed": chosen}


def _settings(name: str, section: Section) -> dict[str, Any]:
    without = _CHANGES_NO_OUTPUT[name] | _CHANGES_NO_OUTPUT_OF.get(
        getattr(section, "provider", ""), frozenset()
    )
    as_before = LEFT_OUT_AS_DEFAULT.get(name, {})
    return {
        key: value
        for key, value in section.model_dump(mode="json").items()
        if key not in without and (key not in as_before or value != as_before[key])
    }


def _digest(part: str, content: Mapping[str, Any]) -> str:
    text = json.dumps([part, content], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
