"""configs/ask-astro.yaml on stand-ins: a site and an API on loopback, a repository on disk, a dump."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sources.git_commands import commit, git
from sources.web_site import WebSite

from workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
DOCS = "/docs/apache-airflow/stable"


@pytest.fixture
def site() -> Iterator[WebSite]:
    made = WebSite()
    yield made
    made.stop()


class AskAstro:
    """The ready spec, with its addresses turned to the stand-ins."""

    def __init__(self, workspace: Workspace, site: WebSite) -> None:
        self._workspace = workspace
        self._site = site
        self.repository = workspace.documents / "astro-cli"
        git("init", "--quiet", str(self.repository))
        workspace.write("astro-cli/README.md", "The command astro dev start runs a local deployment.")
        workspace.write("astro-cli/main.go", "package main")
        commit(self.repository)
        self.pages("Trigger rules decide when a task runs.", "A sensor waits for something to happen.")
        self.discussions(1, 2)
        spec = (ROOT / "configs" / "ask-astro.yaml").read_text(encoding="utf-8")
        dump = ROOT / "examples" / "records" / "questions.jsonl"
        workspace.spec_path.write_text(spec, encoding="utf-8")
        self._given = [
            f"sources.0.url={site.url('/sitemap.xml')}",
            f"sources.0.allow_hosts=[{site.authority}]",
            "sources.0.delay_seconds=0",
            f"sources.1.url={self.repository}",
            f"sources.2.path={dump}",
            f"sources.3.url={site.url('/issues')}",
            f"sources.3.allow_hosts=[{site.authority}]",
            f"name={workspace.name}",
            f"store.index={workspace.name}",
        ]

    def pages(self, *texts: str) -> None:
        entries = []
        for number, text in enumerate(texts):
            path = f"{DOCS}/{number}.html"
            self._site.page(path, f"<html><title>Page {number}</title><body><p>{text}</p></body></html>")
            entries.append(f"<url><loc>{self._site.url(path)}</loc></url>")
        entries.append(f"<url><loc>{self._site.url('/docs/apache-airflow/1.10/old.html')}</loc></url>")
        space = "http://www.sitemaps.org/schemas/sitemap/0.9"
        urls = "".join(entries)
        self._site.page("/sitemap.xml", f'<urlset xmlns="{space}">{urls}</urlset>', "application/xml")

    def discussions(self, *numbers: int) -> None:
        for key in [one for one in self._site.replies if one.startswith("/issues")]:
            del self._site.replies[key]
        records = [
            {
                "number": one,
                "title": f"Issue {one}",
                "body": f"Backfills of {one} days are slow.",
                "state": "open",
            }
            | {"updated_at": f"2026-01-{one:02}T00:00:00Z", "html_url": f"https://git.example/{one}"}
            for one in numbers
        ]
        self._site.page(
            "/issues?labels=kind%3Adocumentation&state=open&per_page=100",
            json.dumps(records[:1]),
            "application/json",
            Link=f'<{self._site.url("/issues?page=2")}>; rel="next"',
        )
        self._site.page("/issues?page=2", json.dumps(records[1:]), "application/json")

    def call(self, command: str, *arguments: str) -> Any:
        given = [f"--set={one}" for one in self._given]
        called = self._workspace.call(command, *arguments, *given, "--format", "json")
        assert called.code == 0, called.err
        return called.json


def test_four_kinds_of_source_in_one_index_week_after_week(
    workspace: Workspace, site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "a token")
    astro = AskAstro(workspace, site)
    dump = (ROOT / "examples" / "records" / "questions.jsonl").read_text(encoding="utf-8")
    records = len(dump.splitlines())
    first = astro.call("ingest")["counts"]
    assert (first["added"], first["failed"]) == (2 + 1 + records + 2, 0)
    assert site.seen_headers["/issues?page=2"]["authorization"] == "Bearer a token"
    hits = astro.call("ask", "How do I run a local deployment?")["hits"]
    assert hits[0]["document"] == "README.md"
    assert hits[0]["metadata"]["kind"] == "code"

    site.forget_counts()
    second = astro.call("ingest")["counts"]
    assert (second["unchanged"], second["embedded"]) == (first["added"], 0)
    assert not any(path.startswith(DOCS) for path in site.sent)

    astro.pages("Trigger rules decide when a task starts.", "A sensor waits for something to happen.")
    workspace.write("astro-cli/docs/new.md", "The command astro deploy sends code to a deployment.")
    commit(astro.repository)
    astro.discussions(1, 3)
    third = astro.call("ingest")["counts"]
    assert {key: third[key] for key in ("added", "changed", "deleted", "failed")} == {
        "added": 2,
        "changed": 1,
        "deleted": 1,
        "failed": 0,
    }
