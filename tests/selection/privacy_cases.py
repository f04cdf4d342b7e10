"""The precedence table of sensitivity, a row for every combination of what the four levels say.

docs/choosing-an-embedder.md shows these very rows, see `page.py`.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """What each level says (None: nothing), and whether the text is sensitive then."""

    spec: bool
    source: str | None
    document: str | None
    question: str | None
    sensitive: bool


_, P, S = None, "public", "sensitive"

ROWS = (
    # spec, source, document, question → sensitive
    Row(False, _, _, _, False),
    Row(False, _, _, S, True),
    Row(False, _, P, _, False),
    Row(False, _, P, S, True),
    Row(False, _, S, _, True),
    Row(False, _, S, S, True),
    Row(False, P, _, _, False),
    Row(False, P, _, S, True),
    Row(False, P, P, _, False),
    Row(False, P, P, S, True),
    Row(False, P, S, _, True),
    Row(False, P, S, S, True),
    Row(False, S, _, _, True),
    Row(False, S, _, S, True),
    Row(False, S, P, _, True),
    Row(False, S, P, S, True),
    Row(False, S, S, _, True),
    Row(False, S, S, S, True),
    Row(True, _, _, _, True),
    Row(True, _, _, S, True),
    Row(True, _, P, _, True),
    Row(True, _, P, S, True),
    Row(True, _, S, _, True),
    Row(True, _, S, S, True),
    Row(True, P, _, _, True),
    Row(True, P, _, S, True),
    Row(True, P, P, _, True),
    Row(True, P, P, S, True),
    Row(True, P, S, _, True),
    Row(True, P, S, S, True),
    Row(True, S, _, _, True),
    Row(True, S, _, S, True),
    Row(True, S, P, _, True),
    Row(True, S, P, S, True),
    Row(True, S, S, _, True),
    Row(True, S, S, S, True),
)

MAY_GO = {
    # sensitive? → this process, loopback, a host in allowed_hosts, any other host
    False: (True, True, True, True),
    True: (True, True, True, False),
}

ALLOWED_HOSTS = ("models.example", "other.example:8443")

PLACES = {
    # endpoint → where that is, with the allowed hosts above
    None: "process",
    "localhost": "loopback",
    "localhost:11434": "loopback",
    "LOCALHOST.:8000": "loopback",
    "127.0.0.1:8000": "loopback",
    "127.8.9.1": "loopback",
    "[::1]:8000": "loopback",
    "[::1]": "loopback",
    "::1": "loopback",
    "[::ffff:127.0.0.1]:8000": "loopback",
    "models.example": "allowed",
    "models.example:8000": "allowed",
    "Models.Example.": "allowed",
    "other.example:8443": "allowed",
    "other.example": "other",
    "other.example:9000": "other",
    "api.openai.com": "other",
    "localhost.example": "other",
    "app.localhost": "other",
    "127.0.0.1.example": "other",
    "127.1": "other",
    "0.0.0.0:8000": "other",
    "10.0.0.7:8000": "other",
    "[fe80::1]:8000": "other",
    "evil-models.example": "other",
    "models.example.evil.example": "other",
}
