"""Reading a sitemap: entries one by one, whatever its size (https://www.sitemaps.org/protocol.html)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal

from lxml import etree

from ragctl.sources.http_body import BodyRefused, inflated

_GZIP = b"\x1f\x8b"
_PIECE_BYTES = 1 << 16
_LONGEST_LOC = 8000
_RACY = timedelta(hours=1)
_RACY_DAY = timedelta(days=2)


class MalformedSitemap(Exception):
    """It is none, or ends before its end; the message says which."""


@dataclass(frozen=True, slots=True)
class SitemapEntry:
    """A page, or in an index another sitemap. `lastmod`: as it stands there; empty if it does not."""

    kind: Literal["page", "sitemap"]
    url: str
    lastmod: str = ""


def sitemap_entries(path: Path, *, max_bytes: int) -> Iterator[SitemapEntry]:
    """The entries in their order: XML, or a URL a line; plain, or compressed with gzip whatever its name.

    Args:
        max_bytes: of what it is without compression.

    Raises:
        MalformedSitemap: see there; entries that came before may have been given.
    """
    with path.open("rb") as raw:
        pieces = _bounded(_unpacked(raw), max_bytes)
        try:
            first = next(pieces, b"")
            is_xml = first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"<", b"\xff\xfe", b"\xfe\xff"))
            yield from _from_xml(first, pieces) if is_xml else _from_lines(first, pieces)
        except BodyRefused as refused:
            raise MalformedSitemap(str(refused)) from None


def _unpacked(raw: BinaryIO) -> Iterator[bytes]:
    is_packed = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    plain = iter(lambda: raw.read(_PIECE_BYTES), b"")
    return inflated(plain) if is_packed else plain


def _bounded(pieces: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > max_bytes:
            raise MalformedSitemap(f"it is larger than {max_bytes:,} bytes")
        if piece:
            yield piece


def _from_lines(first: bytes, pieces: Iterator[bytes]) -> Iterator[SitemapEntry]:
    rest = first.removeprefix(b"\xef\xbb\xbf")
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from _entries_of(lines)
        if len(rest) > _LONGEST_LOC:
            raise MalformedSitemap("it is neither XML nor a list of URLs")
    yield from _entries_of(rest.split(b"\n"))


def _entries_of(lines: list[bytes]) -> Iterator[SitemapEntry]:
    for line in lines:
        text = line.decode("utf-8", "replace").strip()
        if text and not text.startswith(("http://", "https://")):
            raise MalformedSitemap("it is neither XML nor a list of URLs")
        if text:
            yield SitemapEntry("page", text)


def _from_xml(first: bytes, pieces: Iterator[bytes]) -> Iterator[SitemapEntry]:
    parser = etree.XMLPullParser(
        events=("start", "end"), resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False
    )
    found = _Found()
    try:
        parser.feed(first)
        yield from found.of(parser)
        for piece in pieces:
            parser.feed(piece)
            yield from found.of(parser)
        parser.close()
        yield from found.of(parser)
    except etree.XMLSyntaxError as error:
        raise MalformedSitemap(f"it is no whole XML: {error.msg}") from None
    if found.root not in ("urlset", "sitemapindex"):
        raise MalformedSitemap("it has neither urlset nor sitemapindex")


class _Found:
    """Entries as they come out of a parser; the parser's tree is cut down behind them."""

    def __init__(self) -> None:
        self.root = ""

    def of(self, parser: Any) -> Iterator[SitemapEntry]:
        for event, element in parser.read_events():
            name = _name(element)
            if event == "start":
                self._begun(name)
            elif name in ("url", "sitemap") and element.getparent() is not None:
                entry = _entry("page" if name == "url" else "sitemap", element)
                if entry is not None:
                    yield entry
                _cut(element)

    def _begun(self, name: str) -> None:
        if not self.root:
            self.root = name
            if name not in ("urlset", "sitemapindex"):
                raise MalformedSitemap(f"its root is {name[:40]!r}, neither urlset nor sitemapindex")


def _entry(kind: Literal["page", "sitemap"], element: Any) -> SitemapEntry | None:
    texts = {_name(child): (child.text or "").strip() for child in element}
    location = texts.get("loc", "")
    return (
        SitemapEntry(kind, location[: _LONGEST_LOC + 1], texts.get("lastmod", "")[:40]) if location else None
    )


def _cut(element: Any) -> None:
    element.clear()
    parent = element.getparent()
    while element.getprevious() is not None:
        del parent[0]


def _name(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def has_settled(lastmod: str, now: datetime) -> bool | None:
    """Is it so long ago that a later change would show in it; None if it is no date that can be relied on.

    A day alone has settled when it is over everywhere; a moment, an hour later. One in the future never has.
    """
    try:
        moment = datetime.fromisoformat(lastmod)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return now - moment > (_RACY_DAY if len(lastmod) <= len("2026-01-31") else _RACY)
