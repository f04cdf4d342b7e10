"""A spec with the recipe's settings of another time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ragctl.errors import Mismatch
from ragctl.spec.load import LoadedSpec
from ragctl.spec.model import ChunkSettings, EmbedSettings, ExtractSettings
from ragctl.spec.recipe import LEFT_OUT_AS_DEFAULT

_SECTIONS: dict[str, TypeAdapter[Any]] = {
    "extract": TypeAdapter(ExtractSettings),
    "chunk": TypeAdapter(ChunkSettings),
    "embed": TypeAdapter(EmbedSettings),
}


def with_settings(loaded: LoadedSpec, settings: Mapping[str, Mapping[str, Any]]) -> LoadedSpec:
    """The same spec with these settings, by section, in place of its own.

    What a section does not name stays as the spec has it, and so does a section that is not given;
    but what the recipe leaves out as its default is that default.

    Raises:
        Mismatch: a setting means nothing to this release.
    """
    sections = {}
    for name, adapter in _SECTIONS.items():
        own = getattr(loaded.spec, name).model_dump()
        recorded = {key: _plain(value) for key, value in settings.get(name, {}).items()}
        if name in settings:
            recorded = {**LEFT_OUT_AS_DEFAULT.get(name, {}), **recorded}
        try:
            sections[name] = adapter.validate_python({**own, **recorded})
        except ValidationError as error:
            key = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise Mismatch(
                f"this ragctl does not know the {name} settings that were used then ({key})", where=name
            ) from error
    return replace(loaded, spec=loaded.spec.model_copy(update=sections))


def _plain(value: Any) -> Any:
    """JSON's lists as the tuples that a spec is made of."""
    if isinstance(value, list):
        return tuple(_plain(one) for one in value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value
