"""A file of lines, plain or compressed with gzip: streamed from its beginning, or read at a place."""

from __future__ import annotations

import gzip
import os
import stat
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

_GZIP = b"\x1f\x8b"
_PASSED_BYTES = 1 << 20
"""Bytes that are read at once of a line that is only passed over."""

BROKEN: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error)
"""What reading may raise: the disk fails, or compressed data are cut off or damaged."""


class Line(NamedTuple):
    """A line.

    Attributes:
        number: from 1.
        offset: of its first byte; in a compressed file, of what is compressed.
        length: bytes, without the line feed.
        content: as many bytes; None if the line is longer than the limit.
        ended: a line feed follows. It does not if the file was cut off, or its last line has none.
    """

    number: int
    offset: int
    length: int
    content: bytes | None
    ended: bool


class LineFile:
    """Reads lines, each with its place, and any line again by its place.

    A plain file is opened for each of these; a compressed one stays open as long as this object lives
    and is decompressed onwards from the last line, so that only going back begins at its beginning.

    Args:
        path: the file; it may be a symbolic link.
        longest: bytes. Of a line that is longer no more than that is held, in compressed files too.
    """

    def __init__(self, path: Path, *, longest: int) -> None:
        self._path = path
        self._longest = longest
        self._lock = threading.Lock()
        self._compressed: gzip.GzipFile | None = None

    def __del__(self) -> None:
        self._close()

    def lines(self) -> Iterator[Line]:
        """Every line, blank ones included.

        Raises:
            OSError, EOFError, zlib.error: it is no file, or cannot be read to its end; see `BROKEN`.
        """
        if not stat.S_ISREG(self._path.stat().st_mode):  # before it is opened: a pipe would wait
            raise OSError("it is no file")
        with self._path.open("rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            yield from self._lines(_decompressed(raw) if _is_compressed(raw) else raw)
            if os.fstat(raw.fileno()).st_size < size:
                raise OSError("it became shorter while it was read")

    def _lines(self, stream: BinaryIO) -> Iterator[Line]:
        number = offset = 0
        while piece := stream.readline(self._longest + 1):
            number += 1
            read, ended = len(piece), piece.endswith(b"\n")
            if read > self._longest and not ended:
                passed, ended = _pass_over(stream)
                read += passed
            length = read - ended
            content = piece.removesuffix(b"\n") if length <= self._longest else None
            yield Line(number, offset, length, content, ended)
            offset += read

    def read(self, offset: int, length: int) -> bytes:
        """The bytes at a place; fewer if the file ends there.

        Raises:
            OSError, EOFError, zlib.error: see `BROKEN`.
        """
        with self._lock:
            if self._compressed is None:
                with self._path.open("rb") as raw:
                    if not _is_compressed(raw):
                        raw.seek(offset)
                        return raw.read(length)
                self._compressed = gzip.GzipFile(self._path, "rb")
            try:
                self._compressed.seek(offset)
                return self._compressed.read(length)
            except BaseException:
                self._close()  # what it has decompressed so far is not to be trusted
                raise

    def _close(self) -> None:
        if self._compressed is not None:
            self._compressed.close()
            self._compressed = None


def _is_compressed(raw: BinaryIO) -> bool:
    """By its first bytes, whatever its name says; `raw` is at its beginning, and stays there."""
    first = raw.read(len(_GZIP))
    raw.seek(0)
    return first == _GZIP


def _decompressed(raw: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb"))


def _pass_over(stream: BinaryIO) -> tuple[int, bool]:
    """Goes to the end of a line: how many bytes that were, and whether a line feed ended them."""
    count = 0
    while piece := stream.readline(_PASSED_BYTES):
        count += len(piece)
        if piece.endswith(b"\n"):
            return count, True
    return count, False
