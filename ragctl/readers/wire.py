"""What goes between this process and a worker: JSON and bytes, in frames that say their length.

Nothing is pickled: a worker that a hostile file has taken over can send text, and no code.

A frame is `length of the JSON, length of the bytes` (two big-endian 64-bit numbers), the JSON, the bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, Any, NamedTuple

import ragctl.types
from ragctl.readers.parts import Found, Part, PartFailed, PartSkipped
from ragctl.types import Anchor, Document, Item, Section

_HEAD = struct.Struct(">QQ")


class Frame(NamedTuple):
    """One message: a JSON object, and bytes."""

    content: dict[str, Any]
    data: bytes = b""


class BrokenFrame(Exception):
    """The other end is gone, or sends what is no frame."""


def send(stream: IO[bytes], content: Mapping[str, Any], data: bytes = b"") -> None:
    """Writes one frame."""
    text = json.dumps(content, separators=(",", ":")).encode("ascii")
    stream.write(_HEAD.pack(len(text), len(data)))
    stream.write(text)
    if data:
        stream.write(data)
    stream.flush()


def receive(stream: IO[bytes], *, most: int | None = None) -> Frame | None:
    """Reads one frame; None if there is no other.

    Args:
        most: bytes that a frame may have.

    Raises:
        BrokenFrame: it ends too early, is longer than that, or is no frame.
    """
    head = stream.read(_HEAD.size)
    if not head:
        return None
    if len(head) < _HEAD.size:
        raise BrokenFrame("cut off")
    lengths = _HEAD.unpack(head)
    if most is not None and sum(lengths) > most:
        raise BrokenFrame("too long")
    text, data = (stream.read(length) for length in lengths)
    if (len(text), len(data)) != lengths:
        raise BrokenFrame("cut off")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise BrokenFrame("no JSON") from None
    if not isinstance(content, dict):
        raise BrokenFrame("no object")
    return Frame(content, data)


def item_entry(item: Item) -> dict[str, Any]:
    return asdict(item)


def item_of(entry: dict[str, Any]) -> Item:
    return Item(**entry)


def found_frame(found: Found) -> Frame:
    """What a reader found, as a frame."""
    if isinstance(found, Part):
        return Frame({"part": {"path": found.path, "media_type": found.media_type}}, found.data)
    if isinstance(found, PartFailed):
        return Frame({"part_failed": asdict(found)})
    if isinstance(found, PartSkipped):
        return Frame({"part_skipped": asdict(found)})
    return Frame({"document": asdict(found)})


def found_of(frame: Frame) -> Found:
    """The inverse of `found_frame`.

    Raises:
        BrokenFrame: it is no such frame.
    """
    try:
        if "part" in frame.content:
            return Part(data=frame.data, **frame.content["part"])
        if "part_failed" in frame.content:
            return PartFailed(**frame.content["part_failed"])
        if "part_skipped" in frame.content:
            return PartSkipped(**frame.content["part_skipped"])
        return _document(frame.content["document"])
    except (KeyError, TypeError):
        raise BrokenFrame("nothing that a reader finds") from None


def _document(entry: dict[str, Any]) -> Document:
    made: dict[str, Any] = {
        **entry,
        "sections": tuple(
            Section(one["start"], one["end"], tuple(one["headings"])) for one in entry["sections"]
        ),
        "anchors": tuple(Anchor(**one) for one in entry["anchors"]),
        "blocks": tuple(ragctl.types.Block(**one) for one in entry["blocks"]),
    }
    return Document(**made)
