"""Items within an item: an attachment of a mail, a member of an archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ragctl.types import Document, Item


@dataclass(frozen=True, slots=True)
class Part:
    """What a reader found inside an item and does not read itself.

    Attributes:
        path: within the item: POSIX, relative. The documents of the part are `item!/path`.
        data: its bytes.
        media_type: what the item says that it is; None lets its content and name decide.
    """

    path: str
    data: bytes
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class PartFailed:
    """A part of which nothing can be read. The others go on.

    Attributes:
        path: as that of a `Part`; of what `nested.read_nested` gives, the whole path, `item!/path`.
        reason: what happened, for a person.
        error: the kind of the error, as that of a `Failure`.
        retryable: may the same bytes do better next time?
        hint: what to do about it.
    """

    path: str
    reason: str
    error: str = "malformed"
    retryable: bool = False
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class PartSkipped:
    """A part that is not read, and why. `path` as in `PartFailed`; `media_type`: what it was taken for."""

    path: str
    reason: str
    media_type: str | None = None


Found = Document | Part | PartFailed | PartSkipped


class FormatReader(Protocol):
    """A reader that may find parts inside an item; any `ports.Reader` is one."""

    @property
    def name(self) -> str: ...

    @property
    def output_version(self) -> int: ...

    def read(self, item: Item, data: bytes) -> Iterator[Found]:
        """The documents of an item, and what else is inside it.

        Raises:
            MalformedDocument: the bytes are not what they should be.
        """
        ...
