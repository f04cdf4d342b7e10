"""A spec with the recipe's settings of another time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ragctl.errors import Mismatch
from ragctl.spec.chunk_settings import ChunkSettings
from ragctl.spec.embed_settings import AutoEmbedder, EmbedSettings
from ragctl.spec.extract_settings import ExtractSettings
from ragctl.spec.load import LoadedSpec
from ragctl.spec.model import Spec
from ragctl.spec.outline import members
from ragctl.spec.recipe import LEFT_OUT_AS_DEFAULT, recipe_settings

_SECTIONS: dict[str, TypeAdapter[Any]] = {
    "extract": TypeAdapter(ExtractSettings),
    "chunk": TypeAdapter(ChunkSettings),
    "embed": TypeAdapter(EmbedSettings),
}


def with_settings(loaded: LoadedSpec, settings: Mapping[str, Mapping[str, Any]]) -> LoadedSpec:
    """The same spec with these settings, by section, in place of its own.

    What a section does not name stays as the spec has it, and so does a section that is not given;
    but what the recipe leaves out as its default is that default. An embedder of another provider has its
    own defaults, or what the option says that it was chosen by; what may be read where stays the spec's.

    Raises:
        Mismatch: a setting means nothing to this release.
    """
    sections = {}
    for name in _SECTIONS.keys() & settings.keys():
        recorded = {key: _plain(value) for key, value in settings[name].items()}
        own = _own_settings(loaded.spec, name, recorded)
        left_out = {
            key: _plain(value) for key, value in LEFT_OUT_AS_DEFAULT.get(name, {}).items() if key in own
        }
        try:
            sections[name] = _SECTIONS[name].validate_python({**own, **left_out, **recorded})
        except ValidationError as error:
            key = ".".join(str(part) for part in error.errors()[0]["loc"]) or "provider"
            raise Mismatch(
                f"this ragctl does not know the {name} settings that were used then ({key})", where=name
            ) from error
    return replace(loaded, spec=loaded.spec.model_copy(update=sections))


def _own_settings(spec: Spec, name: str, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """What the spec says beside the recorded settings, with every key of the section."""
    own, provider = spec.embed, recorded.get("provider", "local")
    if name != "embed" or own.provider == provider:
        dumped: dict[str, Any] = getattr(spec, name).model_dump()
        return dumped
    privacy = own.selection_criteria.model_dump(include={"privacy_sensitive", "allowed_hosts"})
    kind = members(EmbedSettings).get(provider)
    if kind is None:
        return {}
    as_chosen = _option(spec, own, recorded) if isinstance(own, AutoEmbedder) else {}
    defaults = {key: field.default for key, field in kind.model_fields.items() if not field.is_required()}
    return {**defaults, **as_chosen, "selection_criteria": privacy}


def _option(spec: Spec, own: AutoEmbedder, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the option that such a recipe comes from; none if it is no longer there."""
    for option in own.embedder_options:
        if recipe_settings(spec, option.settings)["embed"] == recorded:
            return option.settings.model_dump()
    return {}


def _plain(value: Any) -> Any:
    """JSON's lists as the tuples that a spec is made of."""
    if isinstance(value, list):
        return tuple(_plain(one) for one in value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value
