"""A git repository as a source: the files of one revision, without its history.

A file's fingerprint is the id that git itself gives its content, so that one that has not changed is not
read, whatever else was committed. Links, submodules and what is kept by Git LFS are not followed.
"""

from __future__ import annotations

import io
import re
import subprocess
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from ragctl.errors import ListingFailed, MalformedDocument, UnreadableDocument, UsageError
from ragctl.sources.git_repository import GitFailed, GitRepository, is_remote
from ragctl.sources.patterns import Patterns
from ragctl.types import Failure, Item

_FILES = (b"100644", b"100755", b"100664")
_LFS = b"version https://git-lfs.github.com/spec/v1\n"
_LFS_BYTES = 1024
"""A pointer is shorter, by the specification of Git LFS."""
_PAGES = {"github.com": "{}/blob/{}/{}", "gitlab.com": "{}/-/blob/{}/{}"}


class GitSource:
    """Files of a repository.

    Args:
        name: the source's name, unique in a spec.
        url: `https://…`, `ssh://…`, `user@host:path`, or a path: absolute, or relative to `base`.
        revision: a branch, a tag, or a commit's whole id; None: the branch that the repository names.
        path: the folder in it whose files are listed, and which their paths are relative to.
        include, exclude: glob patterns, see `sources.patterns`.
        metadata: given to every item.
        token_env: name of the environment variable with a token for https.
        token_user: the user's name that goes with it.
        timeout_seconds: of a fetch.
        work_directory: the copy is kept in its folder `git`; it may be deleted at any time.
        environment: where `token_env` is looked up, and what git is given of it.

    Raises:
        ValueError: address, revision or a pattern are none.
        UsageError: the environment variable is not set.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        revision: str | None = None,
        path: str = "",
        include: Sequence[str] = ("**/*",),
        exclude: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        token_env: str | None = None,
        token_user: str = "x-access-token",
        timeout_seconds: float = 600,
        work_directory: Path = Path(".ragctl"),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        # the work directory lies beside the spec, which a relative path is relative to
        self._url = url if is_remote(url) else str((work_directory.absolute().parent / url).resolve())
        self._revision = revision or "HEAD"
        self._folder = path.strip("/")
        self._include = Patterns(include, dots=False)
        self._exclude = Patterns(exclude, dots=True)
        self._metadata = dict(metadata or {})
        self._made: GitRepository | None = None
        self._token_env = token_env
        self._token_user = token_user
        self._timeout = timeout_seconds
        self._work_directory = work_directory
        self._environment = dict(environment or {})

    @property
    def name(self) -> str:
        return self._name

    def items(self) -> Iterator[Item | Failure]:
        """Fetches the revision and lists every file that the patterns take; none is read.

        Raises:
            ListingFailed: the repository cannot be reached, or has no such revision or folder.
            MissingPackage: there is no `git`.
        """
        repository = self._repository()
        seen: set[str] = set()
        try:
            commit = repository.fetch()
            for entry in repository.tree(commit, self._folder):
                listed = self._listed(entry, seen)
                if listed is not None:
                    yield listed
        except (GitFailed, OSError) as error:
            raise ListingFailed(
                f"source {self._name!r} cannot be listed: {error}, so nothing is known about what is gone",
                where=f"{self._url} ({self._revision})",
                hint="Check url, revision and path; a private repository over https needs token_env. "
                "If it is the copy in .ragctl/git that is damaged, delete that.",
            ) from None

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """The file's bytes, as they were in the commit that was listed.

        Raises:
            UnreadableDocument: the repository cannot be reached, or has no such content any more; or it is
                a pointer of Git LFS.
        """
        where = f"{self._name}:{item.path}"
        blob, _, real = item.locator.partition(":")
        whole = f"{self._folder}/{real}".lstrip("/")
        repository = self._repository()
        try:
            if repository.content_of(whole) is None:
                repository.fetch()  # another machine listed it
            if repository.content_of(whole) != blob:
                raise GitFailed("it has changed since it was listed")
            stream = io.BufferedReader(_Output(repository, blob, where), 1 << 18)
        except (GitFailed, OSError) as error:
            raise UnreadableDocument(f"cannot be read: {error}", where=where) from error
        if stream.peek(len(_LFS))[: len(_LFS)] == _LFS and (item.size or 0) < _LFS_BYTES:
            stream.close()
            raise UnreadableDocument(
                "it is kept by Git LFS, and the repository holds a pointer alone",
                where=where,
                hint="Exclude it, or check the repository out with git lfs and make it a directory source.",
            )
        return stream

    def _repository(self) -> GitRepository:
        if self._made is None:
            self._made = GitRepository(
                self._url,
                self._revision,
                self._work_directory / "git",
                token=self._token(),
                user=self._token_user,
                timeout=self._timeout,
                environment=self._environment or None,
            )
        return self._made

    def _token(self) -> str | None:
        if self._token_env is None:
            return None
        if not (value := self._environment.get(self._token_env, "")):
            raise UsageError(
                f"source {self._name!r} needs the environment variable {self._token_env}, which is not set",
                hint=f"Set {self._token_env} to a token that may read the repository.",
            )
        return value

    def _listed(self, entry: bytes, seen: set[str]) -> Item | Failure | None:
        about, _, raw = entry.partition(b"\t")
        mode, kind, blob, size = about.split()
        if kind != b"blob" or mode not in _FILES:
            return None
        try:
            real = raw.decode("utf-8")
        except UnicodeDecodeError:
            return self._failure(raw.decode("utf-8", "backslashreplace"), "the name is not valid UTF-8")
        path = unicodedata.normalize("NFC", real)
        if not self._include.match(path) or self._exclude.cover(path):
            return None
        if path in seen:
            return self._failure(ascii(real)[1:-1], "the name differs from another only in Unicode form")
        if not path.isascii():
            seen.add(path)
        return Item(
            source=self._name,
            path=path,
            uri=self._page(real),
            fingerprint=blob.decode("ascii"),
            size=int(size) if size.isdigit() else None,
            locator=f"{blob.decode('ascii')}:{real}",
            metadata=self._metadata,
        )

    def _failure(self, path: str, message: str) -> Failure:
        return Failure(self._name, path, "list", MalformedDocument.kind, message, retryable=False)

    def _page(self, path: str) -> str:
        """Where a person finds it; at a branch, not a commit, so that it stays what it is."""
        whole = quote(f"{self._folder}/{path}".lstrip("/"))
        if found := re.fullmatch(r"(?:[^@/]+@)?([^:/]+):(?!//)/?(.+)", self._url):
            address = f"ssh://{found.group(1)}/{quote(found.group(2))}"
        else:
            address = self._url if is_remote(self._url) else Path(self._url).as_uri()
        host = address.partition("://")[2].partition("/")[0].rpartition("@")[2]
        if host in _PAGES:
            web = "https://" + host + "/" + address.partition("://")[2].partition("/")[2]
            return _PAGES[host].format(web.removesuffix(".git").rstrip("/"), quote(self._revision), whole)
        return f"{address}#{whole}"


class _Output(io.RawIOBase):
    """What a process of git writes; that it failed is seen at the end."""

    def __init__(self, repository: GitRepository, blob: str, where: str) -> None:
        super().__init__()
        self._repository = repository
        self._where = where
        self._process: subprocess.Popen[bytes] = repository.blob(blob)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        assert self._process.stdout is not None
        data = self._process.stdout.read(len(buffer))
        if not data:
            try:
                self._repository.ended(self._process)
            except GitFailed as error:
                raise UnreadableDocument(f"cannot be read: {error}", where=self._where) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._process.kill()
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()
            self._process.wait()
        super().close()
