"""The pages that a site's sitemap names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from ragctl.sources.addresses import RefusedAddress, WebAddress, web_address
from ragctl.sources.polite_client import FetchFailed, Limits
from ragctl.sources.sitemap_file import MalformedSitemap, SitemapEntry, has_settled, sitemap_entries
from ragctl.sources.web_pages import DEFAULT_MEDIA_TYPES, WebPages, path_of
from ragctl.sources.web_scope import WebScope
from ragctl.types import Failure, Item

_MOST_SITEMAPS = 1000
_DEEPEST_INDEX = 3
_SITEMAP_BYTES = 60_000_000
"""The protocol allows 50 MiB without compression."""


class SitemapSource:
    """The pages of a sitemap, or of all sitemaps that an index names, in their order.

    Args:
        name: the source's name, unique in a spec.
        work_directory: `.ragctl` beside the spec.
        url: of the sitemap or the index.
        include, exclude: see `WebScope`.
        hosts: other hosts whose pages are taken, besides the sitemap's own.
        trust_lastmod: an entry's `lastmod` says whether its page has changed; the page is then not asked.
        allow_hosts: see `AddressGuard`.
        max_bytes, timeout_seconds, retries, delay_seconds, media_types: see `Limits`.
        metadata: given to every item.

    Raises:
        RefusedAddress: the URL is none that is ever asked; a valid spec has none such.
    """

    def __init__(
        self,
        name: str,
        *,
        work_directory: Path,
        url: str,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        hosts: Sequence[str] = (),
        trust_lastmod: bool = True,
        allow_hosts: Sequence[str] = (),
        max_bytes: int = 20_000_000,
        timeout_seconds: float = 60.0,
        retries: int = 3,
        delay_seconds: float = 0.1,
        media_types: Sequence[str] = DEFAULT_MEDIA_TYPES,
        metadata: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url = web_address(url)
        self._scope = WebScope([self._url], hosts=hosts, include=include, exclude=exclude)
        self._trust_lastmod = trust_lastmod
        self._now = now
        limits = Limits(max_bytes, timeout_seconds, retries, delay_seconds, tuple(media_types))
        self._sitemap_limits = replace(limits, max_bytes=_SITEMAP_BYTES, media_types=())
        self.pages = WebPages(name, work_directory, allow_hosts=allow_hosts, limits=limits, metadata=metadata)

    @property
    def name(self) -> str:
        return self.pages.name

    def items(self) -> Iterator[Item | Failure]:
        """Every page of the site that the sitemaps name; those of other hosts are passed over.

        A page with a `lastmod` is not asked for, one without is asked under conditions. A page that the
        server says is gone is not listed. Sitemaps are read an entry at a time; what is held in memory is
        16 bytes an entry.

        Raises:
            ListingFailed: a sitemap cannot be had or read to its end, or the host does not answer any more.
        """
        begun = self.pages.begin()
        seen: set[bytes] = set()
        for entry in self._entries(self._url, 0, set()):
            try:
                address = web_address(entry.url)
            except RefusedAddress as refused:
                yield self.pages.failure(entry.url[:200].rpartition("@")[2], f"it is not asked: {refused}")
                continue
            path = path_of(address)
            key = _key(path)
            if key in seen or self._scope.why_not(address) is not None:
                continue
            seen.add(key)
            if (listed := self._listed(entry, address, path)) is not None:
                yield listed
        self.pages.end(begun, still_there=lambda url: _key(path_of(web_address(url))) in seen)

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """See `WebPages.open`."""
        return self.pages.open(item)

    def _listed(self, entry: SitemapEntry, address: WebAddress, path: str) -> Item | Failure | None:
        settled = has_settled(entry.lastmod, self._now()) if self._trust_lastmod else None
        if settled is not None:
            return self.pages.unseen_item(address, path, f"lastmod:{entry.lastmod}", settled=settled)
        try:
            return self.pages.item(self.pages.look(address), path, uri=str(address))
        except FetchFailed as failed:
            if failed.why == "gone":
                return None
            if failed.why == "down":
                raise self.pages.listing_failed(str(failed), where=str(address)) from None
            return self.pages.failure(path, str(failed))

    def _entries(self, address: WebAddress, depth: int, seen: set[str]) -> Iterator[SitemapEntry]:
        """Pages alone, of this sitemap and those that it names."""
        if str(address) in seen:
            return
        seen.add(str(address))
        if depth > _DEEPEST_INDEX or len(seen) > _MOST_SITEMAPS:
            most = f"{_MOST_SITEMAPS:,} sitemaps, {_DEEPEST_INDEX} deep"
            raise self.pages.listing_failed(f"its index names more than {most}", where=str(address))
        for entry in self._read(address):
            if entry.kind == "page":
                yield entry
                continue
            try:
                inner = web_address(entry.url)
            except RefusedAddress as refused:
                raise self.pages.listing_failed(
                    f"it names a sitemap that is not asked: {refused}", where=str(address)
                ) from None
            yield from self._entries(inner, depth + 1, seen)

    def _read(self, address: WebAddress) -> Iterator[SitemapEntry]:
        try:
            page = self.pages.look(address, with_body=True, anew=True, limits=self._sitemap_limits)
            body = self.pages.store.body(page.digest)
            if body is None:
                raise FetchFailed("malformed", "its bytes were removed meanwhile")
            yield from sitemap_entries(body, max_bytes=_SITEMAP_BYTES)
        except (FetchFailed, MalformedSitemap) as failed:
            raise self.pages.listing_failed(
                str(failed), where=str(address), hint="Look at the sitemap's URL with a browser."
            ) from None


def _key(path: str) -> bytes:
    return hashlib.sha256(path.encode()).digest()[:16]
