"""The reader for an item, by its content and name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ragctl.errors import MalformedDocument
from ragctl.readers.media_types import HEAD_BYTES, MediaType, media_type_of, suffix_of
from ragctl.readers.parts import FormatReader, Found
from ragctl.readers.table import (
    BY_KIND,
    LARGE_BYTES,
    READERS,
    lacking,
    made,
    options_of,
    reader_versions,
    recipe_readers,
)
from ragctl.types import Document, Item

__all__ = ["HEAD_BYTES", "AutoReader", "Choice", "Readers", "reader_for", "reader_versions", "recipe_readers"]


class Workers(Protocol):
    """Runs readers in processes of their own."""

    def read(self, name: str, options: Mapping[str, Any], item: Item, data: bytes) -> Iterator[Found]: ...


class Choice(NamedTuple):
    """A reader, or None and the reason why the item is skipped.

    None without a reason: the name does not say, the content is to be looked at. `note` says that content
    and name do not agree; `media_type` is what the item was taken for.
    """

    reader: FormatReader | None
    reason: str = ""
    media_type: str | None = None
    note: str = ""


class Readers:
    """The readers of one spec, each imported when something is read with it.

    Args:
        reader: `auto`, or the name of the reader for everything that it takes.
        named: media type or suffix (with its dot) → name of the reader for it.
        encodings: tried in order for text that is not UTF-8.
        unstructured: options of the `unstructured` reader.
        workers: where readers of untrusted and heavy formats run; in this process, if None.
    """

    def __init__(
        self,
        *,
        reader: str = "auto",
        named: Mapping[str, str] | None = None,
        encodings: Sequence[str] = (),
        unstructured: Mapping[str, Any] | None = None,
        workers: Workers | None = None,
    ) -> None:
        self._reader = reader
        self._named = dict(named or {})
        self._encodings = tuple(encodings)
        self._unstructured = dict(unstructured or {})
        self._workers = workers
        self._made: dict[str, FormatReader] = {}

    def choose(self, item: Item, content: bytes | None = None) -> Choice:
        """Chooses a reader.

        Args:
            content: see `media_type_of`.
        """
        found = media_type_of(item, content)
        name = self._name(item, found)
        if name is None:
            return Choice(None, found.reason or ("no reader for it" if content is not None else ""))
        why = lacking(name)
        if why:
            return Choice(None, why, found.name, found.note)
        return Choice(self._one(name), "", found.name, found.note)

    def _name(self, item: Item, found: MediaType) -> str | None:
        """The spec's word for the suffix, then for the media type; then what takes the media type."""
        for key in (suffix_of(item), found.name or ""):
            if key in self._named:
                return self._named[key]
        if self._reader != "auto" and found.name not in _FRAME:
            return self._reader
        return BY_KIND.get(found.name or "")

    def _one(self, name: str) -> FormatReader:
        if name not in self._made:
            options = options_of(name, self._encodings, self._unstructured)
            self._made[name] = _Lazy(name, options, self._workers)
        return self._made[name]


_FRAME = frozenset(kind for name in ("archive", "record", "encrypted_office") for kind in READERS[name].takes)
"""What is no document by itself, whatever reader the spec wants."""


class _Lazy:
    """A reader that is imported, here or in a worker, when it reads."""

    def __init__(self, name: str, options: Mapping[str, Any], workers: Workers | None) -> None:
        self.name = name
        self.output_version = READERS[name].version
        self._options = options
        self._workers = workers
        self._reader: FormatReader | None = None

    def read(self, item: Item, data: bytes) -> Iterator[Found]:
        where = READERS[self.name].where
        heavy = where == "worker" or (where == "large" and len(data) > LARGE_BYTES)
        if heavy and self._workers is not None:
            return self._workers.read(self.name, self._options, item, data)
        if self._reader is None:
            self._reader = made(self.name, self._options)
        return self._reader.read(item, data)


_DEFAULT = Readers()


def reader_for(item: Item, content: bytes | None = None) -> Choice:
    """What `extract: {reader: auto}` chooses, to be run in this process."""
    return _DEFAULT.choose(item, content)


class AutoReader:
    """The reader that `extract: {reader: auto}` names: chooses one for each item, and runs it here.

    Its own version counts changes of the choice; those of the readers are in `reader_versions`.
    """

    name = "auto"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """What the chosen reader makes of it, less what it finds inside (`nested.read_nested` reads that).

        Raises:
            MalformedDocument: no reader takes it, or the bytes are not what they should be.
            EmptyDocument: there is no text in it.
        """
        choice = reader_for(item, data)
        if choice.reader is None:
            raise MalformedDocument(choice.reason, where=f"{item.source}:{item.path}")
        return (one for one in choice.reader.read(item, data) if isinstance(one, Document))
