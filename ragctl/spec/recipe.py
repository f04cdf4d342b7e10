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
    from ragctl.spec.model import Spec

_CHANGES_NO_OUTPUT = {
    "extract": frozenset({"max_bytes"}),  # decides whether a file is read, not what is read from it
    "chunk": frozenset[str](),
    "embed": frozenset[str](),
}

LEFT_OUT_AS_DEFAULT: Mapping[str, Mapping[str, Any]] = {
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
) -> Recipe:
    """The recipe of a spec and of the parts that will carry it out.

    Args:
        readers, splitters: `output_version` of each by name.
        embedder: `Embedder.identity`.
        tokenizer: identity of what counts the tokens; the embedder's own identity if left empty.
    """
    extract = {"settings": _settings(spec, "extract"), "readers": dict(readers)}
    chunk = {
        "settings": _settings(spec, "chunk"),
        "splitters": dict(splitters),
        "tokenizer": tokenizer or embedder,
    }
    embed = {"settings": _settings(spec, "embed"), "embedder": embedder}
    return Recipe(_digest("extract", extract), _digest("chunk", chunk), _digest("embed", embed))


def recipe_settings(spec: Spec) -> dict[str, dict[str, Any]]:
    """The settings that the recipe is made of, by section, as JSON values."""
    return {section: _settings(spec, section) for section in _CHANGES_NO_OUTPUT}


def given_settings(spec: Spec) -> dict[str, list[str]]:
    """The names of those of them that the user gave, by section; the others are ragctl's defaults."""
    return {
        section: [key for key in _settings(spec, section) if key in getattr(spec, section).model_fields_set]
        for section in _CHANGES_NO_OUTPUT
    }


def recorded_language(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """`chunk.language` of recorded settings, which leave it out where it is the default."""
    language: str = {**LEFT_OUT_AS_DEFAULT["chunk"], **settings.get("chunk", {})}["language"]
    return language


def _settings(spec: Spec, section: str) -> dict[str, Any]:
    settings: dict[str, Any] = getattr(spec, section).model_dump(mode="json")
    as_before = LEFT_OUT_AS_DEFAULT.get(section, {})
    return {
        key: value
        for key, value in settings.items()
        if key not in _CHANGES_NO_OUTPUT[section] and (key not in as_before or value != as_before[key])
    }


def _digest(part: str, content: Mapping[str, Any]) -> str:
    text = json.dumps([part, content], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
