"""What a site's robots.txt lets a crawler do (RFC 9309)."""

from __future__ import annotations

from protego import Protego

from ragctl.sources.addresses import WebAddress, web_address
from ragctl.sources.polite_client import USER_AGENT, FetchFailed, Limits
from ragctl.sources.web_pages import WebPages

_ROBOTS_BYTES = 512 * 1024
_LONGEST_DELAY_S = 60.0


class RobotsUnknown(Exception):
    """The file is there and cannot be had, so that nothing is allowed (RFC 9309, 2.3.1.4)."""


class RobotsRules:
    """The rules of each host that is asked about; each file is looked at once in a listing.

    Args:
        pages: what the files are fetched with; a host's `Crawl-delay` slows it down.
        obey: False: everything is allowed, and nothing is asked.
    """

    def __init__(self, pages: WebPages, *, obey: bool = True) -> None:
        self._pages = pages
        self._obey = obey
        self._rules: dict[tuple[str, str, int], Protego | None] = {}

    def allow(self, address: WebAddress) -> bool:
        """May this page be asked for?

        Raises:
            RobotsUnknown: see there.
        """
        if not self._obey:
            return True
        if address.origin not in self._rules:
            self._rules[address.origin] = self._fetched(address)
        rules = self._rules[address.origin]
        return rules is None or rules.can_fetch(str(address), USER_AGENT)

    def _fetched(self, address: WebAddress) -> Protego | None:
        """None: there is none, so that all is allowed."""
        limits = Limits(_ROBOTS_BYTES, self._pages.limits.timeout_seconds)
        at = web_address("/robots.txt", base=address)
        try:
            page = self._pages.look(at, with_body=True, anew=True, limits=limits)
        except FetchFailed as failed:
            if failed.why == "gone" or (failed.status is not None and 400 <= failed.status < 429):
                return None
            raise RobotsUnknown(f"its robots.txt cannot be had: {failed}") from None
        body = self._pages.store.body(page.digest)
        if body is None:
            raise RobotsUnknown("its robots.txt cannot be had: it was removed meanwhile")
        rules = Protego.parse(body.read_text(encoding="utf-8", errors="replace"))
        delay = rules.crawl_delay(USER_AGENT)
        if delay:
            self._pages.client.slow_down(address, min(float(delay), _LONGEST_DELAY_S))
        return rules
