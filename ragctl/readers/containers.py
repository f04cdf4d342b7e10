"""ZIP and TAR archives and compressed files: their members, under limits, as parts of the item."""

from __future__ import annotations

import io
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from ragctl.errors import MalformedDocument
from ragctl.readers.compressed import BROKEN, Unpacked, unpacked
from ragctl.readers.parts import Found, Part, PartFailed, PartSkipped
from ragctl.types import Item

MOST_MEMBERS = 20_000
LEAST_MOST_BYTES = 1 << 30
MOST_RATIO = 200
"""An archive unpacks to at most 1 GiB, or to as many times its own size if that is more."""
LARGEST_MEMBER = 256 << 20
_PIECE = 1 << 20
_HIDDEN = ("__MACOSX/", ".DS_Store")
"""What macOS puts into archives beside the files themselves."""


class ArchiveReader:
    """Finds the members of a ZIP, a TAR (also as gzip, bzip2 or xz), or of one compressed file.

    Nothing is written to a disk. Members are counted while they are unpacked, whatever the archive says of
    them. A member that is encrypted, leads out of the archive, is larger than 256 MiB or is broken fails, and
    the others go on. Links are not followed: what they lead to is a member itself, if it is in the archive at
    all. They and devices are skipped.
    """

    name = "archive"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Found]:
        """A part for every member that can be unpacked.

        Raises:
            MalformedDocument: it is no archive, is cut off, has more than 20,000 members or comes to more
                than it may.
        """
        budget = _Budget(max(LEAST_MOST_BYTES, MOST_RATIO * len(data)))
        if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return _zip_members(data, budget)
        return _tar_or_file(item, data, budget)


class _BadMember(Exception):
    """Why nothing can be read of a member."""


class _NoFile(Exception):
    """Why a member is nothing to read."""


_BROKEN_TAR = (tarfile.TarError, *BROKEN)
_BROKEN_FILE = (_BadMember, *BROKEN)


class _Budget:
    def __init__(self, left: int) -> None:
        self.left = left
        self.members = 0

    def one_more(self) -> None:
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise MalformedDocument(f"the archive has more than {MOST_MEMBERS:,} members")

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise MalformedDocument(
                "the archive unpacks to more than 1 GiB and more than 200 times its own size: "
                "a decompression bomb?"
            )


def _zip_members(data: bytes, budget: _Budget) -> Iterator[Found]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise MalformedDocument(f"it is no whole ZIP archive ({error}): is it cut off?") from None
    with archive:
        for member in members:
            if member.is_dir() or _is_hidden(member.filename):
                continue
            budget.one_more()
            try:
                path = _inside(member.filename)
                yield Part(path, _zip_content(archive, member, budget))
            except _NoFile as error:
                yield PartSkipped(_shown(member.filename), str(error))
            except _BadMember as error:
                yield PartFailed(_shown(member.filename), str(error))


def _zip_content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: _Budget) -> bytes:
    if member.flag_bits & 0x1:
        raise _BadMember("it is password-protected")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _NoFile("it is a symbolic link, which is not followed")
    try:
        with archive.open(member) as stream:
            return _bounded(stream, budget)
    except NotImplementedError:
        raise _BadMember("it is compressed in a way that is not supported") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise _BadMember(f"it cannot be unpacked: {error}") from None


def _tar_or_file(item: Item, data: bytes, budget: _Budget) -> Iterator[Found]:
    found = unpacked(data)
    try:
        archive = tarfile.open(fileobj=found.again(), mode="r|", errorlevel=1)  # noqa: SIM115
    except _BROKEN_TAR as error:
        if not found.compressed:
            raise MalformedDocument(f"it is no TAR archive: {error}") from None
        return _single(item, found, budget)
    return _tar_members(archive, budget)


def _single(item: Item, found: Unpacked, budget: _Budget) -> Iterator[Found]:
    """One compressed file: called as the item is, less its last suffix."""
    name = PurePosixPath(item.path).stem or "content"
    try:
        yield Part(name, _bounded(found.again(), budget))
    except _BROKEN_FILE as error:
        raise MalformedDocument(f"it cannot be unpacked: {error}") from None


def _tar_members(archive: tarfile.TarFile, budget: _Budget) -> Iterator[Found]:
    try:
        with archive:
            for member in archive:
                budget.take(512)
                archive.members = []  # type: ignore[attr-defined]  # it would keep all that it has seen
                if member.isdir() or _is_hidden(member.name):
                    continue
                budget.one_more()
                try:
                    yield Part(_inside(member.name), _tar_content(archive, member, budget))
                except _NoFile as error:
                    yield PartSkipped(_shown(member.name), str(error))
                except _BadMember as error:
                    yield PartFailed(_shown(member.name), str(error))
    except _BROKEN_TAR as error:
        raise MalformedDocument(f"it is no whole TAR archive ({error}): is it cut off?") from None


def _tar_content(archive: tarfile.TarFile, member: tarfile.TarInfo, budget: _Budget) -> bytes:
    if member.issym() or member.islnk():
        raise _NoFile("it is a link, which is not followed")
    if not member.isreg():
        raise _NoFile("it is no file but a device or a pipe")
    stream = archive.extractfile(member)
    if stream is None:
        raise _BadMember("it has no content")
    content = _bounded(stream, budget)
    if len(content) < member.size:
        raise tarfile.ReadError("unexpected end of data")
    return content


def _bounded(stream: IO[bytes], budget: _Budget) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := stream.read(_PIECE):
        size += len(piece)
        budget.take(len(piece))
        if size > LARGEST_MEMBER:
            raise _BadMember(f"it is larger than {LARGEST_MEMBER >> 20} MiB")
        pieces.append(piece)
    return b"".join(pieces)


def _inside(name: str) -> str:
    """The member's path: POSIX, NFC, relative.

    Raises:
        _BadMember: it leads out of the archive, or is no path.
    """
    path = name.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")):
        raise _BadMember("its path leads out of the archive")
    if not parts or any(character < " " or "\ud800" <= character <= "\udfff" for character in path):
        raise _BadMember("its name is no file name")
    return unicodedata.normalize("NFC", "/".join(parts))


def _shown(name: str) -> str:
    """The name of a member that failed, as far as it can be stored."""
    kept = "".join("\ufffd" if one < " " or "\ud800" <= one <= "\udfff" else one for one in name)
    return kept.replace("\\", "/").lstrip("/")[:500] or "?"


def _is_hidden(name: str) -> bool:
    return name.startswith(_HIDDEN[0]) or name.endswith(_HIDDEN[1])
