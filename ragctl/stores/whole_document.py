"""A stored document as it lies in a store, with all that another store needs to hold the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from ragctl.types import EmbeddedDocument, ItemKey

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, eq=False)
class WholeDocument:
    """A document with its chunks and vectors.

    Attributes:
        stored: what lies there. Stores keep no whole text and no embed inputs: `document.text` is empty, and
            `embed_input` of a chunk is made of what is there (`likely_input`).
        fingerprint: of the item, as it lies beside the document.
        lexemes: of each chunk, the text form of PostgreSQL's `tsvector`; None where there are none.
    """

    stored: EmbeddedDocument
    fingerprint: str = ""
    lexemes: tuple[str, ...] | None = None

    @property
    def key(self) -> ItemKey:
        """(source, path) of the document."""
        return self.stored.document.source, self.stored.document.path

    @property
    def item(self) -> ItemKey:
        """(source, path) of its item."""
        return self.stored.document.source, self.stored.document.item

    @property
    def chunks(self) -> int:
        """How many it has."""
        return len(self.stored.chunks)


def likely_input(path: str, title: str, headings: Sequence[str], text: str) -> str:
    """The embed input of a chunk as far as a store tells: a title that is the file's name does not count."""
    named = "" if title in (path, PurePosixPath(path).stem) else title
    return "\n".join(filter(None, [named, *headings, text]))


def grouped(sizes: Iterable[tuple[Key, int]], most: int) -> Iterator[list[Key]]:
    """Groups of keys, in order, whose sizes add up to `most` at most; one that is larger stands alone."""
    group: list[Key] = []
    total = 0
    for key, size in sizes:
        if group and total + size > most:
            yield group
            group, total = [], 0
        group.append(key)
        total += size
    if group:
        yield group
