"""Looking at web pages, as all sources from the web do it: asked under conditions, kept until they are read.

A page's fingerprint is the digest of its bytes. To learn it costs a conditional request where the server
gives an ETag or a Last-Modified (no byte of an unchanged page is sent again), a whole one where it gives
neither; a page that comes anew and is the same byte for byte is not read again either way.
"""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from ragctl.errors import ListingFailed, UnreadableDocument
from ragctl.sources.addresses import AddressGuard, RefusedAddress, WebAddress, web_address
from ragctl.sources.polite_client import Answer, FetchFailed, Limits, PoliteClient, Tally
from ragctl.sources.web_page_store import Page, WebPageStore
from ragctl.types import Failure, Item

DEFAULT_MEDIA_TYPES = ("text/*", "application/*", "message/*")
_TYPES = mimetypes.MimeTypes()  # Python's own table, whatever the system's says
_KEPT_HEADERS = ("content-type", "link", "x-robots-tag")
_HINT = "Run it again later: nothing of this source is deleted until it can be listed whole."

Facts = Callable[[Answer, Path], Mapping[str, Any]]
"""What a source wants to remember of a page that has come: called with its bytes' place."""


def _no_facts(answer: Answer, body: Path) -> Mapping[str, Any]:
    return {}


class WebPages:
    """The pages of one source: a client and a store.

    Args:
        name: the source's.
        metadata: given to every item.
        headers: function of what a request to the source's own host carries that nobody else may see.
    """

    def __init__(
        self,
        name: str,
        work_directory: Path,
        *,
        allow_hosts: Sequence[str] = (),
        limits: Limits | None = None,
        metadata: Mapping[str, Any] | None = None,
        secrets: Callable[[], Mapping[str, str]] = dict,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.limits = limits or Limits(media_types=DEFAULT_MEDIA_TYPES)
        self.client = PoliteClient(AddressGuard(allow_hosts), self.limits, sleep=sleep)
        self.store = WebPageStore(work_directory, name)
        self._metadata = dict(metadata or {})
        self._secrets = secrets
        self._fresh_since = self._begun_here = time.time()

    @property
    def tally(self) -> Tally:
        """What was asked for so far."""
        return self.client.tally

    def begin(self, *, resume: bool = True) -> float:
        """Begins a listing; with `resume`, what one that broke off saw is not asked for again."""
        begun = self.store.begin_listing(resume=resume)
        self._fresh_since = begun
        self._begun_here = time.time()
        return begun

    def end(self, begun: float, *, still_there: Callable[[str], bool] | None = None) -> None:
        """The listing came to its end; see `WebPageStore.end_listing`."""
        self.store.end_listing(begun, still_there=still_there)

    def look(
        self,
        address: WebAddress,
        *,
        facts: Facts = _no_facts,
        with_body: bool = False,
        anew: bool = False,
        may_follow: Callable[[WebAddress], str | None] = lambda address: None,
        limits: Limits | None = None,
    ) -> Page:
        """The page as it is now; nothing is asked if it was looked at in this listing.

        Args:
            with_body: its bytes are wanted now: afterwards `store.body` has them.
            anew: what a listing that broke off saw does not do: it may have broken off because of it.
            may_follow, limits: see `PoliteClient.get`.

        Raises:
            FetchFailed: it cannot be had.
        """
        url = str(address)
        known = self.store.find(url)
        has_body = known is not None and self.store.body(known.digest) is not None
        fresh_since = self._begun_here if anew else self._fresh_since
        if known is not None and (has_body or not with_body) and known.checked >= fresh_since:
            return known
        conditions = _conditions(known) if has_body or not with_body else {}
        try:
            with self.store.new_body() as file:
                answer = self.client.get(
                    address,
                    file,
                    headers=conditions,
                    secrets=self._secrets(),
                    may_follow=may_follow,
                    limits=limits,
                )
                if answer.body is None:
                    if known is None or not conditions:
                        raise FetchFailed(
                            "malformed", "the server says 304 (not modified), which was not asked"
                        )
                    page = replace(known, checked=time.time(), final_url=str(answer.address))
                else:
                    body = self.store.adopt(file, answer.body.digest)
                    page = _seen(url, answer, facts(answer, body))
        except OSError as error:  # of files; those of the network have other names
            raise self.store.unusable(error) from error
        self.store.keep(page)
        return page

    def item(self, page: Page, path: str, *, uri: str | None = None) -> Item:
        """The item that a page is."""
        return Item(
            source=self.name,
            path=path,
            uri=uri or page.final_url,
            fingerprint=page.digest,
            size=page.size,
            media_type=page.media_type or _likely_type(web_address(page.url)),
            locator=page.url,
            metadata=self._metadata,
        )

    def unseen_item(self, address: WebAddress, path: str, fingerprint: str, *, settled: bool) -> Item:
        """The item of a page that has not been looked at, whose fingerprint somebody else vouches for."""
        return Item(
            source=self.name,
            path=path,
            uri=str(address),
            fingerprint=fingerprint,
            settled=settled,
            media_type=_likely_type(address),
            locator=str(address),
            metadata=self._metadata,
        )

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """The page's bytes: those of the listing where they are kept, else they are fetched.

        Raises:
            UnreadableDocument: they cannot be had.
        """
        where = f"{self.name}:{item.path}"
        kept = self.store.body(item.fingerprint) if item.fingerprint.isalnum() else None
        known = self.store.find(item.locator) if kept is not None else None
        if kept is not None and known is not None and known.digest == item.fingerprint:
            return kept.open("rb")
        try:
            page = self.look(web_address(item.locator), with_body=True)
        except (FetchFailed, RefusedAddress) as failed:
            raise UnreadableDocument(f"cannot be read: {failed}", where=where) from None
        body = self.store.body(page.digest)
        if body is None:
            raise UnreadableDocument("cannot be read: its bytes were removed meanwhile", where=where)
        return body.open("rb")

    def failure(
        self, path: str, message: str, *, kind: type[UnreadableDocument] = UnreadableDocument
    ) -> Failure:
        """A page that cannot be had."""
        return Failure(self.name, path, "list", kind.kind, message, kind.retryable)

    def listing_failed(self, reason: str, *, where: str, hint: str = _HINT) -> ListingFailed:
        """The source as a whole cannot be listed."""
        return ListingFailed(
            f"source {self.name!r} cannot be listed: {reason}, so nothing is known about what is gone",
            where=where,
            hint=hint,
        )


def _likely_type(address: WebAddress) -> str:
    """By the suffix, where that is a document's (`.pdf`), else HTML; the bytes say so if it is not true."""
    return _TYPES.guess_type(address.path)[0] or "text/html"


def path_of(address: WebAddress) -> str:
    """A page's identity: its URL without the scheme, so that a move from http to https makes no new document.

    It is given to readers with a media type, always: its end may look like a suffix and be none.
    """
    return f"{address.authority}{address.target}"


def _conditions(known: Page | None) -> dict[str, str]:
    """Headers of a conditional request (RFC 9110, 13.1); none if nothing is known of the page."""
    if known is None:
        return {}
    out = {}
    if known.etag:
        out["if-none-match"] = known.etag
    if known.last_modified:
        out["if-modified-since"] = known.last_modified
    return out


def _seen(url: str, answer: Answer, facts: Mapping[str, Any]) -> Page:
    assert answer.body is not None
    return Page(
        url=url,
        final_url=str(answer.address),
        digest=answer.body.digest,
        size=answer.body.size,
        media_type=answer.media_type,
        headers={name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers},
        etag=answer.headers.get("etag"),
        last_modified=answer.headers.get("last-modified"),
        checked=time.time(),
        facts=facts,
    )
