"""A spec with some of its values changed, validated like the file; mistakes stand where the values do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ragctl.spec.chunk_settings import default_overlap
from ragctl.spec.defaults import resolved
from ragctl.spec.embedded_spec import plain_of_json
from ragctl.spec.load import LoadedSpec, read_overridden, validated
from ragctl.spec.mistakes import KeyPath, Mistake, MistakeFound, Place, parsed, spec_error
from ragctl.spec.overrides import put
from ragctl.spec.plain import Plain
from ragctl.spec.positions import Positions


def changed_spec(loaded: LoadedSpec, values: Mapping[str, Any], places: Mapping[str, KeyPath]) -> LoadedSpec:
    """The same spec with other values.

    Its `overrides` are those of `loaded` and the values, so that runs tell what was changed. Its lock is that
    of `loaded`.

    Args:
        values: JSON values by dotted key.
        places: for each key, the path in the spec at which its value was given.

    Raises:
        SpecError: with every mistake; each at the place of the value that it is about.
    """
    plain = _plain(loaded)
    for key, value in values.items():
        path = parsed(key)
        place = loaded.positions.value(places[key])
        if not place.line:  # there is no text, so that the key has to tell it
            place = Place(0, 0, 0, f"{place.origin}, {key}")
        try:
            plain.data = put(plain.data, path, plain_of_json(value, path, Positions(place)), place)
        except MistakeFound as found:
            raise spec_error([Mistake(place, path, found.mistake.text)]) from None
        plain.positions.override(path, place)
        plain.positions.fill(path, place)
    spec = validated(plain, loaded.base)
    told = tuple(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    return replace(
        loaded,
        overrides=(*loaded.overrides, *told),
        spec=resolved(spec, loaded.base),
        positions=plain.positions,
    )


def _plain(loaded: LoadedSpec) -> Plain:
    if loaded.lock is None:
        return read_overridden(loaded.path, loaded.overrides)[0]
    positions = Positions(loaded.positions.value(()))
    content = loaded.spec.model_dump(mode="json")
    if _overlap_follows(loaded):
        del content["chunk"]["overlap"]
    return Plain(plain_of_json(content, (), positions), positions)


def _overlap_follows(loaded: LoadedSpec) -> bool:
    """Is `chunk.overlap` of an embedded spec, which spells all defaults out, that of its `max_tokens`?"""
    chunk, lock = loaded.spec.chunk, loaded.lock.lock if loaded.lock else None
    given = lock is not None and "overlap" in lock.given.get("chunk", ())
    return not given and chunk.overlap == default_overlap(chunk.max_tokens)
