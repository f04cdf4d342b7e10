"""Sources from the web in a spec: what is valid, and what is said of what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragctl.errors import SpecError
from ragctl.run.sources import make_sources
from ragctl.spec.load import LoadedSpec, load_spec

URL = "https://docs.example/guide"


def loaded(tmp_path: Path, source: dict[str, Any]) -> LoadedSpec:
    file = tmp_path / "web.yaml"
    file.write_text(json.dumps({"name": "web", "sources": [source]}), encoding="utf-8")
    return load_spec(file)


def mistake(tmp_path: Path, **source: Any) -> str:
    with pytest.raises(SpecError) as refused:
        loaded(tmp_path, source)
    return str(refused.value)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"type": "url", "name": "pages", "urls": [URL]}, "pages"),
        ({"type": "url", "name": "pages", "path": "urls.txt"}, "pages"),
        ({"type": "sitemap", "url": "https://docs.example/sitemap.xml"}, "sitemap.xml"),
        ({"type": "crawl", "url": "https://docs.example/"}, "docs.example"),
        ({"type": "http_api", "url": "https://api.example/v1/posts?x=1"}, "posts"),
    ],
)
def test_the_shortest_of_each_makes_a_source(tmp_path: Path, source: dict[str, Any], name: str) -> None:
    (made,) = make_sources(loaded(tmp_path, source), {})
    assert made.name == name
    assert not (tmp_path / ".ragctl").exists()


def test_every_key_reaches_its_source(tmp_path: Path) -> None:
    shared = {"delay_seconds": 1.5, "timeout_seconds": 9.0, "retries": 1, "allow_hosts": ["[::1]:80"]}
    pages = {"include": ["a/**"], "exclude": ["b"], "hosts": ["x.example"], "media_types": ["text/html"]}
    walk = {"max_pages": 5, "max_depth": 2, "queries": True, "robots": False, "follow_nofollow": True}
    fields = {"records": "a.b", "id": "n", "text": ["t.x"], "title": None, "updated": "u", "link": "l"}
    api = {
        **fields,
        "params": {"q": "1"},
        "pagination": {"by": "cursor", "parameter": "c", "next": "m.c"},
        "auth_env": "API_KEY",
        "auth_header": "X-Key",
        "auth_scheme": "",
        "max_answers": 3,
        "metadata_fields": ["year"],
    }
    for source in (
        {"type": "sitemap", "url": URL, "trust_lastmod": False, **pages, **shared},
        {"type": "crawl", "url": URL, **walk, **pages, **shared},
        {"type": "http_api", "url": URL, **api, **shared},
    ):
        (made,) = make_sources(loaded(tmp_path, source), {})
        assert made.name == "guide"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"type": "crawl", "url": "ftp://docs.example/"}, "https:// or http://"),
        ({"type": "crawl", "url": "docs.example"}, "https:// or http://"),
        ({"type": "crawl", "url": "https://[docs/"}, "is no URL"),
        ({"type": "crawl", "url": "https://docs.example/a b"}, "white space"),
        ({"type": "crawl", "url": URL, "allow_hosts": ["http://x"]}, "host or host:port alone"),
        ({"type": "crawl", "url": URL, "hosts": ["x:99999"]}, "host or host:port alone"),
        ({"type": "crawl", "url": URL, "media_types": ["html"]}, "must be a media type"),
        ({"type": "crawl", "url": URL, "include": ["/a"]}, "without a leading /"),
        ({"type": "url", "name": "x"}, "needs `urls`, or a file"),
        ({"type": "url", "urls": [URL]}, "needs a name"),
        ({"type": "http_api", "url": URL, "pagination": {"by": "page"}}, "is needed with `by: page`"),
        (
            {"type": "http_api", "url": URL, "pagination": {"by": "cursor", "parameter": "c"}},
            "is needed with `by: cursor`",
        ),
        ({"type": "http_api", "url": URL, "auth_header": "X: y"}, "name of a header"),
        ({"type": "http_api", "url": URL, "text": ["a", "a"]}, "names a field twice"),
        (
            {"type": "http_api", "url": URL, "metadata": {"a": 1}, "metadata_fields": ["a"]},
            "has a fixed value",
        ),
        ({"type": "http_api", "url": "http://x.example/", "auth_env": "KEY"}, "must begin with https://"),
    ],
)
def test_a_mistake_says_what_is_wrong(tmp_path: Path, source: dict[str, Any], said: str) -> None:
    assert said in mistake(tmp_path, **source)


def test_a_secret_in_a_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    said = mistake(tmp_path, type="crawl", url="https://anna:hunter2@docs.example/")
    assert "holds a login or a key" in said
    assert "hunter2" not in said


def test_a_secret_may_go_over_http_to_a_host_that_is_allowed(tmp_path: Path) -> None:
    source = {"type": "http_api", "url": "http://127.0.0.1:8000/x", "auth_env": "KEY"}
    assert loaded(tmp_path, {**source, "allow_hosts": ["127.0.0.1:8000"]})
    assert "must begin with https://" in mistake(tmp_path, **source, allow_hosts=["other.example"])
