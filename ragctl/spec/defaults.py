"""Defaults that follow from other values: a source's name from its path, the index's from the pipeline's."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from ragctl.spec.mistakes import KeyPath, Mistake, shown
from ragctl.spec.model import Spec
from ragctl.spec.plain import Value
from ragctl.spec.positions import Positions


def resolved(spec: Spec, base: Path) -> Spec:
    """The spec with every name filled in. `base` is the directory that paths are relative to."""
    sources = tuple(
        source.model_copy(update={"name": source.name or default_source_name(source.path, base)})
        for source in spec.sources
    )
    index = spec.store.index or spec.name.replace("-", "_")
    store = spec.store.model_copy(update={"index": index})
    return spec.model_copy(update={"sources": sources, "store": store})


def default_source_name(path: str, base: Path) -> str:
    """The last part of the path, NFC; empty if it has none, as `/`.

    The path is not looked up on disk, so a symbolic link is called by its own name.
    """
    parts: list[str] = []
    for part in (base / path).parts:
        if part == "..":
            parts = parts[:-1] if len(parts) > 1 else parts
        else:
            parts.append(part)
    name = parts[-1] if len(parts) > 1 else ""
    return unicodedata.normalize("NFC", name)


def name_mistakes(data: Value, base: Path, positions: Positions) -> list[Mistake]:
    """Sources of one name, reported at each, and paths that give no name.

    Works on data that was not validated, so that these mistakes come with all others.
    """
    sources = data.get("sources") if isinstance(data, dict) else None
    named: dict[str, list[tuple[KeyPath, str]]] = {}
    mistakes: list[Mistake] = []
    for number, source in enumerate(sources if isinstance(sources, tuple) else ()):
        given = source.get("name") if isinstance(source, dict) else None
        path = source.get("path") if isinstance(source, dict) else None
        if isinstance(given, str):
            named.setdefault(given, []).append((("sources", number, "name"), "is"))
        elif isinstance(path, str) and isinstance(source, dict) and "name" not in source:
            where = ("sources", number, "path")
            name = default_source_name(path, base)
            if name:
                named.setdefault(name, []).append((where, "gives the name"))
            else:
                mistakes.append(Mistake(positions.value(where), where, "gives no name; add `name: …`"))
    for name, places in named.items():
        mistakes.extend(_clash(name, places, positions))
    return mistakes


def _clash(name: str, places: list[tuple[KeyPath, str]], positions: Positions) -> list[Mistake]:
    found = []
    for where, verb in places if len(places) > 1 else ():
        others = ", ".join(str(positions.value(other)) for other, _ in places if other != where)
        text = f"{verb} {shown(name)}, the name of another source too ({others}); add `name: …` to one"
        found.append(Mistake(positions.value(where), where, text))
    return found
