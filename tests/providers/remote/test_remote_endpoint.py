"""Addresses of servers: which are taken, what is shown of them, which are this machine."""

from __future__ import annotations

import pytest

from ragctl.errors import UsageError
from ragctl.providers.remote.endpoint import checked_url, host_of, is_loopback

DEFAULT = "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("given", "url", "host"),
    [
        (None, DEFAULT, "api.example.com"),
        ("https://Models.Example.COM:443/v1/", "https://Models.Example.COM:443/v1", "models.example.com"),
        ("http://10.0.0.7:8000/v1", "http://10.0.0.7:8000/v1", "10.0.0.7:8000"),
        ("http://[::1]:11434/v1", "http://[::1]:11434/v1", "[::1]:11434"),
        ("http://gpu:80", "http://gpu:80", "gpu"),
        ("https://gpu:80", "https://gpu:80", "gpu:80"),
    ],
)
def test_an_address_and_the_host_that_is_named(given: str | None, url: str, host: str) -> None:
    assert checked_url(given, DEFAULT) == url
    assert host_of(url) == host


@pytest.mark.parametrize(
    "given",
    [
        "",
        "api.example.com/v1",
        "ftp://example.com/v1",
        "file:///etc/passwd",
        "https:///v1",
        "https://user:hunter2@example.com/v1",
        "https://hunter2@example.com/v1",
        "https://example.com/v1?key=hunter2",
        "https://example.com/v1#part",
        "https://example.com:notaport/v1",
        "https://exa mple.com/v1",
        "https://[::1/v1",
    ],
)
def test_what_is_no_address_is_refused_and_not_quoted(given: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_url(given, DEFAULT)
    assert caught.value.where == "base_url"
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:11434/v1", True),
        ("http://LOCALHOST./v1", True),
        ("http://model.localhost/v1", True),
        ("http://127.8.9.1/v1", True),
        ("http://[::1]:8000/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://localhost.example.com/v1", False),
        ("http://10.0.0.1/v1", False),
        ("http://0.0.0.0/v1", False),
    ],
)
def test_which_addresses_are_this_machine(url: str, here: bool) -> None:
    assert is_loopback(url) is here
