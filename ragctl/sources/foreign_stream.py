"""A stream of somebody else's library, whose errors say which document they befell."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from ragctl.errors import UnreadableDocument


class ForeignStream(io.RawIOBase):
    """Reads another stream; whatever goes wrong there is an `UnreadableDocument`."""

    def __init__(self, stream: BinaryIO, where: str) -> None:
        super().__init__()
        self._stream = stream
        self._where = where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            data = self._stream.read(len(buffer))
        except Exception as error:  # each driver has errors of its own, with no base in common
            raise unreadable(error, self._where) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def buffered(stream: BinaryIO, where: str) -> BinaryIO:
    """The same bytes, with errors named."""
    return io.BufferedReader(ForeignStream(stream, where), 1 << 18)


def unreadable(error: Exception, where: str) -> UnreadableDocument:
    return UnreadableDocument(f"cannot be read: {brief(error)}", where=where)


def brief(error: Exception) -> str:
    """The first line of what an error says, or its kind."""
    if isinstance(error, FileNotFoundError):
        return "it is not there"
    return str(error).strip().split("\n", 1)[0][:300] or type(error).__name__
