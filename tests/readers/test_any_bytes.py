"""Whatever the bytes: a document that keeps its promises, or an error for people."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from readers.reading import read

from ragctl.errors import DocumentError

PATHS = ["a.txt", "a.md", "a.rst", "a.html", "README"]

FRAGMENTS = st.sampled_from(
    [
        "\n",
        "\r\n",
        " ",
        "\t",
        "\0",
        "\x0c",
        "\u2028",
        "\ufeff",
        "=" * 4,
        "-" * 3,
        "# ",
        ".. ",
        ".. _a:",
        "::",
        "```",
        "---\n",
        "a: b\n",
        "<!--",
        "-->",
        "<table>",
        "<tr>",
        "<td>",
        "</td>",
        "<ul>",
        "<li>",
        "</ul>",
        "<pre>",
        "</pre>",
        "<h1>",
        "</h1>",
        "<main>",
        "</main>",
        "<header>",
        "<br>",
        "<p>",
        "</table>",
        "<title>",
        "&#0;",
        "&#xD800;",
        "&amp;",
        "+--+",
        "|",
        "> ",
        "- ",
        "1. ",
        "word",
        "Wörter",
        "日本語",
        "😀",
        "e\u0301",
        "*",
        "`",
    ]
)


def survives(path: str, data: bytes) -> None:
    try:
        read(path, data)
    except DocumentError as error:
        assert error.message


@pytest.mark.parametrize("path", PATHS)
@given(data=st.binary(max_size=300))
@example(data=b"\xff\xfe\x00\xd8")
@example(data=b"<\x00")
@example(data=b"<!DOCTYPE")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_bytes(path: str, data: bytes) -> None:
    survives(path, data)


@pytest.mark.parametrize("path", PATHS)
@given(parts=st.lists(FRAGMENTS | st.text(max_size=5), max_size=40))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_markup(path: str, parts: list[str]) -> None:
    survives(path, "".join(parts).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("path", PATHS)
@given(text=st.text(max_size=100), encoding=st.sampled_from(["utf-16", "utf-32", "utf-8-sig", "cp1252"]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_text_in_other_encodings(path: str, text: str, encoding: str) -> None:
    survives(path, text.encode(encoding, "replace"))
