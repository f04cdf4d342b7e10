"""Compressed bytes as a stream: gzip, bzip2 and xz by the standard library."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from dataclasses import dataclass
from typing import IO

BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
"""What reading a stream may raise if it is broken."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The content behind `data`, which is the content itself if it is not compressed."""

    data: bytes
    kind: str

    @property
    def compressed(self) -> bool:
        return self.kind != ""

    def again(self) -> IO[bytes]:
        """A stream from the beginning."""
        raw = io.BytesIO(self.data)
        if self.kind == "gzip":
            return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
        if self.kind == "bzip2":
            return bz2.BZ2File(raw)
        if self.kind == "xz":
            return lzma.LZMAFile(raw)
        return raw


def unpacked(data: bytes) -> Unpacked:
    """By its first bytes."""
    for magic, kind in ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz")):
        if data.startswith(magic):
            return Unpacked(data, kind)
    return Unpacked(data, "")
