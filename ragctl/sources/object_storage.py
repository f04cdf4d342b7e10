"""Object storage as a source: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.

Keys are taken for paths, with `/` between folders; one with an empty part or `..` is none, and not listed.
What is held of a listing is one folder of each level.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

import fsspec

from ragctl.errors import ListingFailed, MissingPackage, UsageError
from ragctl.sources.foreign_stream import brief, buffered, unreadable
from ragctl.sources.patterns import Patterns, State
from ragctl.types import Failure, Item

DRIVERS = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gs"), "az": ("adlfs", "az")}
"""Scheme → the package that fsspec needs for it, and ragctl's extra that brings it."""
_BLOCK_BYTES = 4 << 20
"""Fetched ahead of what is read: most documents are whole in one request."""
_STAMPS = ("LastModified", "last_modified", "updated", "mtime", "created")


class _Folder(NamedTuple):
    path: str
    include: frozenset[State]
    exclude: frozenset[State]


class ObjectStorageSource:
    """Objects below `url`.

    Args:
        name: the source's name, unique in a spec.
        url: `s3://bucket/prefix`, `gs://…`, `az://container/…`.
        include, exclude: glob patterns relative to `url`, see `sources.patterns`.
        metadata: given to every item.
        endpoint_url: of another server than the provider's own.
        region: of S3.
        key_env, secret_env, token_env: names of environment variables: S3's access key, secret key and
            session token; Azure's account, account key and SAS token; Google's file of a service account as
            token. Without them the driver finds what the machine or its role has.
        anonymous: ask without any of them.
        environment: where they are looked up.

    Raises:
        MissingPackage: the driver is not installed.
        UsageError: an environment variable is not set.
        ValueError: a pattern is none.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        include: Sequence[str] = ("**/*",),
        exclude: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        endpoint_url: str | None = None,
        region: str | None = None,
        key_env: str | None = None,
        secret_env: str | None = None,
        token_env: str | None = None,
        anonymous: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._scheme, _, self._root = self._url.partition("://")
        self._include = Patterns(include, dots=False)
        self._exclude = Patterns(exclude, dots=True)
        self._metadata = dict(metadata or {})
        self._endpoint_url = endpoint_url
        self._region = region
        self._secrets = {"key": key_env, "secret": secret_env, "token": token_env}
        self._anonymous = anonymous
        self._environment = dict(environment or {})
        self._made: Any = None

    @property
    def name(self) -> str:
        return self._name

    def items(self) -> Iterator[Item | Failure]:
        """Every object that the patterns take, in the order of their keys; no object is read.

        Raises:
            ListingFailed: a listing breaks off, or there is nothing below `url`.
            MissingPackage, UsageError: see the class.
        """
        stack: list[_Folder | Item] = [_Folder("", self._include.start(), self._exclude.start())]
        while stack:
            top = stack.pop()
            if isinstance(top, _Folder):
                stack.extend(reversed(self._children(top)))
            else:
                yield top

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """The object's bytes, fetched as they are read.

        Raises:
            UnreadableDocument: it is gone, may not be read, or the connection breaks.
        """
        where = f"{self._name}:{item.path}"
        path = f"{self._root}/{item.locator or item.path}"
        try:
            stream: BinaryIO = self._files.open(path, "rb", block_size=_BLOCK_BYTES)
        except (MissingPackage, UsageError):
            raise
        except Exception as error:  # each driver has errors of its own, with no base in common
            raise unreadable(error, where) from error
        return buffered(stream, where)

    @property
    def _files(self) -> Any:
        if self._made is None:
            try:
                self._made = fsspec.filesystem(self._scheme, **self._options())
            except ImportError as error:
                package, extra = DRIVERS[self._scheme]
                raise MissingPackage(
                    f"the source {self._name!r} needs the Python package {package!r}, which is not installed",
                    hint=f"pip install 'ragctl[{extra}]'",
                ) from error
        return self._made

    def _options(self) -> dict[str, Any]:
        """The driver's arguments. No cache: another run of this process is to see what has changed."""
        given = {key: self._secret(name) for key, name in self._secrets.items() if name is not None}
        common: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
        if self._scheme == "s3":
            client = {"region_name": self._region} if self._region else {}
            return {
                **common,
                **given,
                "anon": self._anonymous,
                "client_kwargs": client,
                "endpoint_url": self._endpoint_url,
            }
        if self._scheme == "gs":
            token = "anon" if self._anonymous else given.get("token")
            return {**common, "token": token, "endpoint_url": self._endpoint_url}
        names = {"key": "account_name", "secret": "account_key", "token": "sas_token"}
        own = {names[key]: value for key, value in given.items()}
        return {**common, **own, "anon": self._anonymous, "account_host": self._endpoint_url}

    def _secret(self, variable: str) -> str:
        value = self._environment.get(variable, "")
        if not value:
            raise UsageError(
                f"source {self._name!r} needs the environment variable {variable}, which is not set",
                hint=f"Set {variable}.",
            )
        return value

    def _children(self, folder: _Folder) -> list[_Folder | Item]:
        found: dict[str, _Folder | Item] = {}
        for entry in self._entries(folder.path):
            key = entry["name"].removeprefix(f"{self._root}/").rstrip("/")
            name = unicodedata.normalize("NFC", key.rpartition("/")[2])
            if not key or key == folder.path or not name:
                continue  # the marker that some tools leave for a folder, or a key that ends with /
            if entry.get("type") == "directory":
                below = self._enter(folder, key, name)
                if below is not None:
                    found[f"{key}/"] = below
            elif self._include.matches(folder.include, name) and not self._exclude.matches(
                folder.exclude, name
            ):
                found[key] = self._item(key, entry)
        return [found[key] for key in sorted(found)]

    def _enter(self, parent: _Folder, key: str, name: str) -> _Folder | None:
        include, exclude = (
            self._include.enter(parent.include, name),
            self._exclude.enter(parent.exclude, name),
        )
        left_out = self._exclude.matches(parent.exclude, name) or self._exclude.match_all_below(exclude)
        return None if left_out or not include else _Folder(key, include, exclude)

    def _entries(self, folder: str) -> list[dict[str, Any]]:
        path = f"{self._root}/{folder}".rstrip("/")
        try:
            entries: list[dict[str, Any]] = self._files.ls(path, detail=True)
        except (MissingPackage, UsageError):
            raise
        except Exception as error:  # each driver has errors of its own, with no base in common
            raise self._listing_failed(path, brief(error)) from error
        if not folder and all(entry["name"].rstrip("/") == self._root for entry in entries):
            raise self._listing_failed(path, "there is nothing below it")
        return entries

    def _listing_failed(self, path: str, reason: str) -> ListingFailed:
        return ListingFailed(
            f"source {self._name!r} cannot be listed: {reason}, so nothing is known about what is gone",
            where=f"{self._scheme}://{path}",
            hint="Check the URL, endpoint_url, and that its keys may list the bucket.",
        )

    def _item(self, key: str, entry: Mapping[str, Any]) -> Item:
        path = unicodedata.normalize("NFC", key)
        size = entry.get("size")
        return Item(
            source=self._name,
            path=path,
            uri=f"{self._url}/{quote(key)}",
            fingerprint=_fingerprint(entry),
            size=size if isinstance(size, int) else None,
            locator="" if path == key else key,
            metadata=self._metadata,
        )


def _fingerprint(entry: Mapping[str, Any]) -> str:
    """By the ETag, which changes with the content; else by size and time; empty, always read, without."""
    tag = next((entry[key] for key in ("ETag", "etag", "e_tag") if entry.get(key)), None)
    if tag:
        return f"etag:{str(tag).strip(chr(34))}"
    stamp = next((entry[key] for key in _STAMPS if entry.get(key)), None)
    return f"{entry.get('size')}@{stamp}" if stamp else ""
