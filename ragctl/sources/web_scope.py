"""Which pages belong to a source: by host, and by patterns over the path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from ragctl.sources.addresses import WebAddress, web_address
from ragctl.sources.patterns import Patterns


class WebScope:
    """The pages of some hosts whose paths fit.

    Args:
        starts: whose hosts and ports are taken.
        hosts: `host` or `host:port` of further ones.
        include, exclude: patterns as in `ragctl.sources.patterns`, over the path of a URL without its first
            `/` and without its query; a pattern of a folder takes all below it. Wildcards match names that
            begin with a dot as well. No `include`: every path.
        queries: pages with a query (`?page=2`) are taken, too.
    """

    def __init__(
        self,
        starts: Iterable[WebAddress],
        *,
        hosts: Sequence[str] = (),
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        queries: bool = True,
    ) -> None:
        named = [web_address(f"{scheme}://{host}/") for host in hosts for scheme in ("http", "https")]
        self._authorities = {one.authority for one in (*starts, *named)}
        self._include = Patterns(include, dots=True) if include else None
        self._exclude = Patterns(exclude, dots=True) if exclude else None
        self._queries = queries

    def is_on_site(self, address: WebAddress) -> bool:
        """Is it of one of the hosts?"""
        return address.authority in self._authorities

    def why_not(self, address: WebAddress) -> str | None:
        """Why the page does not belong to the source; None if it does."""
        if not self.is_on_site(address):
            return "which is another site"
        if address.query and not self._queries:
            return "which has a query"
        path = unquote(address.path[1:], errors="replace") or "index"
        if self._include is not None and not self._include.cover(path):
            return "which `include` does not take"
        if self._exclude is not None and self._exclude.cover(path):
            return "which `exclude` leaves out"
        return None
