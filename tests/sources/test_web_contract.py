"""Sources from the web keep the contract of `contracts.source`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from contracts.source import Place, SourceContract
from sources.web_site import WebSite, web_site

from ragctl.ports import Source
from ragctl.sources.http_api import HttpApiSource
from ragctl.sources.sitemap import SitemapSource
from ragctl.sources.url_list import UrlSource


@pytest.fixture
def site() -> Iterator[WebSite]:
    with web_site() as one:
        yield one


@dataclass
class _Pages:
    """Documents as pages, in the order in which they came."""

    site: WebSite
    folder: Path
    names: list[str] = field(default_factory=list)

    def put(self, **texts: str) -> None:
        for name, text in texts.items():
            self.site.page(f"/{name}", text, "text/plain")
            if name not in self.names:
                self.names.append(name)
        self.write()

    def remove(self, name: str) -> None:
        self.names.remove(name)
        del self.site.replies[f"/{name}"]
        self.write()

    def write(self) -> None:
        raise NotImplementedError


class _Listed(_Pages):
    """Their URLs stand in a file."""

    def source(self, name: str = "docs") -> Source:
        file, work = self.folder / "urls.txt", self.folder / ".ragctl"
        return UrlSource(
            name,
            work_directory=work,
            path=file,
            allow_hosts=[self.site.authority],
            delay_seconds=0,
            retries=0,
        )

    def destroy(self) -> None:
        (self.folder / "urls.txt").unlink()

    def write(self) -> None:
        text = "".join(f"{self.site.url(f'/{name}')}\n" for name in self.names)
        (self.folder / "urls.txt").write_text(text, encoding="utf-8")


class _Mapped(_Pages):
    """Their URLs stand in a sitemap without dates."""

    def source(self, name: str = "docs") -> Source:
        return SitemapSource(
            name,
            work_directory=self.folder / ".ragctl",
            url=self.site.url("/sitemap.xml"),
            allow_hosts=[self.site.authority],
            delay_seconds=0,
            retries=0,
        )

    def destroy(self) -> None:
        self.site.replies.clear()

    def write(self) -> None:
        urls = "".join(f"<url><loc>{self.site.url(f'/{name}')}</loc></url>" for name in self.names)
        self.site.page("/sitemap.xml", f"<urlset>{urls}</urlset>", "text/xml")


@dataclass
class _Records:
    """Documents as records of an API."""

    site: WebSite
    folder: Path
    texts: dict[str, str] = field(default_factory=dict)

    def source(self, name: str = "docs") -> Source:
        return HttpApiSource(
            name,
            work_directory=self.folder / ".ragctl",
            environment={},
            url=self.site.url("/records"),
            allow_hosts=[self.site.authority],
            retries=0,
        )

    def put(self, **texts: str) -> None:
        self.texts |= texts
        self._write()

    def remove(self, name: str) -> None:
        del self.texts[name]
        self._write()

    def destroy(self) -> None:
        self.site.replies.clear()

    def _write(self) -> None:
        records = [{"id": name, "text": text} for name, text in self.texts.items()]
        self.site.page("/records", json.dumps(records), "application/json")


class TestUrls(SourceContract):
    @pytest.fixture
    def place(self, site: WebSite, tmp_path: Path) -> Place:
        return _Listed(site, tmp_path)


class TestSitemap(SourceContract):
    @pytest.fixture
    def place(self, site: WebSite, tmp_path: Path) -> Place:
        return _Mapped(site, tmp_path)


class TestHttpApi(SourceContract):
    @pytest.fixture
    def place(self, site: WebSite, tmp_path: Path) -> Place:
        return _Records(site, tmp_path)
