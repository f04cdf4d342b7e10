"""A site, by following its links: bounded, polite, and each page once, whatever it is called."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ragctl.errors import UnidentifiedDocument
from ragctl.sources.addresses import RefusedAddress, WebAddress, web_address
from ragctl.sources.crawl_page import PageLinks, is_html, links_from, page_links
from ragctl.sources.polite_client import Answer, FetchFailed, Limits
from ragctl.sources.robots_rules import RobotsRules, RobotsUnknown
from ragctl.sources.web_page_store import Page
from ragctl.sources.web_pages import DEFAULT_MEDIA_TYPES, WebPages, path_of
from ragctl.sources.web_scope import WebScope
from ragctl.types import Failure, Item

_NO_FAILURE = ("gone", "media_type", "refused")
"""Why a link's page is passed over: it is gone, no document, or leads where the source does not go."""


@dataclass(slots=True)
class _Walk:
    """Where a crawl stands.

    Attributes:
        known: paths of pages that are or were in the queue.
        listed: paths of items.
        elsewhere: (page, path of its canonical address) of those that say they belong elsewhere.
        cut_off: pages that were left out because there are too many.
    """

    queue: deque[tuple[WebAddress, int]]
    known: set[str]
    listed: set[str] = field(default_factory=set)
    elsewhere: list[tuple[Page, str]] = field(default_factory=list)
    cut_off: int = 0
    looked_at: int = 0


class CrawlSource:
    """The pages that links lead to from `url`, breadth first, on the same host.

    Args:
        name: the source's name, unique in a spec.
        work_directory: `.ragctl` beside the spec.
        url: where it begins.
        max_pages: looked at, at most; if there are more, that is a failure of the listing.
        max_depth: links from `url` to a page, at most; 0: that page alone.
        include, exclude, hosts, queries: see `WebScope`. The first page is looked at whatever they say;
            pages that they leave out are not asked, so links behind them are not found.
        robots: obey robots.txt.
        follow_nofollow: follow links that their page asks not to follow.
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
        max_pages: int = 1000,
        max_depth: int = 10,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        hosts: Sequence[str] = (),
        queries: bool = False,
        robots: bool = True,
        follow_nofollow: bool = False,
        allow_hosts: Sequence[str] = (),
        max_bytes: int = 20_000_000,
        timeout_seconds: float = 60.0,
        retries: int = 3,
        delay_seconds: float = 0.5,
        media_types: Sequence[str] = DEFAULT_MEDIA_TYPES,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._start = web_address(url)
        self._scope = WebScope([self._start], hosts=hosts, include=include, exclude=exclude, queries=queries)
        self._max_pages = max_pages
        self._max_depth = max_depth
        self._obey_robots = robots
        self._follow_nofollow = follow_nofollow
        limits = Limits(max_bytes, timeout_seconds, retries, delay_seconds, tuple(media_types))
        self.pages = WebPages(name, work_directory, allow_hosts=allow_hosts, limits=limits, metadata=metadata)

    @property
    def name(self) -> str:
        return self.pages.name

    def items(self) -> Iterator[Item | Failure]:
        """Every page once: under its canonical address if it names one on the site, else where it was found.

        A page that cannot be had is a `Failure`; what it linked to when it last could be had is followed.
        Where that is not known, and where `max_pages` is reached, the failure is one that keeps all of the
        source's documents from being taken for gone.

        Raises:
            ListingFailed: the first page or robots.txt cannot be had, or the host does not answer any more.
        """
        begun = self.pages.begin()
        robots = RobotsRules(self.pages, obey=self._obey_robots)
        walk = _Walk(deque([(self._start, 0)]), {path_of(self._start)})
        try:
            while walk.queue:
                yield from self._step(walk, robots)
        except RobotsUnknown as error:
            raise self.pages.listing_failed(str(error), where=str(self._start)) from None
        yield from self._left_over(walk)
        if walk.cut_off:
            yield self._too_many(walk)
        self.pages.end(begun)

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """See `WebPages.open`."""
        return self.pages.open(item)

    def _step(self, walk: _Walk, robots: RobotsRules) -> Iterator[Item | Failure]:
        """Looks at the next page of the queue."""
        address, depth = walk.queue.popleft()
        if not robots.allow(address):
            if address == self._start:
                raise RobotsUnknown("its robots.txt does not allow it")
            return
        if walk.looked_at >= self._max_pages:
            walk.cut_off += 1
            return
        walk.looked_at += 1
        try:
            page = self.pages.look(
                address, facts=_facts, may_follow=lambda to: self._why_not_followed(to, robots)
            )
        except FetchFailed as failed:
            yield from self._failed(address, depth, failed, walk)
            return
        links = links_from(page.facts)
        yield from self._listed(page, links, depth, walk)
        self._add_links(links, depth, walk)

    def _why_not_followed(self, to: WebAddress, robots: RobotsRules) -> str | None:
        why = self._scope.why_not(to)
        if why is None and not robots.allow(to):
            why = "which robots.txt does not allow"
        return why

    def _failed(self, address: WebAddress, depth: int, failed: FetchFailed, walk: _Walk) -> Iterator[Failure]:
        if failed.why == "down" or address == self._start:
            raise self.pages.listing_failed(str(failed), where=str(address)) from None
        if failed.why in _NO_FAILURE:
            return
        path = path_of(address)
        known = self.pages.store.find(str(address))
        if known is not None:
            walk.listed.add(path)
            self._add_links(links_from(known.facts), depth, walk)
            yield self.pages.failure(path, str(failed))
        else:
            message = f"{failed}; while what it links to is not known, no document of this source is deleted"
            yield _unidentified(self.name, path, message)

    def _listed(self, page: Page, links: PageLinks, depth: int, walk: _Walk) -> Iterator[Item]:
        """The page's item; not yet, if it says that it belongs elsewhere on the site."""
        at = web_address(page.final_url)
        path = path_of(at)
        walk.known.add(path)
        canonical = self._on_site(links.canonical)
        if canonical is not None and path_of(canonical) != path:
            walk.elsewhere.append((page, path_of(canonical)))
            if path_of(canonical) not in walk.known:
                walk.known.add(path_of(canonical))
                walk.queue.append((canonical, depth))
            return
        if path not in walk.listed:
            walk.listed.add(path)
            yield self.pages.item(page, path)

    def _on_site(self, url: str | None) -> WebAddress | None:
        if url is None:
            return None
        try:
            address = web_address(url)
        except RefusedAddress:
            return None
        return address if self._scope.why_not(address) is None else None

    def _add_links(self, links: PageLinks, depth: int, walk: _Walk) -> None:
        if depth >= self._max_depth:
            return
        urls = (*links.follow, *links.nofollow) if self._follow_nofollow else links.follow
        for url in urls:
            address = self._on_site(url)
            if address is None or path_of(address) in walk.known:
                continue
            if len(walk.queue) > 10 * self._max_pages:  # else a trap could fill the memory
                walk.cut_off += 1
                continue
            walk.known.add(path_of(address))
            walk.queue.append((address, depth + 1))

    def _left_over(self, walk: _Walk) -> Iterator[Item]:
        """Pages whose canonical address gave no item: they stand for themselves, the first of each."""
        covered = set(walk.listed)
        for page, canonical in walk.elsewhere:
            path = path_of(web_address(page.final_url))
            if canonical in covered or path in covered:
                covered |= {canonical, path}
                continue
            covered |= {canonical, path}
            yield self.pages.item(page, path)

    def _too_many(self, walk: _Walk) -> Failure:
        message = (
            f"it has more pages than max_pages ({self._max_pages:,}): {walk.cut_off:,} that are known were "
            "not looked at; raise it, or say with include and exclude what is wanted. While it is so, no "
            "document of this source is deleted"
        )
        return _unidentified(self.name, "max_pages", message)


def _unidentified(source: str, path: str, message: str) -> Failure:
    kind = UnidentifiedDocument
    return Failure(source, path, "list", kind.kind, message, kind.retryable)


def _facts(answer: Answer, body: Path) -> Mapping[str, Any]:
    if not is_html(answer.media_type):
        return {}
    return page_links(body, answer.address, answer.headers).as_facts()
