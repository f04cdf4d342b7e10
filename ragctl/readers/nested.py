"""Items within items: each part read by the reader of its own kind, and failing alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from urllib.parse import quote

from ragctl.errors import DocumentError, MalformedDocument, MissingPackage, ReaderCrashed
from ragctl.readers import kinds
from ragctl.readers.auto import Choice
from ragctl.readers.parts import FormatReader, Part, PartFailed, PartSkipped
from ragctl.types import Document, Item

INSIDE = "!/"
"""Between an item's path and that of a part of it."""
DEEPEST = 3
MOST_PARTS = 100_000
MOST_BYTES = 4 << 30
"""Of all parts of one item together, at any depth."""
LONGEST_PATH_BYTES = 2000
"""An identity is a key of tables, whose entries have an end."""

Choose = Callable[[Item, bytes], Choice]
Outcome = Document | PartFailed | PartSkipped


@dataclass(slots=True)
class _Taken:
    """What the parts of one item have come to so far."""

    parts: int = 0
    size: int = 0
    paths: set[str] = field(default_factory=set)


def read_nested(reader: FormatReader, item: Item, data: bytes, choose: Choose) -> Iterator[Outcome]:
    """The item's own documents, and what becomes of its parts, named `item!/path`.

    A part that fails or has no reader is told of and the others go on; if the item itself fails, it fails as
    one. A second part of the same name is called `name (2)`.

    Args:
        choose: the reader for a part.

    Raises:
        DocumentError, MissingPackage: of the item itself; also if its parts are too many or too large.
    """
    return _read(reader, item, data, choose, 0, _Taken())


def _read(
    reader: FormatReader, item: Item, data: bytes, choose: Choose, depth: int, taken: _Taken
) -> Iterator[Outcome]:
    for found in reader.read(item, data):
        if isinstance(found, Document):
            yield replace(found, reader=f"{reader.name}@{reader.output_version}")
        elif isinstance(found, PartFailed | PartSkipped):
            yield replace(found, path=f"{item.path}{INSIDE}{found.path}")
        else:
            yield from _part(item, found, choose, depth + 1, taken)


def _part(item: Item, part: Part, choose: Choose, depth: int, taken: _Taken) -> Iterator[Outcome]:
    _count(part, taken)
    inner = _inner(item, part, taken)
    if len(inner.path.encode("utf-8", "replace")) > LONGEST_PATH_BYTES:
        short = f"{inner.path[:200]}…"
        yield PartFailed(short, f"its path is longer than {LONGEST_PATH_BYTES:,} bytes")
        return
    if not part.data.strip():
        yield PartSkipped(inner.path, "it is empty")
        return
    choice = choose(inner, part.data)
    if choice.reader is None:
        yield PartSkipped(inner.path, choice.reason, choice.media_type)
        return
    if depth + (choice.media_type in kinds.ARCHIVES) > DEEPEST:  # a mail's own text may still be read
        yield PartFailed(inner.path, f"it is more than {DEEPEST} containers deep")
        return
    yield from _attempted(choice.reader, inner, part.data, choose, depth, taken, choice.media_type)


def _attempted(
    reader: FormatReader,
    inner: Item,
    data: bytes,
    choose: Choose,
    depth: int,
    taken: _Taken,
    media_type: str | None,
) -> Iterator[Outcome]:
    try:
        # whole before any of it goes on, as an item by itself would be
        outcomes = list(_read(reader, inner, data, choose, depth, taken))
    except _TooMuch:
        raise
    except MissingPackage as error:
        yield PartSkipped(inner.path, skip_reason(error), media_type)
    except DocumentError as error:
        yield PartFailed(inner.path, error.message, error.kind, error.retryable, error.hint)
    except Exception as error:  # as `stages.failures` takes it for an item: the part fails alone
        kind = ReaderCrashed.kind
        yield PartFailed(inner.path, f"{type(error).__name__}: {error}", kind, isinstance(error, OSError))
    else:
        yield from outcomes


def skip_reason(error: MissingPackage) -> str:
    """Why an item is skipped whose reader lacks a package: with the line that installs it."""
    return (
        f"no reader here: {error.message}; {error.hint}" if error.hint else f"no reader here: {error.message}"
    )


class _TooMuch(MalformedDocument):
    """Of all parts together: the whole item fails."""


def _count(part: Part, taken: _Taken) -> None:
    taken.parts += 1
    taken.size += len(part.data)
    if taken.parts > MOST_PARTS:
        raise _TooMuch(f"there are more than {MOST_PARTS:,} files in it")
    if taken.size > MOST_BYTES:
        raise _TooMuch(f"what is in it comes to more than {MOST_BYTES >> 30} GiB: a decompression bomb?")


def _inner(item: Item, part: Part, taken: _Taken) -> Item:
    path = PurePosixPath(part.path)
    number = 1
    while (whole := f"{item.path}{INSIDE}{path}") in taken.paths:
        number += 1
        path = PurePosixPath(part.path)
        path = path.with_name(f"{path.stem} ({number}){path.suffix}")
    taken.paths.add(whole)
    return replace(
        item,
        path=whole,
        uri=f"{item.uri}{INSIDE}{quote(str(path))}",
        size=len(part.data),
        media_type=part.media_type,
    )
