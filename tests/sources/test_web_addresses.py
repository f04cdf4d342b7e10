"""Which addresses are asked, and what URLs come to; hostile ones in every disguise."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpcore
import pytest
from sources.web_site import WebSite, web_site

from ragctl.sources.addresses import AddressGuard, RefusedAddress, web_address, why_refused
from ragctl.sources.polite_client import FetchFailed, Limits, PoliteClient

PUBLIC = "93.184.215.14"


@pytest.fixture
def secret() -> Iterator[WebSite]:
    """A server that nobody is to reach."""
    with web_site() as site:
        site.page("/", "secret")
        site.page("/secret", "secret")
        yield site


@pytest.fixture
def open_site() -> Iterator[WebSite]:
    """A server that the spec allows, as if it were on the internet."""
    with web_site() as site:
        yield site


def client(*allow: str, resolve: object = None) -> PoliteClient:
    guard = AddressGuard(allow, resolve=resolve)  # type: ignore[arg-type]
    return PoliteClient(guard, Limits(retries=0, timeout_seconds=5.0, delay_seconds=0.0))


NUMBERS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7F.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0.1.",
    "127.255.255.254",
    "0.0.0.0",
    "0",
    "00000.0",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2002:7f00:0001::1]",
    "[2001:0:7f00:1::]",
    "[fe80::5efe:7f00:1]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[64:ff9b:1::1]",
    "[100::1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost.localdomain",
    "lo\u24d2alhost",
    "\uff4cocalhost",
    "\u2460\u2461\u2466.0.0.1",
    "127\u30020\u30020\u30021",
    "\uff11\uff12\uff17.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9",
]
SHAPES = [
    "http://{host}:{port}/secret",
    "http://{host}:{port}/secret#https://docs.example/",
    "HTTP://{host}:{port}/secret?x=docs.example",
]
MALFORMED = [
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:{port}/_GET",
    "dict://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "//127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http://docs.example@127.0.0.1:{port}/",
    "http://docs.example:80@127.0.0.1:{port}/",
    "http://user:pass@docs.example@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@docs.example/",
    "http://docs.example\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\t/secret",
    "http://127.0.0.1:{port}\r\nHost: x/",
    "http://127.0.0.1%00.docs.example:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1 :{port}/",
    "http://[::1:{port}/",
    "http://[127.0.0.1]:{port}/",
    "http://:{port}/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
    "javascript:alert(1)",
    "data:text/html,x",
    "http://" + "a" * 9000,
]


def hostile(port: int) -> list[str]:
    plain = [shape.format(host=host, port=port) for shape, host in itertools.product(SHAPES, NUMBERS)]
    return plain + [text.replace("{port}", str(port)) for text in MALFORMED]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address that a connection was tried to, whether or not somebody listens there."""
    tried: list[str] = []
    plain = httpcore.SyncBackend.connect_tcp

    def connect_tcp(self: httpcore.SyncBackend, host: str, *rest: Any) -> httpcore.NetworkStream:
        tried.append(host)
        return plain(self, host, *rest)

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect_tcp)
    return tried


def test_no_hostile_url_reaches_a_server_on_loopback(secret: WebSite, connected: list[str]) -> None:
    urls = hostile(secret.port)
    assert len(urls) >= 200
    asking = client()
    for url in urls:
        with pytest.raises((RefusedAddress, FetchFailed)) as refused:
            asking.get(web_address(url), io.BytesIO())
        if isinstance(refused.value, FetchFailed):
            assert refused.value.why in ("refused", "unreachable", "down")
    assert secret.connections == 0
    assert connected == []


def test_the_same_server_is_reached_where_it_is_allowed(secret: WebSite) -> None:
    body = io.BytesIO()
    client(secret.authority).get(web_address(secret.url("/secret")), body)
    assert body.getvalue() == b"secret"
    assert secret.connections == 1


def test_no_redirect_reaches_a_server_that_is_not_allowed(
    secret: WebSite, open_site: WebSite, connected: list[str]
) -> None:
    urls = hostile(secret.port)
    for number, url in enumerate(urls):
        open_site.redirect(f"/{number}", url.encode("utf-8").decode("latin-1").replace("\r\n", "%0D%0A"))
    asking = client(open_site.authority)
    for number in range(len(urls)):
        try:
            answer = asking.get(web_address(open_site.url(f"/{number}")), io.BytesIO())
        except (FetchFailed, RefusedAddress):
            continue
        assert answer.address.authority == open_site.authority
    assert sum(open_site.asked.values()) >= len(urls)
    assert secret.connections == 0
    assert set(connected) == {"127.0.0.1"}  # the site that is allowed


def test_a_name_that_leads_to_a_private_address_is_refused(secret: WebSite) -> None:
    for address in ("127.0.0.1", "10.0.0.1", "::1", "169.254.169.254", "fe80::1%eth0"):
        asking = client(resolve=lambda host, port, address=address: [PUBLIC, address])
        with pytest.raises(FetchFailed, match=r"docs\.example leads to .*allow_hosts"):
            asking.get(web_address(f"http://docs.example:{secret.port}/secret"), io.BytesIO())
    assert secret.connections == 0


def test_the_address_that_was_judged_is_the_one_that_is_connected_to(secret: WebSite) -> None:
    """A name server that says another thing each time: the answer is used, and not asked for again."""
    answers = iter(["127.0.0.1", "169.254.169.254"])
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return [next(answers)]

    asking = client(f"docs.example:{secret.port}", resolve=rebinding)
    body = io.BytesIO()
    asking.get(web_address(f"http://docs.example:{secret.port}/secret"), body)
    assert body.getvalue() == b"secret"
    assert asked == ["docs.example"]
    assert secret.seen_headers["/secret"]["host"] == f"docs.example:{secret.port}"


def test_an_allowed_name_is_not_led_to_a_metadata_service() -> None:
    guard = AddressGuard(["intranet.example"], resolve=lambda host, port: ["169.254.169.254"])
    with pytest.raises(RefusedAddress, match="link-local"):
        guard.addresses("intranet.example", 80)
    named = AddressGuard(["169.254.169.254"])
    assert named.addresses("169.254.169.254", 80) == ["169.254.169.254"]


def test_allowing_a_port_allows_no_other() -> None:
    guard = AddressGuard(["127.0.0.1:8000", "[::1]:9000"])
    assert guard.addresses("127.0.0.1", 8000) == ["127.0.0.1"]
    assert guard.addresses("::1", 9000) == ["::1"]
    for host, port in (("127.0.0.1", 8001), ("::1", 8000)):
        with pytest.raises(RefusedAddress):
            guard.addresses(host, port)


@pytest.mark.parametrize("text", [PUBLIC, "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses_are_asked(text: str) -> None:
    from ipaddress import ip_address

    assert why_refused(ip_address(text)) is None


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("HTTPS://Docs.Example:443/a/../b/./c#top", "https://docs.example/b/c"),
        ("http://docs.example", "http://docs.example/"),
        (
            "http://docs.example:8080/\u00fc?q=\u00e4 b".replace(" ", "%20"),
            "http://docs.example:8080/%C3%BC?q=%C3%A4%20b",
        ),
        ("http://docs.example/%7euser/%e4", "http://docs.example/%7Euser/%E4"),
        ("http://docs.example/100%", "http://docs.example/100%25"),
        ("http://b\u00fccher.example/", "http://xn--bcher-kva.example/"),
        ("http://docs.example./x", "http://docs.example/x"),
        ("http://[2606:4700:0::1111]/", "http://[2606:4700::1111]/"),
        ("http://docs.example/../../x/", "http://docs.example/x/"),
    ],
)
def test_a_url_has_one_normal_form(text: str, normal: str) -> None:
    assert str(web_address(text)) == normal
    assert str(web_address(normal)) == normal


def test_links_are_relative_to_their_page() -> None:
    base = web_address("https://docs.example/guide/intro.html?x=1")
    assert str(web_address("../api/", base=base)) == "https://docs.example/api/"
    assert str(web_address("?y=2", base=base)) == "https://docs.example/guide/intro.html?y=2"
    assert str(web_address("//cdn.example/a b", base=base)) == "https://cdn.example/a%20b"
    assert str(web_address("#top", base=base)) == str(base)


def test_an_entry_that_is_no_host_is_a_mistake_of_the_spec(tmp_path: Path) -> None:
    with pytest.raises(RefusedAddress) as refused:
        AddressGuard(["127.1"])
    assert refused.value.exit_code == 2
