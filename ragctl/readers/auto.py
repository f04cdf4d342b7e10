"""The reader for an item, by its content and name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ragctl.errors import MalformedDocument
from ragctl.ports import Reader
from ragctl.readers.html import HtmlReader
from ragctl.readers.markdown import MarkdownReader
from ragctl.readers.media_types import HEAD_BYTES, HTML, MARKDOWN, RECORD, RST, TEXT, media_type_of
from ragctl.readers.plain_text import PlainTextReader
from ragctl.readers.record import RecordReader
from ragctl.readers.restructured_text import RestructuredTextReader
from ragctl.types import Document, Item

_READERS: dict[str, Reader] = {
    TEXT: PlainTextReader(),
    MARKDOWN: MarkdownReader(),
    RST: RestructuredTextReader(),
    HTML: HtmlReader(),
    RECORD: RecordReader(),
}

_IMPLIED = {RecordReader.name: 1}
"""Readers that came after the first indexes, at the version that they came with. They read what no source
had given before, so an index without them holds nothing that they would read in another way."""


class Choice(NamedTuple):
    """A reader, or None and the reason why the item is skipped."""

    reader: Reader | None
    reason: str = ""


def reader_for(item: Item, head: bytes | None = None) -> Choice:
    """Chooses a reader.

    Args:
        head: the first `media_types.HEAD_BYTES` bytes of the content. None asks by name alone: an
            item that is skipped then need not be opened.
    """
    media_type = media_type_of(item, head)
    if media_type.name is None:
        return Choice(None, media_type.reason)
    return Choice(_READERS[media_type.name])


def reader_versions() -> dict[str, int]:
    """Name → `output_version` of every reader. Loads no parser."""
    return {reader.name: reader.output_version for reader in _READERS.values()}


def recipe_readers(*, records: bool) -> dict[str, int]:
    """Of `reader_versions`, those that a recipe names. A later version of a reader makes another recipe.

    The `record` reader is not named as long as it is as it came: so the recipes of indexes that were made
    before are what they were, and records added to such an index need no new generation. Any later
    version of it matters where there are records alone.

    Args:
        records: does some source give records?
    """
    return {
        name: version
        for name, version in reader_versions().items()
        if name not in _IMPLIED or (records and version != _IMPLIED[name])
    }


class AutoReader:
    """The reader that `extract: {reader: auto}` names: chooses one for each item.

    Its own version counts changes of the choice; those of the readers are in `reader_versions`.
    """

    name = "auto"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """What the chosen reader makes of it.

        Raises:
            MalformedDocument: no reader takes it, or the bytes are not what they should be.
            EmptyDocument: there is no text in it.
        """
        choice = reader_for(item, data[:HEAD_BYTES])
        if choice.reader is None:
            raise MalformedDocument(choice.reason, where=f"{item.source}:{item.path}")
        return choice.reader.read(item, data)
