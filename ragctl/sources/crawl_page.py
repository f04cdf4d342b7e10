"""What a crawler wants of a page of HTML: its links, which of them to follow, its canonical address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree, html

from ragctl.sources.addresses import RefusedAddress, WebAddress, web_address

_MOST_LINKS = 5000
_HTML = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True, slots=True)
class PageLinks:
    """Links of a page, each once, in its order.

    Attributes:
        follow: URLs to go on with; `nofollow` those that the page asks not to be followed.
        canonical: where the page says that it belongs; None if it says nothing.
    """

    follow: tuple[str, ...] = ()
    nofollow: tuple[str, ...] = ()
    canonical: str | None = None

    def as_facts(self) -> dict[str, Any]:
        """As JSON values."""
        return {"follow": list(self.follow), "nofollow": list(self.nofollow), "canonical": self.canonical}


def links_from(facts: Mapping[str, Any]) -> PageLinks:
    """The other way round."""
    return PageLinks(tuple(facts.get("follow", ())), tuple(facts.get("nofollow", ())), facts.get("canonical"))


def is_html(media_type: str) -> bool:
    """Is this a page that may hold links? A server that names no type is believed to send one."""
    return media_type in _HTML or not media_type


def page_links(path: Path, at: WebAddress, headers: Mapping[str, str]) -> PageLinks:
    """The links of the page whose bytes lie at `path`; none if it is no HTML after all.

    Read are `a` and `area`, `base`, `link rel=canonical`, `rel=nofollow` and the robots meta element and
    header. Only the first 5,000 different links count.
    """
    try:
        tree = html.document_fromstring(path.read_bytes(), parser=_parser(headers))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, LookupError):
        return PageLinks()
    base = _base(tree, at)
    all_nofollow = _says_nofollow(headers.get("x-robots-tag", "")) or any(
        _says_nofollow(meta.get("content") or "")
        for meta in tree.iter("meta")
        if (meta.get("name") or "").strip().lower() in ("robots", "ragctl")
    )
    follow: dict[str, None] = {}
    nofollow: dict[str, None] = {}
    for element in tree.iter("a", "area"):
        url = _url(element.get("href"), base)
        if url is not None and url != str(at) and len(follow) + len(nofollow) < _MOST_LINKS:
            refused = all_nofollow or "nofollow" in (element.get("rel") or "").lower().split()
            (nofollow if refused else follow)[url] = None
    rest = tuple(url for url in nofollow if url not in follow)
    return PageLinks(tuple(follow), rest, next(_canonical(tree, base), None))


def _parser(headers: Mapping[str, str]) -> Any:
    charset = headers.get("content-type", "").lower().partition("charset=")[2].strip(" \"';")
    try:
        return html.HTMLParser(encoding=charset.partition(";")[0] or None, no_network=True)
    except LookupError:  # no encoding that there is
        return html.HTMLParser(no_network=True)


def _base(tree: Any, at: WebAddress) -> WebAddress:
    for element in tree.iter("base"):
        if element.get("href"):
            try:
                return web_address(element.get("href"), base=at)
            except RefusedAddress:
                break
    return at


def _canonical(tree: Any, base: WebAddress) -> Iterator[str]:
    for element in tree.iter("link"):
        if "canonical" in (element.get("rel") or "").lower().split():
            url = _url(element.get("href"), base)
            if url is not None:
                yield url


def _url(link: str | None, base: WebAddress) -> str | None:
    if link is None:
        return None
    try:
        return str(web_address(link, base=base))
    except RefusedAddress:  # mailto:, javascript: and the like
        return None


def _says_nofollow(text: str) -> bool:
    words = {word.strip().lower() for word in text.split(",")}
    return bool(words & {"nofollow", "none"})
