"""A folder of documents that changes from round to round, the same way for the same seed."""

from __future__ import annotations

import random
from pathlib import Path

WORDS = "index table query vector server page chunk model reader token stage ledger run plan".split()
FOLDERS = 5
HOLLOW = "hollow.html"
UNREADABLE = "photo.gif"


class Corpus:
    """Documents of one to some ten chunks in `folder`, about `size` of them.

    Two are there from the start and stay: one that fails because it has no text, one that has no reader.
    """

    def __init__(self, folder: Path, size: int, chance: random.Random) -> None:
        self._folder = folder
        self._size = size
        self._chance = chance
        self._made = 0
        folder.mkdir(exist_ok=True)
        (folder / HOLLOW).write_text("<html><body></body></html>", encoding="utf-8")
        (folder / UNREADABLE).write_bytes(b"GIF89a" + bytes(range(256)))
        for _ in range(size):
            self._add()

    def change(self) -> None:
        """A few documents are edited, added, removed and renamed; their number stays about the same."""
        there = self._documents()
        surplus = max(len(there) - self._size, 0)
        few = self._size // 7
        for path in self._chance.sample(there, min(self._chance.randint(0, few) + surplus, len(there) - 1)):
            path.unlink()
        for path in self._some(few):
            path.rename(self._new_path())
        for path in self._some(few):
            self._write(path)
        for _ in range(self._chance.randint(1, max(few, 1))):
            self._add()

    def _documents(self) -> list[Path]:
        return sorted(self._folder.glob("part*/*.md"))

    def _some(self, most: int) -> list[Path]:
        there = self._documents()
        return self._chance.sample(there, min(self._chance.randint(0, most), len(there)))

    def _add(self) -> None:
        self._write(self._new_path())

    def _new_path(self) -> Path:
        self._made += 1
        path = self._folder / f"part{self._chance.randrange(FOLDERS)}" / f"{self._made:05}.md"
        path.parent.mkdir(exist_ok=True)
        return path

    def _write(self, path: Path) -> None:
        """Sections of random words, one of them the same in many documents."""
        title = self._chance.randrange(10**9)
        sections = [
            " ".join(self._chance.choices(WORDS, k=self._chance.randint(20, 150)))
            for _ in range(self._chance.randint(1, 6))
        ]
        sections.insert(0, f"Notice {title % 5}. " + "The same words stand here and elsewhere. " * 5)
        body = "\n\n".join(f"## Section {number}\n\n{text}." for number, text in enumerate(sections))
        path.write_text(f"# Document {title}\n\n{body}\n", encoding="utf-8")
