"""A directory tree as a source.

What is listed: regular files that an include pattern matches and no exclude pattern does
(`sources.patterns` has the rules), in the order of their paths. Paths are POSIX, NFC and relative
to the root. Symbolic links to files are read if they end inside the root; links to directories
are not followed, unless that is asked for. Then links may lead out of the root: what lies inside it has a
path of its own already, and each directory outside is entered once, so no loop can hang a listing.
Sockets, pipes and devices are never opened.
"""

from __future__ import annotations

import os
import stat
import sys
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

from ragctl.errors import ListingFailed
from ragctl.sources.ignore_files import IgnoreRules
from ragctl.sources.opened import open_inside
from ragctl.sources.patterns import Patterns, State
from ragctl.types import Failure, Item

_RACY_NS = 2_000_000_000
"""A file touched within this of being listed may change again under the same time stamps: the
coarsest clock in use is FAT's, two seconds. The rule is git's (Documentation/technical/racy-git)."""

_WINDOWS = sys.platform == "win32"


class _Found(NamedTuple):
    """One name in a directory: NFC as in the path, and as the file system spells it."""

    name: str
    entry: os.DirEntry[str]
    real: str


@dataclass(frozen=True, slots=True)
class _Directory:
    """A directory on the walk. Several on disk, if their names differ only in Unicode form."""

    path: str
    real: tuple[str, ...]
    include: frozenset[State]
    exclude: frozenset[State]
    ignored: IgnoreRules
    outside: bool = False


class DirectorySource:
    """Files under `root`.

    Args:
        name: the source's name, unique in a spec.
        root: the directory; it may be a symbolic link itself.
        include, exclude: glob patterns, see `sources.patterns`.
        metadata: given to every item.
        ignore_files: names of files such as `.gitignore`, see `sources.ignore_files`.
        follow_links: to directories, and out of the root.

    Raises:
        ValueError: a pattern is none.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        include: Sequence[str] = ("**/*",),
        exclude: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        ignore_files: Sequence[str] = (),
        follow_links: bool = False,
    ) -> None:
        self._name = name
        self._root = Path(root)
        self._ignore_files = tuple(ignore_files)
        self._follow = follow_links
        self._entered: set[str] = set()
        """Directories outside the root that one listing has seen, by their real paths."""
        self._include = Patterns(include, dots=False)
        self._exclude = Patterns(exclude, dots=True)
        self._metadata = dict(metadata or {})

    @property
    def name(self) -> str:
        return self._name

    @property
    def root(self) -> Path:
        return self._root

    def items(self) -> Iterator[Item | Failure]:
        """Every file, sorted by path; nothing is opened.

        A file that cannot be an item (a name that is not UTF-8, one that differs from another only
        in Unicode form, a link that is broken or leads out of the root) is a `Failure`.

        Raises:
            ListingFailed: the root or a directory in it cannot be listed to its end.
        """
        root = self._resolved_root()
        uri = root.as_uri().rstrip("/") + "/"
        self._entered = set()
        rules = IgnoreRules(self._ignore_files)
        stack: list[_Found | _Directory] = [
            _Directory("", ("",), self._include.start(), self._exclude.start(), rules)
        ]
        while stack:
            top = stack.pop()
            if isinstance(top, _Directory):
                children: list[_Found | _Directory] = []
                for child in self._children(root, top):
                    if isinstance(child, Failure):
                        yield child
                    else:
                        children.append(child)
                stack.extend(reversed(children))
            else:
                listed = self._item(root, uri, top)
                if listed is not None:
                    yield listed

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """The file's bytes, buffered.

        Raises:
            UnreadableDocument: it is gone, may not be read, is no regular file any more, or its
                path now leads out of the root; also from reading, where the disk fails half-way.
        """
        where = f"{self._name}:{item.path}"
        return open_inside(self._root, item.locator or item.path, where=where, anywhere=self._follow)

    def _resolved_root(self) -> Path:
        try:
            root = self._root.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise self._listing_failed(self._root, error) from None
        if not root.is_dir():
            raise ListingFailed(
                f"source {self._name!r}: {self._root} is not a directory",
                where=str(self._root),
                hint="Give the directory that holds the files; `include` chooses among them.",
            )
        return root

    def _listing_failed(self, path: Path, error: Exception) -> ListingFailed:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return ListingFailed(
            f"source {self._name!r} cannot be listed: {reason}, so nothing is known about what is gone",
            where=str(path),
            hint="Check that it exists, is mounted and may be read; or exclude it.",
        )

    def _children(self, root: Path, directory: _Directory) -> Iterator[_Found | _Directory | Failure]:
        """Files and directories that the patterns can reach, in the order of the whole walk."""
        entries: list[tuple[str, os.DirEntry[str], str]] = []
        for real in directory.real:
            entries.extend(self._scan(root, real))
        prefix = f"{directory.path}/" if directory.path else ""
        rules = self._rules(root, directory)
        files: dict[str, _Found] = {}
        below: dict[str, list[str]] = {}
        for name, entry, real in entries:
            path = prefix + name
            if self._is_entered(root, entry, real, directory.outside):
                below.setdefault(name, []).append(real)
            elif self._takes(directory, rules, name, path):
                refused = self._refused(path, real, files)
                if refused:
                    yield refused
                else:
                    files[path] = _Found(path, entry, real)
        out: list[tuple[str, _Found | _Directory]] = list(files.items())
        for name, reals in below.items():
            if rules.ignore(prefix + name, is_folder=True):
                continue
            child = self._enter(root, directory, rules, prefix + name, tuple(reals))
            if child is not None:
                out.append((child.path + "/", child))
        # a directory sorts as `name/`, which makes the walk's order that of the whole paths
        out.sort(key=lambda pair: pair[0])
        yield from (child for _, child in out)

    def _scan(self, root: Path, real: str) -> list[tuple[str, os.DirEntry[str], str]]:
        """(NFC name, entry, real path) of a directory's entries; NFC spellings come first."""
        where = root / real
        prefix = f"{real}/" if real else ""
        try:
            with os.scandir(where) as entries:
                found = [
                    (e.name if e.name.isascii() else unicodedata.normalize("NFC", e.name), e, prefix + e.name)
                    for e in entries
                ]
        except OSError as error:
            raise self._listing_failed(where, error) from None
        found.sort(key=lambda one: (one[0] != one[1].name, one[1].name))
        return found

    def _rules(self, root: Path, directory: _Directory) -> IgnoreRules:
        rules = directory.ignored
        for real in directory.real if self._ignore_files else ():
            try:
                rules = rules.entered(root / real, directory.path)
            except (OSError, ValueError) as error:
                raise self._listing_failed(root / real, error) from None
        return rules

    def _takes(self, directory: _Directory, rules: IgnoreRules, name: str, path: str) -> bool:
        return (
            self._include.matches(directory.include, name)
            and not self._exclude.matches(directory.exclude, name)
            and not rules.ignore(path)
        )

    def _is_entered(self, root: Path, entry: os.DirEntry[str], real: str, outside: bool) -> bool:
        """Is it a directory that the walk goes into? Of those outside the root, each one once."""
        linked = self._follow and entry.is_symlink()
        if not (linked or _is_directory(entry)):
            return False
        if not (linked or outside):
            return True
        target = os.path.realpath(root / real)
        if not os.path.isdir(target) or Path(target).is_relative_to(root) or target in self._entered:  # noqa: PTH112
            return False
        self._entered.add(target)
        return True

    def _enter(
        self, root: Path, parent: _Directory, rules: IgnoreRules, path: str, real: tuple[str, ...]
    ) -> _Directory | None:
        name = path.rpartition("/")[2]
        include = self._include.enter(parent.include, name)
        exclude = self._exclude.enter(parent.exclude, name)
        if (
            not include
            or self._exclude.matches(parent.exclude, name)
            or self._exclude.match_all_below(exclude)
        ):
            return None
        outside = parent.outside or (self._follow and any((root / one).is_symlink() for one in real))
        return _Directory(path, real, include, exclude, rules, outside)

    def _refused(self, path: str, real: str, files: Mapping[str, _Found]) -> Failure | None:
        if not _is_unicode(path):
            return self._failure(real, "the name is not valid UTF-8; rename the file")
        if path in files:
            other = files[path].real
            return self._failure(
                real,
                f"the name differs from {other!r} only in Unicode form, so both would be one document; "
                "rename one of them",
                ascii_only=True,
            )
        return None

    def _failure(
        self, path: str, message: str, *, retryable: bool = False, ascii_only: bool = False
    ) -> Failure:
        """`path` as a text that can be printed and stored, whatever its bytes."""
        document = os.fsencode(path).decode("ascii" if ascii_only else "utf-8", "backslashreplace")
        return Failure(self._name, document, "list", "unreadable", message, retryable)

    def _item(self, root: Path, uri: str, found: _Found) -> Item | Failure | None:
        """None if it is no file or has just gone."""
        try:
            if found.entry.is_symlink():
                return self._linked(root, uri, found)
            status = found.entry.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._failure(found.real, error.strerror or str(error), retryable=True)
        return self._described(uri, found, status)

    def _linked(self, root: Path, uri: str, found: _Found) -> Item | Failure | None:
        path = root / found.real
        try:
            target = path.resolve(strict=True)
            status = target.stat()
        except (OSError, RuntimeError) as error:
            if not path.is_symlink():
                return None
            reason = error.strerror if isinstance(error, OSError) else "a loop"
            return self._failure(found.real, f"the symbolic link leads nowhere: {reason}")
        inside = target.is_relative_to(root)
        if stat.S_ISDIR(status.st_mode) and (inside or self._follow):
            return None
        if not inside and not self._follow:
            return self._failure(
                found.real,
                f"the symbolic link leads out of the source, to {target}; it is not followed: exclude it, "
                "make its target a source of its own, or set follow_links",
            )
        return self._described(uri, found, status)

    def _described(self, uri: str, found: _Found, status: os.stat_result) -> Item | None:
        if not stat.S_ISREG(status.st_mode):
            return None
        return Item(
            source=self._name,
            path=found.name,
            uri=uri + quote(found.real),
            fingerprint=_fingerprint(status),
            settled=_is_settled(status, time.time_ns()),
            size=status.st_size,
            locator="" if found.real == found.name else found.real,
            metadata=self._metadata,
        )


def _is_directory(entry: os.DirEntry[str]) -> bool:
    """A real directory, no link to one and no Windows junction (Python 3.12 can tell)."""
    try:
        return entry.is_dir(follow_symlinks=False) and not getattr(entry, "is_junction", bool)()
    except OSError:
        return False


def _is_unicode(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fingerprint(status: os.stat_result) -> str:
    if _WINDOWS:  # ctime is the time of creation there, and a listing has no inode
        return f"{status.st_size}-{status.st_mtime_ns}"
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def _is_settled(status: os.stat_result, now_ns: int) -> bool:
    """False if a change from now on might leave the time stamps as they are.

    A modification time in the future is no reason while the change time tells changes apart.
    """
    if _WINDOWS:
        return now_ns - status.st_mtime_ns >= _RACY_NS
    return now_ns - status.st_ctime_ns >= _RACY_NS and abs(now_ns - status.st_mtime_ns) >= _RACY_NS
