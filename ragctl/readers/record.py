"""A record of some source: its text as it is, its title and its metadata."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ragctl.errors import MalformedDocument
from ragctl.readers.assemble import assemble, one_line
from ragctl.readers.decoding import decode
from ragctl.readers.media_types import TEXT
from ragctl.types import Anchor, Document, Item

_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


class RecordReader:
    """Reads what `types.RECORD_MEDIA_TYPE` describes.

    The text is plain text. It has no line: a line of the file would be wrong as soon as a record is
    put in before this one, while its id, in path and uri, stays.
    """

    name = "record"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: this is no record, or its text is mostly control characters.
            EmptyDocument: it has no text.
        """
        values: dict[str, Any] = _values(data) if data else {"text": ""}
        text = decode(_NOT_STORABLE.sub("\ufffd", values["text"]).encode("utf-8")).text
        document = assemble(
            item,
            data,
            text,
            reader=f"{self.name}@{self.output_version}",
            media_type=TEXT,
            anchors=(Anchor(0),),
            title=values.get("title", ""),
            metadata=_metadata(values.get("metadata", {})),
        )
        if document.title_is_fallback:  # what was made of a name with dots and slashes that mean nothing
            document = replace(document, title=one_line(item.path) or item.path)
        yield document


def _values(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise MalformedDocument("this is no record: no JSON") from None
    if not (
        isinstance(values, dict)
        and isinstance(values.get("text"), str)
        and isinstance(values.get("title", ""), str)
        and isinstance(values.get("metadata", {}), dict)
    ):
        raise MalformedDocument("this is no record: not an object with text, title and metadata")
    return values


def _metadata(values: dict[str, Any]) -> dict[str, Any]:
    """Those that can be filtered by: text, numbers, truth values, and lists of these."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, list):
            found[key] = [one for one in map(_plain, value) if one is not None]
        elif (plain := _plain(value)) is not None:
            found[key] = plain
    return found


def _plain(value: Any) -> str | int | float | bool | None:
    """None if it is none of these, or a number that a database does not hold."""
    if isinstance(value, str):
        return _NOT_STORABLE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):  # true and false among them
        return value if abs(value) < 1 << 63 else None
    return None
