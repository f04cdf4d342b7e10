"""The sources of a spec, made of its settings.

A setting is an argument of the same name of the source's class, a path resolved against the spec file.
What is not the spec's (`environment`, `work_directory`, `max_bytes`) is given to those classes that have
an argument of that name.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.ports import Source
from ragctl.registry import adapter_class
from ragctl.run.connections import WORK_DIRECTORY
from ragctl.sources.path_metadata import WithPathMetadata

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec
    from ragctl.spec.source_settings import Source as SourceSettings

_NO_ARGUMENTS = frozenset({"type", "sensitivity", "path_metadata", "metadata_types"})
"""Settings that say which class it is, what is done with its text, and what is done here."""

_CALLED: Mapping[tuple[str, str], str] = {
    ("directory", "path"): "root",
    ("files", "path"): "root",
    ("jsonl", "path"): "file",
    ("csv", "path"): "file",
    ("parquet", "path"): "file",
}
"""(type, setting) → the argument, where that is called otherwise."""


def make_sources(loaded: LoadedSpec, environment: Mapping[str, str]) -> list[Source]:
    """Each source of the spec, in its order.

    Args:
        environment: where names of environment variables are looked up, by the source itself.

    Raises:
        MissingPackage: a package that a source needs is not installed.
    """
    around = {
        "environment": environment,
        "work_directory": loaded.base / WORK_DIRECTORY,
        "max_bytes": loaded.spec.extract.max_bytes,
    }
    return [_source(settings, loaded, around) for settings in loaded.spec.sources]


def _source(settings: SourceSettings, loaded: LoadedSpec, around: Mapping[str, Any]) -> Source:
    made_by = adapter_class("source", settings.type)
    given = {
        _CALLED.get((settings.type, key), key): _value(settings, key, loaded)
        for key in type(settings).model_fields
        if key not in _NO_ARGUMENTS
    }
    around = {**around, "metadata_types": getattr(settings, "metadata_types", {})}
    taken = inspect.signature(made_by).parameters
    given |= {key: value for key, value in around.items() if key in taken and key not in given}
    made: Source = made_by(**given)
    patterns = getattr(settings, "path_metadata", ())
    return WithPathMetadata(made, patterns, around["metadata_types"]) if patterns else made


def _value(settings: SourceSettings, key: str, loaded: LoadedSpec) -> Any:
    value = getattr(settings, key)
    if key not in settings.path_keys or value is None:
        return value
    return _resolved(loaded, value) if isinstance(value, str) else [_resolved(loaded, one) for one in value]


def _resolved(loaded: LoadedSpec, path: str) -> Path:
    return loaded.resolve(path)
