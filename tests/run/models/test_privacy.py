"""Sensitive text and where it may go: a real run for each cell of the tables.

The outside host is a name that leads to a stand-in on loopback, where text may go; where it may not, the
name must not even be looked up.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from model_server import ModelServer
from workspace import Called, Workspace

OUTSIDE = "models.example"
TEXT = "# Opening hours\n\nThe office is open from nine to five.\n"
PLACES = ("loopback", "allowed", "other")


class Names:
    """Which names were looked up; the outside one leads to loopback."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looked_up: list[str] = []
        resolve = socket.getaddrinfo

        def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            self.looked_up.append(name)
            if name == OUTSIDE:
                return resolve("127.0.0.1", *arguments, **options)
            assert name in ("127.0.0.1", "localhost", None), f"{name} was looked up"
            return resolve(host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def server(names: Names) -> Iterator[ModelServer]:
    with ModelServer() as made:
        yield made


def base_url(server: ModelServer, place: str) -> str:
    return server.url if place == "loopback" else server.url.replace("127.0.0.1", OUTSIDE)


def embedder(server: ModelServer, place: str) -> dict[str, Any]:
    return {
        "provider": "openai",
        "model": "text-embedding-3-small",
        "base_url": f"{base_url(server, place)}/v1",
        "usd_per_million_tokens": 0,
        "retries": 0,
    }


def criteria(place: str, *, sensitive: bool) -> dict[str, Any]:
    allowed = [OUTSIDE] if place == "allowed" else []
    return {"selection_criteria": {"privacy_sensitive": sensitive, "allowed_hosts": allowed}}


def write_spec(
    workspace: Workspace, *, embed: dict[str, Any], source: str | None = None, **sections: Any
) -> None:
    labelled = {"type": "directory", "path": workspace.name, "name": "docs", "sensitivity": source}
    workspace.spec(embed=embed, **{"sources": [labelled], **sections})


def label(level: str | None) -> str:
    return TEXT if level is None else f"---\nsensitivity: {level}\n---\n{TEXT}"


def sent(server: ModelServer) -> int:
    return len(server.requests)


def assert_refused(called: Called, server: ModelServer, names: Names, what: str) -> None:
    assert called.code == 4, called.err
    error = called.json["error"]
    assert error["kind"] == "privacy"
    assert what in error["message"]
    assert OUTSIDE in error["message"]
    assert "allowed_hosts" in error["hint"]
    assert sent(server) == 0
    assert OUTSIDE not in names.looked_up


# Documents: (spec, source, document) → is its text sensitive?
LEVELS = [
    (False, None, None, False),
    (False, "public", "public", False),
    (True, None, None, True),
    (True, "public", "public", True),
    (False, "sensitive", None, True),
    (False, "sensitive", "public", True),
    (False, None, "sensitive", True),
    (False, "public", "sensitive", True),
    (False, None, "confidential", True),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("spec", "source", "document", "sensitive"), LEVELS)
def test_a_document_goes_where_its_labels_let_it(
    workspace: Workspace,
    server: ModelServer,
    names: Names,
    place: str,
    spec: bool,
    source: str | None,
    document: str | None,
    sensitive: bool,
) -> None:
    workspace.write("hours.md", label(document))
    embed = {**embedder(server, place), **criteria(place, sensitive=spec)}
    write_spec(workspace, embed=embed, source=source)
    called = workspace.call("ingest", "--format", "json")
    if sensitive and place == "other":
        what = "text of this spec" if spec else "source 'docs'" if source == "sensitive" else "docs:hours.md"
        assert_refused(called, server, names, what)
    else:
        assert called.code == 0, called.err
        assert sent(server) == 1


@pytest.mark.parametrize(("spec", "source", "document"), [(True, None, None), (False, "sensitive", None)])
def test_in_this_process_everything_may_be_read(
    workspace: Workspace, names: Names, spec: bool, source: str | None, document: str | None
) -> None:
    workspace.write("hours.md", label("sensitive"))
    write_spec(workspace, embed={"provider": "local", **criteria("other", sensitive=spec)}, source=source)
    workspace.ingest()
    answer = workspace.call("ask", "when is it open", "--sensitive", "--format", "json")
    assert (answer.code, names.looked_up) == (0, [])


def test_nothing_is_read_where_all_of_it_is_sensitive(workspace: Workspace, server: ModelServer) -> None:
    workspace.write("broken.html", "<html><body></body></html>")
    write_spec(workspace, embed={**embedder(server, "other"), **criteria("other", sensitive=True)})
    for command in ("plan", "ingest"):
        refused = workspace.call(command, "--format", "json")
        assert (refused.code, refused.json["error"]["kind"]) == (4, "privacy"), command
    assert workspace.call("runs", "--format", "json").json["runs"] == [], "no run was begun"


def test_one_sensitive_document_stops_those_that_would_go_with_it(
    workspace: Workspace, server: ModelServer, names: Names
) -> None:
    workspace.write("a.md", "# Public\n\nNothing special.\n")
    workspace.write("b.md", label("sensitive"))
    write_spec(workspace, embed=embedder(server, "other"))
    assert_refused(workspace.call("ingest", "--format", "json"), server, names, "docs:b.md")


def test_vectors_that_are_known_send_nothing(workspace: Workspace, server: ModelServer) -> None:
    workspace.write("hours.md", TEXT)
    write_spec(workspace, embed=embedder(server, "other"))
    workspace.ingest()
    asked = sent(server)
    workspace.write("hours.md", label("sensitive"))
    counts = workspace.ingest()["counts"]
    assert (counts["changed"], counts["embedded"], sent(server)) == (1, 0, asked)


# Questions: spec and whoever asks.


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("spec", "asked"), [(False, False), (True, False), (False, True), (True, True)])
def test_a_question_goes_where_it_may(
    workspace: Workspace, server: ModelServer, names: Names, place: str, spec: bool, asked: bool
) -> None:
    workspace.write("hours.md", TEXT)
    write_spec(workspace, embed=embedder(server, place))
    workspace.ingest()
    write_spec(workspace, embed={**embedder(server, place), **criteria(place, sensitive=spec)})
    server.requests.clear()
    names.looked_up.clear()
    options = ["--sensitive"] if asked else []
    called = workspace.call("ask", "when is it open", "--format", "json", *options)
    if (spec or asked) and place == "other":
        assert_refused(called, server, names, "the question")
        # Words are compared on this machine.
        lexical = workspace.call("ask", "open", "--set", "ask.query.mode=lexical", "--sensitive")
        assert (lexical.code, sent(server)) == (0, 0)
    else:
        assert (called.code, sent(server)) == (0, 1), called.err


# Passages, which a reranker reads together with the question.


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("level", [None, "spec", "source", "document", "question"])
def test_passages_go_to_a_reranker_that_may_read_them(
    workspace: Workspace, server: ModelServer, names: Names, place: str, level: str | None
) -> None:
    workspace.write("hours.md", label("sensitive" if level == "document" else None))
    rank = {
        "provider": "cohere",
        "base_url": base_url(server, place),
        "api_key_env": None,
        "retries": 0,
    }
    write_spec(
        workspace,
        embed={"provider": "local", **criteria(place, sensitive=level == "spec")},
        source="sensitive" if level == "source" else None,
        ask={"rank": rank},
    )
    workspace.ingest()
    options = ["--sensitive"] if level == "question" else []
    called = workspace.call("ask", "when is it open", "--format", "json", *options)
    if level is not None and place == "other":
        what = "the question" if level in ("spec", "question") else "docs:hours.md"
        assert_refused(called, server, names, what)
    else:
        assert (called.code, sent(server)) == (0, 1), called.err
