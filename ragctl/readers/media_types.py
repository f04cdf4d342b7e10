"""What an item is, by its content and then its name: a media type, or the reason why it has none here."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

from ragctl.readers import kinds
from ragctl.readers.signatures import kind_of_bytes, looks_binary, name_of_binary
from ragctl.readers.text_shapes import json_kind, shape_of
from ragctl.types import RECORD_MEDIA_TYPE, Item

TEXT = kinds.TEXT
MARKDOWN = kinds.MARKDOWN
RST = kinds.RST
HTML = kinds.HTML
RECORD = RECORD_MEDIA_TYPE

HEAD_BYTES = 8192
"""As many first bytes are looked at for the shape of a text; git looks at 8,000 to tell binary from text."""

_BINARY_KINDS = frozenset(
    {kinds.PDF, kinds.EPUB, kinds.MSG, *kinds.OFFICE, *kinds.LEGACY_OFFICE, *kinds.IMAGES, *kinds.ARCHIVES}
)
"""What is no text: a file of such a name whose content is text is mislabelled."""


class MediaType(NamedTuple):
    """A media type that some reader takes, or None and the reason.

    None without a reason: the name says nothing, only the content can tell. `note` says that content and
    name do not agree.
    """

    name: str | None
    reason: str = ""
    note: str = ""


def media_type_of(item: Item, content: bytes | None = None) -> MediaType:
    """Decides by content first, then by what the source declares, then by the suffix.

    Binary formats are known by their signatures, ZIP and OLE files by what is in them. Among text formats
    the name decides, since a page of HTML may well be meant as text; a mail is seen in any text file, and the
    shape of a text without a telling name is looked at. A name without a suffix (README, LICENSE) is plain
    text if it has no such shape. A text with a suffix that is not in the table has no reader: data files and
    configuration make poor passages, so they are skipped, with the reason, rather than read as prose.

    Args:
        content: the whole content, or its first `HEAD_BYTES` bytes or more; with a beginning alone, a ZIP or
            OLE file is what its name says, if that can be. None decides by name alone: an item whose name no
            reader takes need not be opened.
    """
    named = _declared_or_named(item)
    if content is None or named.name == RECORD:
        return named
    found = kind_of_bytes(content, named.name)
    if found is not None:
        return _agreed(found, named)
    if not content.strip():
        return named if named.name or named.reason else MediaType(TEXT)
    head = content[:HEAD_BYTES]
    binary = looks_binary(head)
    if binary:
        return _binary(item, named, head, binary)
    return _text(item, named, head, content)


def suffix_of(item: Item) -> str:
    """Of its name, in small letters with its dot; of `a.tar.gz`, the last. Empty if it has none."""
    return PurePosixPath(item.path).suffix.lower()


def _declared_or_named(item: Item) -> MediaType:
    if item.media_type:
        declared = item.media_type.partition(";")[0].strip().lower()
        if declared == RECORD:
            return MediaType(RECORD)
        known = kinds.BY_DECLARATION.get(declared)
        if known:
            return MediaType(known)
        if declared not in kinds.SAYS_NOTHING:
            return MediaType(None, f"no reader for {declared}")
    suffix = suffix_of(item)
    if not suffix:
        return MediaType(TEXT)
    return MediaType(kinds.BY_SUFFIX.get(suffix))


def _agreed(found: str, named: MediaType) -> MediaType:
    if found in kinds.NO_READER:
        return MediaType(None, kinds.NO_READER[found])
    if found == named.name or named.name is None or found in kinds.MAY_BE_CALLED.get(named.name, ()):
        return MediaType(found)
    return MediaType(
        found, note=f"its name says {kinds.spoken(named.name)}, its content is {kinds.spoken(found)}"
    )


def _binary(item: Item, named: MediaType, head: bytes, binary: str) -> MediaType:
    """Of no kind that is known: broken, if the name is of a binary format that some reader takes."""
    known = name_of_binary(head)
    if named.name in _BINARY_KINDS and known is None:
        return named
    if known is not None:
        return MediaType(None, f"its content is {known}, which nothing here reads")
    return MediaType(None, f"its content is binary ({binary}), not text")


def _text(item: Item, named: MediaType, head: bytes, content: bytes) -> MediaType:
    telling = named.name is not None and bool(item.media_type or suffix_of(item))
    if telling and named.name not in _BINARY_KINDS:
        return _named_text(item, named, head, content)
    shape = shape_of(head, content)
    if shape is None and named.name in _BINARY_KINDS:
        shape = TEXT
    if shape is not None:
        return _agreed(shape, named if telling else MediaType(None))
    if named.name is not None or named.reason:
        return named
    suffix = suffix_of(item)
    return MediaType(
        None,
        f"no reader for {suffix} files; `extract: {{readers: {{{suffix}: text}}}}` reads it as text",
    )


def _named_text(item: Item, named: MediaType, head: bytes, content: bytes) -> MediaType:
    """Text whose name says which: it is that, but for what can be told beyond doubt."""
    if named.name in (kinds.JSON, kinds.JSON_LINES):
        return MediaType(json_kind(head, content) or named.name)
    if named.name == kinds.XML and shape_of(head, content) == HTML:
        return MediaType(HTML)
    if named.name == TEXT and suffix_of(item) != ".log" and shape_of(head, content) == kinds.MAIL:
        return _agreed(kinds.MAIL, named)
    return named
