"""Files that are named one by one, or by patterns, as a source."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from ragctl.errors import ListingFailed, UnreadableDocument
from ragctl.sources.directory import DirectorySource
from ragctl.types import Failure, Item


class FilesSource:
    """Files below `root`, each by its name or by a pattern.

    Args:
        name: the source's name, unique in a spec.
        root: what the names are relative to, and documents' paths too.
        files: names, or glob patterns as `sources.patterns` has them.
        metadata: given to every item.

    Raises:
        ValueError: a pattern is none.
    """

    def __init__(
        self, name: str, root: Path, files: Sequence[str], metadata: Mapping[str, Any] | None = None
    ) -> None:
        self._inner = DirectorySource(name, root, include=files, metadata=metadata)
        plain = [unicodedata.normalize("NFC", one) for one in files if not any(c in one for c in "*?[")]
        self._named = dict.fromkeys(
            "/".join(p for p in one.split("/") if p not in ("", ".")) for one in plain
        )

    @property
    def name(self) -> str:
        return self._inner.name

    def items(self) -> Iterator[Item | Failure]:
        """Every file, in the order of their paths, and last a `Failure` for each name without a file.

        Raises:
            ListingFailed: a directory cannot be listed, or not one of the files is there.
        """
        missing = dict(self._named)
        some = False
        for one in self._inner.items():
            missing.pop(one.path if isinstance(one, Item) else one.document, None)
            some = True
            yield one
        if missing and not some:
            raise ListingFailed(
                f"source {self.name!r} cannot be listed: none of its files is there, so nothing is known "
                "about what is gone",
                where=str(self._inner.root),
                hint="Check path and files; names are relative to path.",
            )
        for path in missing:
            message = "the spec names this file, and it is not there"
            yield Failure(self.name, path, "list", UnreadableDocument.kind, message, retryable=True)

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """The file's bytes, buffered; see `DirectorySource.open`."""
        return self._inner.open(item)
