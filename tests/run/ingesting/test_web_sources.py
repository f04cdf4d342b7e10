"""Sources from the web in an index, beside a folder: what is read again, what a broken one stops."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sources.web_site import Reply, WebSite, link_page, web_site

from workspace import Workspace


@pytest.fixture
def site() -> Iterator[WebSite]:
    with web_site() as one:
        one.page("/", link_page("/hours", "/parking", text="Welcome to the handbook of the house."))
        one.page("/hours", "<title>Hours</title><p>The office is open from nine to five.</p>")
        one.page("/parking", "<p>Bicycles are parked in the yard behind the house.</p>")
        yield one


def spec(workspace: Workspace, site: WebSite, source: dict[str, object]) -> None:
    web = {"allow_hosts": [site.authority], "delay_seconds": 0.0, "retries": 0, "name": "web", **source}
    workspace.spec(sources=[{"type": "directory", "path": workspace.documents.name, "name": "folder"}, web])


def test_a_crawled_site_is_asked_and_not_read_again(workspace: Workspace, site: WebSite) -> None:
    workspace.write("coffee.md", "The coffee machine on the third floor takes tokens.")
    spec(workspace, site, {"type": "crawl", "url": site.url()})
    report = workspace.ingest()
    assert report["counts"]["added"] == 4
    assert sum(site.sent.values()) == 3
    asked = workspace.call("ask", "When is the office open?", "--format", "json")
    hit = asked.json["hits"][0]
    assert (hit["uri"], hit["title"]) == (site.url("/hours"), "Hours")
    site.forget_counts()
    again = workspace.ingest()
    assert again["counts"]["unchanged"] == 4
    assert again["counts"]["embedded"] == again["counts"]["cached"] == 0
    assert not site.sent


def test_a_listing_that_breaks_stops_its_own_source_alone(workspace: Workspace, site: WebSite) -> None:
    workspace.write("coffee.md", "The coffee machine on the third floor takes tokens.")
    urls = "".join(f"<url><loc>{site.url(path)}</loc></url>" for path in ("/hours", "/parking"))
    site.page("/sitemap.xml", f"<urlset>{urls}</urlset>", "text/xml")
    spec(workspace, site, {"type": "sitemap", "url": site.url("/sitemap.xml")})
    assert workspace.ingest()["counts"]["added"] == 3
    workspace.write("tea.md", "Tea is in the cupboard.")
    site.page("/sitemap.xml", f"<urlset>{urls[:70]}", "text/xml")
    for allowed in ((), ("--allow-delete", "10")):
        broken = workspace.call("ingest", *allowed, "--format", "json")
        assert broken.code == 4
        assert "source 'web' cannot be listed" in broken.err
    shown = workspace.call("show", "--format", "json").json["documents"]
    there = sorted(row["document"].rpartition("/")[2] for row in shown)
    assert there == ["coffee.md", "hours", "parking", "sitemap.xml", "tea.md"]  # with what failed
    site.page("/sitemap.xml", f"<urlset>{urls}</urlset>", "text/xml")
    assert workspace.ingest()["counts"]["unchanged"] == 4
    assert len(workspace.call("show", "--format", "json").json["documents"]) == 4


def test_a_listing_that_takes_long_says_where_it_is(
    workspace: Workspace, site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragctl.run.ingesting.draft.TELL_EVERY_S", 0.0)
    workspace.write("coffee.md", "The coffee machine on the third floor takes tokens.")
    spec(workspace, site, {"type": "crawl", "url": site.url()})
    called = workspace.call("ingest", "--format", "json")
    assert called.code == 0
    assert "listing 'folder': 1 so far" in called.err


def test_where_no_source_can_be_listed_nothing_is_written(workspace: Workspace, site: WebSite) -> None:
    site.replies.clear()
    site.replies["/sitemap.xml"] = Reply(b"", 500)
    web = {"allow_hosts": [site.authority], "delay_seconds": 0.0, "retries": 0, "name": "web"}
    workspace.spec(sources=[{"type": "sitemap", "url": site.url("/sitemap.xml"), **web}])
    refused = workspace.call("ingest", "--format", "json")
    assert refused.code == 4
    assert refused.json["error"]["kind"] == "listing_failed"


def test_a_host_that_is_not_allowed_is_not_asked(workspace: Workspace, site: WebSite) -> None:
    workspace.write("coffee.md", "The coffee machine on the third floor takes tokens.")
    web = {"type": "url", "name": "web", "urls": [site.url("/hours")], "retries": 0}
    workspace.spec(sources=[{"type": "directory", "path": workspace.documents.name, "name": "folder"}, web])
    result = workspace.call("ingest", "--format", "json")
    assert result.code == 3
    (failure,) = result.json["failures"]
    assert "a loopback address" in failure["message"]
    assert f"allow_hosts: [{site.authority}]" in failure["message"]
    assert site.connections == 0
