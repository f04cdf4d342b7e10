"""The imports of an exported file, in the order that isort's rules ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ragctl.export.python_text import fitting

_STANDARD_LIBRARY = frozenset({"datetime", "pathlib"})


@dataclass(frozen=True, slots=True)
class Import:
    """`from module import name`, or `import module` where there is no name."""

    module: str
    name: str | None = None


Imports = frozenset[Import]


def import_lines(imports: Iterable[Import]) -> list[str]:
    """The standard library first, then all others."""
    wanted = set(imports)
    ours = {one for one in wanted if one.module in _STANDARD_LIBRARY}
    sections = [_section(ours), _section(wanted - ours)]
    return [line for section in sections if section for line in (*section, "")]


def _section(imports: set[Import]) -> list[str]:
    names: dict[str, set[str]] = defaultdict(set)
    for one in imports:
        if one.name is not None:
            names[one.module].add(one.name)
    lines = [f"import {module}" for module in sorted(one.module for one in imports if one.name is None)]
    for module in sorted(names):
        lines += _from(module, names[module])
    return lines


def _from(module: str, names: set[str]) -> list[str]:
    ordered = sorted(names, key=lambda name: (not name[0].isupper(), name))  # classes, then functions
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= 88:
        return [line]
    return fitting(f"from {module} import (", ordered, ")", depth=0)
