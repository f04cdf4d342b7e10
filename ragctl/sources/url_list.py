"""Pages by their URLs, which stand in the spec or in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from ragctl.errors import ListingFailed
from ragctl.sources.addresses import RefusedAddress, web_address
from ragctl.sources.polite_client import FetchFailed, Limits
from ragctl.sources.web_pages import DEFAULT_MEDIA_TYPES, WebPages, path_of
from ragctl.types import Failure, Item

_LONGEST_LINE = 10_000


class UrlSource:
    """The pages at these URLs, in their order; one that is named twice is one.

    Args:
        name: the source's name, unique in a spec.
        work_directory: `.ragctl` beside the spec.
        urls: http or https.
        path: a file with one URL a line, after `urls`; blank lines and lines that begin with # are none.
        allow_hosts: see `AddressGuard`.
        max_bytes, timeout_seconds, retries, delay_seconds, media_types: see `Limits`.
        metadata: given to every item.
    """

    def __init__(
        self,
        name: str,
        *,
        work_directory: Path,
        urls: Sequence[str] = (),
        path: Path | None = None,
        allow_hosts: Sequence[str] = (),
        max_bytes: int = 20_000_000,
        timeout_seconds: float = 60.0,
        retries: int = 3,
        delay_seconds: float = 0.1,
        media_types: Sequence[str] = DEFAULT_MEDIA_TYPES,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._urls = tuple(urls)
        self._file = Path(path) if path is not None else None
        limits = Limits(max_bytes, timeout_seconds, retries, delay_seconds, tuple(media_types))
        self.pages = WebPages(name, work_directory, allow_hosts=allow_hosts, limits=limits, metadata=metadata)

    @property
    def name(self) -> str:
        return self.pages.name

    def items(self) -> Iterator[Item | Failure]:
        """Every page. One that cannot be had is a `Failure`, also if it is gone: somebody wrote it down.

        Raises:
            ListingFailed: the file of URLs cannot be read, or a host does not answer any more.
        """
        begun = self.pages.begin()
        seen: set[str] = set()
        for text in self._listed():
            try:
                address = web_address(text)
            except RefusedAddress as refused:
                yield self.pages.failure(text[:200].rpartition("@")[2], f"it is not asked: {refused}")
                continue
            path = path_of(address)
            if path in seen:
                continue
            seen.add(path)
            try:
                yield self.pages.item(self.pages.look(address), path, uri=str(address))
            except FetchFailed as failed:
                if failed.why == "down":
                    raise self.pages.listing_failed(str(failed), where=str(address)) from None
                yield self.pages.failure(path, str(failed))
        self.pages.end(begun)

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """See `WebPages.open`."""
        return self.pages.open(item)

    def _listed(self) -> Iterator[str]:
        yield from self._urls
        if self._file is None:
            return
        try:
            with self._file.open(encoding="utf-8-sig") as lines:
                while line := lines.readline(_LONGEST_LINE):
                    text = line.strip()
                    if text and not text.startswith("#"):
                        yield text
        except (OSError, UnicodeDecodeError) as error:
            raise self._file_failed(error) from None

    def _file_failed(self, error: OSError | UnicodeDecodeError) -> ListingFailed:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = "Check that the file of URLs is there, is UTF-8, and may be read."
        return self.pages.listing_failed(reason, where=str(self._file), hint=hint)
