"""Files such as `.gitignore` that say what is not to be listed, by git's rules.

One counts for its own folder and all below; where several say something of a path, that of the deepest
folder decides, and in one file the last line that matches. What lies in a folder that is left out cannot be
taken in again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragctl.errors import MissingPackage

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


@dataclass(frozen=True, slots=True)
class _Rules:
    folder: str
    """It counts for paths that begin with this: empty, or ending with `/`."""
    spec: GitIgnoreSpec


class IgnoreRules:
    """What the ignore files of a folder and of all above it, up to the root, say. Made folder by folder."""

    def __init__(self, names: Sequence[str], rules: tuple[_Rules, ...] = ()) -> None:
        self._names = tuple(names)
        self._rules = rules

    def entered(self, directory: Path, path: str) -> IgnoreRules:
        """The rules inside a folder.

        Args:
            directory: where it is.
            path: the same relative to the root, POSIX; empty for the root.

        Raises:
            OSError: an ignore file cannot be read.
            ValueError: one is no UTF-8, or a line of it is no pattern.
            MissingPackage: `pathspec` is not installed.
        """
        lines = [line for name in self._names for line in _lines(directory / name)]
        if not lines:
            return self
        try:
            from pathspec import GitIgnoreSpec
        except ModuleNotFoundError as error:
            raise MissingPackage(
                "ignore_files of a source needs the Python package 'pathspec', which is not installed",
                hint="pip install 'ragctl[ignore]'",
            ) from error
        own = _Rules(f"{path}/" if path else "", GitIgnoreSpec.from_lines(lines))
        return IgnoreRules(self._names, (*self._rules, own))

    def ignore(self, path: str, *, is_folder: bool = False) -> bool:
        """Is this path, relative to the root, left out?"""
        for one in reversed(self._rules):
            relative = path[len(one.folder) :] + ("/" if is_folder else "")
            said = one.spec.check_file(relative).include
            if said is not None:
                return bool(said)
        return False


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return []
