"""Archives made in memory, good and bad, for tests."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Mapping

COMPRESS = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def zipped(members: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def encrypted(archive: bytes, name: str) -> bytes:
    """The ZIP with the member's flag of encryption set in both of its headers."""
    data = bytearray(archive)
    for magic, flags, named in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        at = data.find(magic)
        while at >= 0:
            if data[at + named : at + named + len(name)] == name.encode("utf-8"):
                value = struct.unpack_from("<H", data, at + flags)[0]
                struct.pack_into("<H", data, at + flags, value | 1)
            at = data.find(magic, at + 4)
    return bytes(data)


def tarred(members: Mapping[str, bytes | tuple[bytes, str]], *, compress: str = "") -> bytes:
    """A TAR; a pair is a link: its type and where it leads."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                entry.type, entry.linkname = content
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return COMPRESS[compress](stream.getvalue())


def nested_bomb(levels: int = 4, width: int = 4, payload: int = 1 << 20) -> bytes:
    """Archives in archives, as 42.zip is made."""
    data = zipped({"zeros.txt": b"0" * payload})
    for _ in range(levels):
        data = zipped({f"lib{number}.zip": data for number in range(width)})
    return data
