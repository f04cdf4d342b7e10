"""Defaults that follow from other values: a source's name from its path, the index's from the pipeline's."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

from ragctl.spec.mistakes import KeyPath, Mistake, shown
from ragctl.spec.model import Spec
from ragctl.spec.plain import Value
from ragctl.spec.positions import Positions
from ragctl.spec.source_settings import Source

_NAMED_BY: dict[str, str] = {
    get_args(one.model_fields["type"].annotation)[0]: one.named_by for one in get_args(get_args(Source)[0])
}
"""A source's type → the key that gives its name."""


def resolved(spec: Spec, base: Path) -> Spec:
    """The spec with every name filled in. `base` is the directory that paths are relative to."""
    sources = tuple(
        source.model_copy(update={"name": source.name or _default_name(source, base)})
        for source in spec.sources
    )
    index = spec.store.index or spec.name.replace("-", "_")
    store = spec.store.model_copy(update={"index": index})
    return spec.model_copy(update={"sources": sources, "store": store})


def _default_name(source: Source, base: Path) -> str:
    """Empty if nothing gives one, which `name_mistakes` has reported."""
    return default_source_name(getattr(source, source.named_by), base) if source.named_by else ""


def default_source_name(path: str, base: Path) -> str:
    """The last part of the path, NFC; empty if it has none, as `/`.

    A URL gives the last part of its path, or else its host, without `.git` at its end.
    The path is not looked up on disk, so a symbolic link is called by its own name.
    """
    if "://" in path:
        host, *below = [
            part for part in re.split(r"[?#]", path.split("://", 1)[1])[0].split("/") if part
        ] or [""]
        last = unquote(below[-1]) if below else host.rpartition("@")[2].partition(":")[0]
        return unicodedata.normalize("NFC", last.removesuffix(".git").replace("/", "-"))
    if re.match(r"[\w.-]+@[\w.-]+:", path):  # git's own way to write an ssh address
        path = path.removesuffix(".git").replace(":", "/", 1)
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
        key = _named_by(source)
        path = source.get(key) if isinstance(source, dict) else None
        if isinstance(given, str):
            named.setdefault(given, []).append((("sources", number, "name"), "is"))
        elif isinstance(path, str) and isinstance(source, dict) and "name" not in source:
            where = ("sources", number, key)
            name = default_source_name(path, base)
            if name:
                named.setdefault(name, []).append((where, "gives the name"))
            else:
                mistakes.append(Mistake(positions.value(where), where, "gives no name; add `name: …`"))
        elif isinstance(source, dict) and not key and "name" not in source:
            place = positions.value(("sources", number))
            text = "needs a name, as nothing in it gives one; add `name: …`"
            mistakes.append(Mistake(place, ("sources", number), text))
    for name, places in named.items():
        mistakes.extend(_clash(name, places, positions))
    return mistakes


def _named_by(source: Value) -> str:
    kind = source.get("type") if isinstance(source, dict) else None
    return _NAMED_BY.get(kind, "path") if isinstance(kind, str) else "path"


def _clash(name: str, places: list[tuple[KeyPath, str]], positions: Positions) -> list[Mistake]:
    found = []
    for where, verb in places if len(places) > 1 else ():
        others = ", ".join(str(positions.value(other)) for other, _ in places if other != where)
        text = f"{verb} {shown(name)}, the name of another source too ({others}); add `name: …` to one"
        found.append(Mistake(positions.value(where), where, text))
    return found
