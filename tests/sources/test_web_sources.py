"""Sources from the web, on a site that misbehaves: what becomes of each page, and what is asked for again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sources.web_site import (
    Reply,
    WebSite,
    bomb,
    busy_first,
    drip,
    drip_headers,
    endless,
    link_page,
    web_site,
)

from ragctl.errors import ListingFailed, Unavailable, UnreadableDocument, UsageError
from ragctl.ports import Source
from ragctl.sources.crawl import CrawlSource
from ragctl.sources.http_api import HttpApiSource
from ragctl.sources.http_api_pages import Pagination
from ragctl.sources.sitemap import SitemapSource
from ragctl.sources.url_list import UrlSource
from ragctl.types import RECORD_MEDIA_TYPE, Failure, Item

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def site() -> Iterator[WebSite]:
    with web_site() as one:
        yield one


def quick(site: WebSite, tmp_path: Path, **more: Any) -> dict[str, Any]:
    """Arguments that all sources share."""
    given = {"work_directory": tmp_path / ".ragctl", "allow_hosts": [site.authority], "delay_seconds": 0.0}
    return {**given, "retries": 0, "timeout_seconds": 1.0, **more}


def items(source: Source) -> dict[str, Item]:
    return {one.path: one for one in source.items() if isinstance(one, Item)}


def failures(source: Source) -> dict[str, Failure]:
    return {one.document: one for one in source.items() if isinstance(one, Failure)}


def content(source: Source, item: Item) -> bytes:
    with source.open(item) as stream:
        return stream.read()


class TestUrls:
    def source(self, site: WebSite, tmp_path: Path, *paths: str, **more: Any) -> UrlSource:
        urls = [site.url(path) for path in paths]
        return UrlSource("web", urls=urls, **quick(site, tmp_path, **more))

    def test_what_was_fetched_to_be_listed_is_not_fetched_to_be_read(
        self, site: WebSite, tmp_path: Path
    ) -> None:
        site.page("/a", "<p>one</p>")
        source = self.source(site, tmp_path, "/a", "/a#part")
        (item,) = items(source).values()
        assert item.path == f"{site.authority}/a"
        assert item.uri == site.url("/a")
        assert item.media_type == "text/html"
        assert content(source, item) == content(source, item) == b"<p>one</p>"
        assert site.asked == {"/a": 1}

    def test_a_second_run_downloads_nothing_that_has_not_changed(self, site: WebSite, tmp_path: Path) -> None:
        paths = [f"/{number}" for number in range(20)]
        for path in paths:
            site.page(path, f"page {path}")
        before = items(self.source(site, tmp_path, *paths))
        site.page("/7", "another page")
        site.forget_counts()
        source = self.source(site, tmp_path, *paths)
        after = items(source)
        assert [path for path in after if after[path].fingerprint != before[path].fingerprint] == [
            f"{site.authority}/7"
        ]
        assert sum(site.asked.values()) == 20
        assert site.sent == {"/7": 1}
        assert source.pages.tally.not_modified == 19

    def test_last_modified_does_as_well(self, site: WebSite, tmp_path: Path) -> None:
        site.etags = False
        site.page("/a", "one", Last_Modified="Sun, 01 Nov 2026 00:00:00 GMT")
        list(self.source(site, tmp_path, "/a").items())
        list(self.source(site, tmp_path, "/a").items())
        assert site.seen_headers["/a"]["if-modified-since"] == "Sun, 01 Nov 2026 00:00:00 GMT"

    def test_without_either_the_bytes_decide(self, site: WebSite, tmp_path: Path) -> None:
        site.etags = False
        site.page("/a", "one")
        before = items(self.source(site, tmp_path, "/a"))
        assert items(self.source(site, tmp_path, "/a")) == before
        assert site.sent == {"/a": 2}

    def test_what_becomes_of_pages_that_misbehave(self, site: WebSite, tmp_path: Path) -> None:
        site.page("/good", "fine")
        site.redirect("/moved", "/good", 301)
        site.redirect("/loop", "/loop2")
        site.redirect("/loop2", "/loop")
        for number in range(12):
            site.redirect(f"/far{number}", f"/far{number + 1}")
        site.redirect("/nowhere", "")
        site.replies["/drip"] = drip
        site.replies["/endless"] = endless
        site.replies["/bomb"] = bomb(50_000_000)
        site.page("/huge", bytes(200_001))
        site.page("/film", b"....", "video/mp4")
        site.page("/brotli", b"....", Content_Encoding="br")
        site.page("/cut", gzip.compress(b"x" * 100_000)[:-20], Content_Encoding="gzip")
        site.replies["/broken"] = Reply(b"oops", 500)
        site.replies["/closed"] = Reply(b"no", 403)
        paths = ["/good", "/moved", "/loop", "/far0", "/nowhere", "/endless", "/bomb", "/huge", "/film"]
        paths += ["/brotli", "/cut", "/broken", "/closed", "/lost", "/drip"]
        source = self.source(site, tmp_path, *paths, max_bytes=200_000)
        listed = list(source.items())
        assert [one.path for one in listed if isinstance(one, Item)] == [
            f"{site.authority}/good",
            f"{site.authority}/moved",
        ]
        why = {
            one.document.removeprefix(site.authority): one.message
            for one in listed
            if isinstance(one, Failure)
        }
        assert why.keys() == set(paths[2:])
        assert "go round in a circle" in why["/loop"]
        assert "more than 10 times" in why["/far0"]
        assert "without saying where to" in why["/nowhere"]
        for path in ("/endless", "/bomb", "/huge"):
            assert why[path] == "it is larger than 200,000 bytes"
        assert why["/film"] == "it is 'video/mp4', which the source does not take"
        assert "'br', which was not asked for" in why["/brotli"]
        assert "ends too early" in why["/cut"]
        assert "status 500" in why["/broken"]
        assert "status 403" in why["/closed"]
        assert "no such page" in why["/lost"]
        assert "took too long" in why["/drip"] or "timed out" in why["/drip"]

    def test_dripping_headers_end_at_the_deadline(self, site: WebSite, tmp_path: Path) -> None:
        site.replies["/drip"] = drip_headers
        (failure,) = failures(self.source(site, tmp_path, "/drip")).values()
        assert failure.retryable
        assert "took too long" in failure.message or "timed out" in failure.message

    def test_a_busy_server_is_waited_for(self, site: WebSite, tmp_path: Path) -> None:
        site.replies["/busy"] = busy_first(2, Reply(b"at last", headers={"Content-Type": "text/plain"}))
        source = self.source(site, tmp_path, "/busy", retries=2)
        (item,) = items(source).values()
        assert content(source, item) == b"at last"
        assert site.asked == {"/busy": 3}

    def test_a_server_that_wants_to_be_left_alone_for_long_is(self, site: WebSite, tmp_path: Path) -> None:
        site.replies["/busy"] = busy_first(9, Reply(), retry_after="3600")
        (failure,) = failures(self.source(site, tmp_path, "/busy", retries=5)).values()
        assert "left alone for 3,600 seconds" in failure.message
        assert site.asked == {"/busy": 1}

    def test_requests_to_a_host_keep_their_distance(self, site: WebSite, tmp_path: Path) -> None:
        for path in ("/a", "/b", "/c"):
            site.page(path, path)
        list(self.source(site, tmp_path, "/a", "/b", "/c", delay_seconds=0.1).items())
        moments = [moment for moment, _ in site.moments]
        assert all(after - before >= 0.08 for before, after in pairwise(moments))

    def test_a_host_that_is_down_ends_the_listing(self, site: WebSite, tmp_path: Path) -> None:
        paths = [f"/{number}" for number in range(6)]
        source = self.source(site, tmp_path, *paths)
        site.stop()
        with pytest.raises(ListingFailed, match="not asked any more"):
            list(source.items())

    def test_a_file_names_further_urls(self, site: WebSite, tmp_path: Path) -> None:
        for path in ("/a", "/b"):
            site.page(path, path)
        file = tmp_path / "urls.txt"
        file.write_text(f"# pages\n\n{site.url('/b')}\nftp://x.example/\n", encoding="utf-8-sig")
        source = self.source(site, tmp_path, "/a", path=file)
        assert [one.rpartition("/")[2] for one in items(source)] == ["a", "b"]
        (failure,) = failures(source).values()
        assert "only http:// and https://" in failure.message
        file.unlink()
        with pytest.raises(ListingFailed, match="No such file"):
            list(source.items())

    def test_a_listing_that_broke_off_is_gone_on_with(self, site: WebSite, tmp_path: Path) -> None:
        paths = [f"/{number}" for number in range(10)]
        for path in paths:
            site.page(path, path)
        begun = self.source(site, tmp_path, *paths).items()
        for _ in range(6):
            next(begun)
        site.forget_counts()
        assert len(items(self.source(site, tmp_path, *paths))) == 10
        assert sum(site.asked.values()) == 4
        site.forget_counts()
        assert len(items(self.source(site, tmp_path, *paths))) == 10
        assert sum(site.asked.values()) == 10  # that one had come to its end

    def test_what_is_kept_may_be_lost(self, site: WebSite, tmp_path: Path) -> None:
        site.page("/a", "one")
        source = self.source(site, tmp_path, "/a")
        before = items(source)
        source.pages.store.close()
        (database,) = tmp_path.rglob("pages.sqlite")
        database.write_bytes(b"no database" * 100)
        source = self.source(site, tmp_path, "/a")
        assert items(source) == before
        assert content(source, *before.values()) == b"one"

    def test_a_page_whose_bytes_are_kept_no_more_is_fetched_again(
        self, site: WebSite, tmp_path: Path
    ) -> None:
        site.page("/a", "one")
        source = self.source(site, tmp_path, "/a")
        (item,) = items(source).values()
        for body in (tmp_path / ".ragctl").rglob("bodies/*"):
            body.unlink()
        assert content(self.source(site, tmp_path, "/a"), item) == b"one"
        assert site.sent == {"/a": 2}


def sitemap(*entries: tuple[str, str]) -> bytes:
    """A sitemap of (URL, lastmod)."""
    parts = [
        f"<url><loc>{url}</loc>{f'<lastmod>{date}</lastmod>' if date else ''}</url>" for url, date in entries
    ]
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    )
    return f"{head}{''.join(parts)}</urlset>".encode()


class TestSitemap:
    def source(self, site: WebSite, tmp_path: Path, **more: Any) -> SitemapSource:
        url = site.url("/sitemap.xml")
        return SitemapSource("map", url=url, now=lambda: NOW, **quick(site, tmp_path, **more))

    def test_fifty_thousand_entries_cost_one_request(self, site: WebSite, tmp_path: Path) -> None:
        entries = [(site.url(f"/p/{number}"), "2026-01-31") for number in range(50_000)]
        site.page("/sitemap.xml", gzip.compress(sitemap(*entries)), "application/x-gzip")
        source = self.source(site, tmp_path, timeout_seconds=30.0)
        count = sum(isinstance(one, Item) for one in source.items())
        assert count == 50_000
        assert site.asked == {"/sitemap.xml": 1}
        site.forget_counts()
        assert sum(1 for _ in self.source(site, tmp_path, timeout_seconds=30.0).items()) == 50_000
        assert site.asked == {"/sitemap.xml": 1}
        assert not site.sent

    def test_lastmod_decides_where_there_is_one(self, site: WebSite, tmp_path: Path) -> None:
        site.page("/old", "old")
        site.page("/bare", "bare")
        urls = [(site.url("/old"), "2026-01-31"), (site.url("/bare"), ""), (site.url("/gone"), "")]
        site.page("/sitemap.xml", sitemap(*urls), "text/xml")
        source = self.source(site, tmp_path)
        first = items(source)
        assert [path.rpartition("/")[2] for path in first] == ["old", "bare"]
        assert site.asked == {"/sitemap.xml": 1, "/bare": 1, "/gone": 1}
        assert [content(source, item) for item in first.values()] == [b"old", b"bare"]
        assert content(source, first[f"{site.authority}/old"]) == b"old"
        assert site.sent == {"/sitemap.xml": 1, "/bare": 1, "/old": 1}
        site.page("/sitemap.xml", sitemap((site.url("/old"), "2026-02-01"), *urls[1:]), "text/xml")
        second = items(self.source(site, tmp_path))
        assert [path for path in second if second[path].fingerprint != first[path].fingerprint] == [
            f"{site.authority}/old"
        ]

    @pytest.mark.parametrize(
        ("lastmod", "settled"),
        [("2026-10-31", False), ("2026-10-01", True), ("2026-10-31T23:30:00Z", False), ("2027-01-01", False)],
    )
    def test_a_date_that_is_too_young_is_looked_at_again(
        self, site: WebSite, tmp_path: Path, lastmod: str, settled: bool
    ) -> None:
        site.page("/sitemap.xml", sitemap((site.url("/a"), lastmod)), "text/xml")
        (item,) = items(self.source(site, tmp_path)).values()
        assert item.settled is settled

    def test_an_index_is_followed_and_other_hosts_are_not(self, site: WebSite, tmp_path: Path) -> None:
        inner = "".join(
            f"<sitemap><loc>{site.url(path)}</loc></sitemap>" for path in ("/one.xml", "/two.txt")
        )
        site.page("/sitemap.xml", f"<sitemapindex>{inner}</sitemapindex>", "text/xml")
        there = [(site.url("/docs/a"), "2026-01-01"), ("https://other.example/x", "2026-01-01")]
        site.page("/one.xml", sitemap(*there, (site.url("/docs/skip/b"), "2026-01-01")), "text/xml")
        site.page("/two.txt", f"{site.url('/docs/a')}\n{site.url('/c')}\n", "text/plain")
        site.page("/c", "c")
        assert [one.removeprefix(site.authority) for one in items(self.source(site, tmp_path))] == [
            "/docs/a",
            "/docs/skip/b",
            "/c",
        ]
        chosen = self.source(site, tmp_path, include=["docs/**"], exclude=["**/skip"])
        assert [one.removeprefix(site.authority) for one in items(chosen)] == ["/docs/a"]

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"<urlset><url><loc>http://x/</loc></url>", "no whole XML"),
            (b"<html><body>Not found</body></html>", "neither urlset nor sitemapindex"),
            (b"no sitemap at all", "neither XML nor a list"),
            (gzip.compress(sitemap())[:-9], "ends too early"),
            (
                b'<!DOCTYPE u [<!ENTITY x SYSTEM "file:///etc/passwd">]><urlset><url><loc>&x;</loc></url>',
                "XML",
            ),
        ],
    )
    def test_a_broken_sitemap_deletes_nothing(
        self, site: WebSite, tmp_path: Path, body: bytes, reason: str
    ) -> None:
        site.page("/sitemap.xml", body, "text/xml")
        with pytest.raises(ListingFailed, match=reason):
            list(self.source(site, tmp_path).items())

    def test_an_inner_sitemap_that_is_not_there_is_a_failed_listing(
        self, site: WebSite, tmp_path: Path
    ) -> None:
        inner = f"<sitemap><loc>{site.url('/lost.xml')}</loc></sitemap>"
        site.page("/sitemap.xml", f"<sitemapindex>{inner}</sitemapindex>", "text/xml")
        with pytest.raises(ListingFailed, match="no such page"):
            list(self.source(site, tmp_path).items())

    def test_an_index_that_names_itself_ends(self, site: WebSite, tmp_path: Path) -> None:
        inner = f"<sitemap><loc>{site.url('/sitemap.xml')}</loc></sitemap>"
        site.page("/sitemap.xml", f"<sitemapindex>{inner}</sitemapindex>", "text/xml")
        assert items(self.source(site, tmp_path)) == {}


class TestCrawl:
    def source(self, site: WebSite, tmp_path: Path, url: str = "/", **more: Any) -> CrawlSource:
        return CrawlSource("site", url=site.url(url), **quick(site, tmp_path, **more))

    def paths(self, source: CrawlSource) -> list[str]:
        return [one.partition("/")[2] for one in items(source)]

    def test_links_are_followed_on_the_site_alone(self, site: WebSite, tmp_path: Path) -> None:
        site.page("/", link_page("/a", "b.html", "mailto:x@y.example", "https://other.example/", "/a#top"))
        site.page("/a", link_page("/", "c?x=1", "deep/d"))
        site.page("/b.html", "no links")
        site.page("/deep/d", b"%PDF-1.4", "application/pdf")
        assert self.paths(self.source(site, tmp_path)) == ["", "a", "b.html", "deep/d"]
        assert site.asked == {"/robots.txt": 1, "/": 1, "/a": 1, "/b.html": 1, "/deep/d": 1}

    def test_a_second_crawl_downloads_nothing(self, site: WebSite, tmp_path: Path) -> None:
        site.page("/", link_page("/a", "/b"))
        site.page("/a", link_page("/c"))
        site.page("/b", "b")
        site.page("/c", "c")
        before = items(self.source(site, tmp_path))
        site.page("/c", link_page("/d"))
        site.page("/d", "d")
        site.forget_counts()
        after = items(self.source(site, tmp_path))
        assert site.sent == {"/c": 1, "/d": 1}
        assert after.keys() - before.keys() == {f"{site.authority}/d"}
        site.forget_counts()
        assert items(self.source(site, tmp_path)) == after
        assert not site.sent

    def test_robots_txt_is_obeyed(self, site: WebSite, tmp_path: Path) -> None:
        site.page("/robots.txt", "User-agent: *\nDisallow: /private\nCrawl-delay: 0.05\n", "text/plain")
        site.page("/", link_page("/private/a", "/b", "/hidden"))
        site.page("/private/a", "a")
        site.page("/b", "b")
        site.redirect("/hidden", "/private/a")
        assert self.paths(self.source(site, tmp_path)) == ["", "b"]
        assert site.asked["/private/a"] == 0
        assert self.paths(self.source(site, tmp_path, robots=False)) == ["", "private/a", "b"]

    def test_a_redirect_to_another_host_of_the_site_asks_for_its_rules(
        self, site: WebSite, tmp_path: Path
    ) -> None:
        with web_site() as other:
            other.page("/robots.txt", "User-agent: ragctl\nDisallow: /private\n", "text/plain")
            other.page("/private", "private")
            other.page("/open", "open")
            site.page("/", link_page("/1", "/2"))
            site.redirect("/1", other.url("/private"))
            site.redirect("/2", other.url("/open"))
            hosts = {"hosts": [other.authority], "allow_hosts": [site.authority, other.authority]}
            assert self.paths(self.source(site, tmp_path, **hosts)) == ["", "open"]
            assert other.asked == {"/robots.txt": 1, "/open": 1}

    def test_a_robots_txt_that_cannot_be_had_allows_nothing(self, site: WebSite, tmp_path: Path) -> None:
        site.replies["/robots.txt"] = Reply(b"", 503)
        site.page("/", "home")
        with pytest.raises(ListingFailed, match=r"robots\.txt cannot be had"):
            list(self.source(site, tmp_path).items())
        assert site.asked == {"/robots.txt": 1}

    def test_one_page_is_one_document(self, site: WebSite, tmp_path: Path) -> None:
        site.page("/", link_page("/print/a", "/a", "/old", "/x?p=1"))
        canonical = '<link rel="canonical" href="/a">'
        site.page("/a", link_page(head=canonical, text="a"))
        site.page("/print/a", link_page(head=canonical, text="a, to print"))
        site.page("/x?p=1", link_page(head=canonical, text="a, again"))
        site.redirect("/old", "/a", 301)
        assert self.paths(self.source(site, tmp_path, queries=True)) == ["", "a"]

    def test_a_canonical_address_that_gives_nothing_loses_no_page(
        self, site: WebSite, tmp_path: Path
    ) -> None:
        site.page("/", link_page("/a", "/b", "/c"))
        site.page("/a", link_page(head='<link rel="canonical" href="/lost">'))
        site.page("/b", link_page(head='<link rel="canonical" href="/c">'))
        site.page("/c", link_page(head='<link rel="canonical" href="/b">'))
        assert self.paths(self.source(site, tmp_path)) == ["", "a", "b"]

    def test_nofollow_by_choice(self, site: WebSite, tmp_path: Path) -> None:
        head = '<meta name="robots" content="noindex, nofollow">'
        site.page("/", '<a rel="ugc nofollow" href="/a">a</a><a href="/b">b</a>')
        site.page("/a", "a")
        site.page("/b", link_page("/c", head=head))
        site.page("/c", "c")
        assert self.paths(self.source(site, tmp_path)) == ["", "b"]
        assert self.paths(self.source(site, tmp_path, follow_nofollow=True)) == ["", "b", "a", "c"]

    def test_depth_and_patterns_bound_it(self, site: WebSite, tmp_path: Path) -> None:
        site.page("/", link_page("/docs/1", "/blog/1"))
        site.page("/docs/1", link_page("/docs/2"))
        site.page("/docs/2", link_page("/docs/3"))
        site.page("/blog/1", "blog")
        assert self.paths(self.source(site, tmp_path, max_depth=1)) == ["", "docs/1", "blog/1"]
        assert self.paths(self.source(site, tmp_path, include=["docs/**"])) == ["", "docs/1", "docs/2"]
        assert self.paths(self.source(site, tmp_path, exclude=["docs"])) == ["", "blog/1"]

    def test_too_many_pages_are_said_to_be_too_many(self, site: WebSite, tmp_path: Path) -> None:
        site.page("/", link_page(*(f"/{number}" for number in range(30))))
        for number in range(30):
            site.page(f"/{number}", str(number))
        source = self.source(site, tmp_path, max_pages=11)
        assert len(items(source)) == 11
        (failure,) = failures(source).values()
        assert failure.error == "unidentified"
        assert "20 that are known were not looked at" in failure.message

    def test_a_trap_has_an_end(self, site: WebSite, tmp_path: Path) -> None:
        page = link_page("x/", "y/", "z/")
        site.replies = _Trap(page)
        source = self.source(site, tmp_path, max_pages=30, robots=False)
        assert len(items(source)) == 30

    def test_a_page_that_fails_keeps_what_it_led_to(self, site: WebSite, tmp_path: Path) -> None:
        site.page("/", link_page("/a"))
        site.page("/a", link_page("/b"))
        site.page("/b", "b")
        assert self.paths(self.source(site, tmp_path)) == ["", "a", "b"]
        site.replies["/a"] = Reply(b"", 500)
        listed = list(self.source(site, tmp_path).items())
        assert [one.path.partition("/")[2] for one in listed if isinstance(one, Item)] == ["", "b"]
        (failure,) = [one for one in listed if isinstance(one, Failure)]
        assert failure.error == "unreadable"

    def test_a_page_that_never_could_be_had_keeps_all_from_being_deleted(
        self, site: WebSite, tmp_path: Path
    ) -> None:
        site.page("/", link_page("/a", "/gone"))
        site.replies["/a"] = Reply(b"", 500)
        (failure,) = failures(self.source(site, tmp_path)).values()
        assert failure.error == "unidentified"

    def test_a_first_page_that_is_not_there_is_a_failed_listing(self, site: WebSite, tmp_path: Path) -> None:
        with pytest.raises(ListingFailed, match="no such page"):
            list(self.source(site, tmp_path).items())

    def test_broken_html_has_the_links_that_it_has(self, site: WebSite, tmp_path: Path) -> None:
        site.page("/", b"<a href='/a'><table><<<\x00\xff<a href=/b>", "text/html; charset=nonsense")
        site.page("/a", "")
        site.page("/b", "b")
        assert self.paths(self.source(site, tmp_path)) == ["", "a", "b"]


class _Trap(dict[str, Reply]):
    """Every page is there, and leads to three more."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._reply = Reply(page.encode(), headers={"Content-Type": "text/html"})

    def get(self, key: str, default: Any = None) -> Any:
        return self._reply


def answer(*records: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"data": {"list": list(records)}, **more}).encode()


def post(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "title": f"T{number}", "body": {"text": f"text {number}"}, **more}


class TestHttpApi:
    def source(self, site: WebSite, tmp_path: Path, url: str = "/posts", **more: Any) -> HttpApiSource:
        given = {"records": "data.list", "text": ["body.text"], "environment": {}}
        return HttpApiSource("api", url=site.url(url), **quick(site, tmp_path, **{**given, **more}))

    def put(self, site: WebSite, path: str, body: bytes, **headers: str) -> None:
        site.page(path, body, "application/json", **headers)

    def ids(self, source: HttpApiSource) -> list[str]:
        return [one.partition("#")[2] for one in items(source)]

    def test_a_record_is_a_document(self, site: WebSite, tmp_path: Path) -> None:
        self.put(site, "/posts?tag=a", answer(post(1, url="https://forum.example/t/1", tag="x"), post(2)))
        source = self.source(site, tmp_path, params={"tag": "a"}, link="url", metadata_fields=["tag"])
        first, second = items(source).values()
        assert first.path == f"{site.authority}/posts#1"
        assert first.uri == "https://forum.example/t/1"
        assert second.uri == f"{site.url('/posts?tag=a')}#2"
        assert first.media_type == RECORD_MEDIA_TYPE
        assert json.loads(content(source, first)) == {
            "title": "T1",
            "text": "text 1",
            "metadata": {"tag": "x"},
        }
        assert sum(site.asked.values()) == 1

    @pytest.mark.parametrize("kind", ["page", "offset", "cursor", "cursor url", "link"])
    def test_answers_follow_one_another(self, site: WebSite, tmp_path: Path, kind: str) -> None:
        if kind in ("page", "offset"):
            first, step = (1, 1) if kind == "page" else (0, 2)
            pagination = Pagination(by=kind, parameter="n", first=first)  # type: ignore[arg-type]
            for number in range(3):
                records = [post(2 * number), post(2 * number + 1)] if number < 2 else []
                self.put(site, f"/posts?n={first + number * step}", answer(*records))
        elif kind == "link":
            pagination = Pagination(by="link")
            link = '</posts?after=x%2Cy>; rel="next", </posts>; rel="prev"'
            self.put(site, "/posts", answer(post(0), post(1)), Link=link)
            self.put(site, "/posts?after=x%2Cy", answer(post(2), post(3)))
        else:
            pagination = Pagination(by="cursor", parameter="c", next="meta.next")
            token = "a b=" if kind == "cursor" else site.url("/posts?c=a+b%3D")
            self.put(site, "/posts", answer(post(0), post(1), meta={"next": token}))
            self.put(site, "/posts?c=a+b%3D", answer(post(2), post(3), meta={"next": None}))
        source = self.source(site, tmp_path, pagination=pagination)
        assert self.ids(source) == ["0", "1", "2", "3"]
        listed = items(source)
        assert [json.loads(content(source, item))["text"] for item in reversed(listed.values())] == [
            "text 3",
            "text 2",
            "text 1",
            "text 0",
        ]

    def test_a_second_run_downloads_nothing_that_has_not_changed(self, site: WebSite, tmp_path: Path) -> None:
        pagination = Pagination(by="page", parameter="n")
        for number in (1, 2):
            self.put(site, f"/posts?n={number}", answer(post(number)))
        self.put(site, "/posts?n=3", answer())
        before = items(self.source(site, tmp_path, pagination=pagination))
        self.put(site, "/posts?n=2", answer(post(2, body={"text": "another"})))
        site.forget_counts()
        after = items(self.source(site, tmp_path, pagination=pagination))
        assert site.sent == {"/posts?n=2": 1}
        changed = [path for path in after if after[path].fingerprint != before[path].fingerprint]
        assert changed == [f"{site.authority}/posts#2"]

    def test_updated_alone_decides_where_it_is_named(self, site: WebSite, tmp_path: Path) -> None:
        self.put(site, "/posts", answer(post(1, at="monday")))
        before = items(self.source(site, tmp_path, updated="at"))
        self.put(site, "/posts", answer(post(1, at="monday", body={"text": "seen 7 times"})))
        assert items(self.source(site, tmp_path, updated="at"))[f"{site.authority}/posts#1"].fingerprint == (
            before[f"{site.authority}/posts#1"].fingerprint
        )
        self.put(site, "/posts", answer(post(1, at="tuesday")))
        assert items(self.source(site, tmp_path, updated="at")) != before

    def test_what_is_wrong_with_a_record_befalls_it_alone(self, site: WebSite, tmp_path: Path) -> None:
        self.put(site, "/posts", answer(post(1), {"title": "no id"}, {"id": 2}, post(1), post(3)))
        source = self.source(site, tmp_path)
        assert self.ids(source) == ["1", "3"]
        assert [one.error for one in failures(source).values()] == ["unidentified", "malformed", "malformed"]

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"<html>", "does not answer with JSON"),
            (b"[" * 100_000, "does not answer with JSON"),
            (b'{"data": {"list": {}}}', "is no list of records"),
            (b'{"error": "no"}', "is no list of records"),
        ],
    )
    def test_an_answer_that_is_none_deletes_nothing(
        self, site: WebSite, tmp_path: Path, body: bytes, reason: str
    ) -> None:
        self.put(site, "/posts?n=1", answer(post(1)))
        self.put(site, "/posts?n=2", body)
        listing = self.source(site, tmp_path, pagination=Pagination(by="page", parameter="n")).items()
        assert isinstance(next(listing), Item)
        with pytest.raises(ListingFailed, match=reason):
            next(listing)

    @pytest.mark.parametrize(
        ("following", "reason"),
        [
            ("/posts", "round in a circle"),
            ("https://other.example/posts", "on another server"),
            ("http://u:p@x.example/", "holds a login"),
        ],
    )
    def test_a_next_page_that_leads_astray(
        self, site: WebSite, tmp_path: Path, following: str, reason: str
    ) -> None:
        self.put(site, "/posts", answer(post(1), next=following))
        pagination = Pagination(by="cursor", parameter="c", next="next")
        with pytest.raises(ListingFailed, match=reason):
            list(self.source(site, tmp_path, pagination=pagination).items())

    def test_more_answers_than_wanted(self, site: WebSite, tmp_path: Path) -> None:
        site.replies = _Trap(answer(post(1)).decode())
        pagination = Pagination(by="page", parameter="n")
        with pytest.raises(ListingFailed, match="max_answers"):
            list(self.source(site, tmp_path, pagination=pagination, max_answers=5).items())

    def test_the_secret_goes_to_its_own_server_alone(self, site: WebSite, tmp_path: Path) -> None:
        with web_site() as other:
            other.page("/posts", answer(post(1)), "application/json")
            self.put(site, "/posts", answer(post(1)))
            given: dict[str, Any] = {"auth_env": "API_KEY", "environment": {"API_KEY": "s3cret"}}
            assert self.ids(self.source(site, tmp_path, **given)) == ["1"]
            assert site.seen_headers["/posts"]["authorization"] == "Bearer s3cret"
            site.redirect("/posts", other.url("/posts"))
            hosts = [site.authority, other.authority]
            with pytest.raises(ListingFailed, match="which is another server") as refused:
                list(self.source(site, tmp_path, **given, allow_hosts=hosts).items())
            assert "s3cret" not in str(refused.value)
            assert not other.asked

    def test_a_secret_that_is_not_set_is_said(self, site: WebSite, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="API_KEY is not set"):
            list(self.source(site, tmp_path, auth_env="API_KEY").items())
        assert not site.asked

    def test_a_record_that_is_gone_cannot_be_opened(self, site: WebSite, tmp_path: Path) -> None:
        self.put(site, "/posts", answer(post(1), post(2)))
        source = self.source(site, tmp_path)
        gone = list(items(source).values())[1]
        self.put(site, "/posts", answer(post(1)))
        list(source.items())
        with pytest.raises(UnreadableDocument, match="has it no more"):
            content(source, gone)


def test_a_work_directory_that_cannot_be_used_is_said(site: WebSite, tmp_path: Path) -> None:
    site.page("/a", "one")
    (tmp_path / ".ragctl").write_text("a file in its place", encoding="utf-8")
    source = UrlSource("web", urls=[site.url("/a")], **quick(site, tmp_path))
    with pytest.raises(Unavailable, match="cannot be kept") as refused:
        list(source.items())
    assert refused.value.hint
