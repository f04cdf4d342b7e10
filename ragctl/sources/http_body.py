"""A response's body, decompressed and counted as it comes, so that no server can send more than is wanted."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

_PIECE_BYTES = 1 << 16
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class BodyRefused(Exception):
    """It is too large, cut off, or compressed in a way that was not asked for; the message says which.

    Attributes:
        too_large: it is more than was allowed.
    """

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


@dataclass(frozen=True, slots=True)
class Body:
    """What was written. `digest`: SHA-256 (hex)."""

    size: int
    digest: str


def write_body(raw: Iterable[bytes], encoding: str, into: BinaryIO, *, max_bytes: int) -> Body:
    """Writes the decoded body from the beginning of `into`.

    Args:
        raw: as it comes over the network.
        encoding: value of `Content-Encoding`; empty if there is none.
        max_bytes: of the decoded body and of what comes over the network.

    Raises:
        BodyRefused: see there.
    """
    into.seek(0)
    into.truncate()
    digest = hashlib.sha256()
    size = 0
    for piece in _decoded(_counted(raw, max_bytes), encoding.strip().lower()):
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes)
        digest.update(piece)
        into.write(piece)
    into.flush()
    return Body(size, digest.hexdigest())


def _counted(raw: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    size = 0
    for piece in raw:
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes)
        yield piece


def _too_large(max_bytes: int) -> BodyRefused:
    return BodyRefused(f"it is larger than {max_bytes:,} bytes", too_large=True)


def _decoded(raw: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in ("", "identity"):
        yield from raw
    elif encoding in ("gzip", "x-gzip", "deflate"):
        yield from inflated(raw)
    else:
        raise BodyRefused(f"it is compressed with {encoding[:40]!r}, which was not asked for")


def inflated(raw: Iterable[bytes]) -> Iterator[bytes]:
    """gzip (of several members, too) or zlib data as pieces of bounded size, whatever it grows to.

    Raises:
        BodyRefused: it is damaged or ends too early.
    """
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    begun = False
    try:
        for given in raw:
            data = given
            while data:
                if unpacker.eof:
                    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
                begun = True
                yield unpacker.decompress(data, _PIECE_BYTES)
                data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            while not unpacker.eof and (piece := unpacker.decompress(b"", _PIECE_BYTES)):
                yield piece
    except zlib.error as error:
        raise BodyRefused(f"its compressed data is damaged ({error})") from None
    if begun and not unpacker.eof:
        raise BodyRefused("its compressed data ends too early")
