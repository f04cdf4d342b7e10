"""Web addresses that may be asked: what a URL comes to, and which IP addresses are none of its business.

A URL in a spec, a sitemap, a link or a redirect may have been written by anybody, and whoever runs ragctl
can often reach what they cannot: a cloud's metadata service, a database on loopback, a printer. So only
addresses of the public internet are asked, unless the spec names the host under `allow_hosts`. What is
judged is the address that is then connected to, so that neither the way a URL is written nor a name
server that answers differently the second time makes a difference.

Ranges: the IANA special-purpose address registries (RFC 6890 and its successors), with the metadata
services that clouds have outside them.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote, urljoin, urlsplit

from ragctl.errors import UsageError

IPAddress = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Iterable[str]]
"""A host's name and a port → its IP addresses; OSError if it has none."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_URL = 8000
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")

_PRIVATE_V4 = [
    (ip_network(network), why)
    for network, why in (
        ("10.0.0.0/8", "a private address"),
        ("172.16.0.0/12", "a private address"),
        ("192.168.0.0/16", "a private address"),
        ("127.0.0.0/8", "a loopback address"),
        ("100.64.0.0/10", "an address of a carrier's own network"),
        ("192.0.0.0/24", "an address for protocols alone"),
        ("192.0.2.0/24", "an address for documentation"),
        ("192.88.99.0/24", "an address of a 6to4 relay"),
        ("198.18.0.0/15", "an address for benchmarks"),
        ("198.51.100.0/24", "an address for documentation"),
        ("203.0.113.0/24", "an address for documentation"),
    )
]
_NEVER_V4 = [
    (ip_network(network), why)
    for network, why in (
        ("100.100.100.200/32", "the address of a metadata service"),
        ("168.63.129.16/32", "the address of a metadata service"),
        ("192.0.0.192/32", "the address of a metadata service"),
        ("169.254.0.0/16", "a link-local address, as metadata services have them"),
        ("0.0.0.0/8", "an unspecified address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
    )
]
"""Refused even for a host that the spec allows, unless it names this very address."""

_NEVER_V6 = [
    (ip_network(network), why)
    for network, why in (
        ("fd00:ec2::/32", "the address of a metadata service"),
        ("fd20:ce::/32", "the address of a metadata service"),
        ("fe80::/10", "a link-local address"),
        ("ff00::/8", "a multicast address"),
        ("::/128", "an unspecified address"),
    )
]
_PUBLIC_V6 = ip_network("2000::/3")
_PRIVATE_IN_PUBLIC_V6 = [
    (ip_network(network), why)
    for network, why in (
        ("2001::/23", "an address for protocols alone"),
        ("2001:db8::/32", "an address for documentation"),
        ("2002::/16", "an address that embeds another one (6to4)"),
        ("3fff::/20", "an address for documentation"),
    )
]
_NAT64 = ip_network("64:ff9b::/96")


class RefusedAddress(UsageError):
    """It is not asked; the message says why, and repeats no login."""

    kind = "refused_address"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A URL in its normal form, without fragment.

    Attributes:
        scheme: `http` or `https`.
        host: a name in ASCII and small letters, or an IP address without brackets.
        port: 1 to 65,535.
        target: path and query, in ASCII; begins with `/`.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host, and the port if it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def path(self) -> str:
        """Without the query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def web_address(text: str, *, base: WebAddress | None = None) -> WebAddress:
    """What a URL, or with `base` a link, comes to.

    Raises:
        RefusedAddress: it is none that is ever asked: another scheme, a login, a host that is no name.
    """
    text = text.strip()
    if len(text) > _LONGEST_URL:
        raise RefusedAddress(f"a URL of more than {_LONGEST_URL:,} characters")
    if base is None and _UNSAFE.search(text):
        raise RefusedAddress("it holds white space, a control character or a \\")
    try:
        parts = urlsplit(urljoin(str(base), text) if base is not None else text)
        port = parts.port
    except ValueError as error:
        raise RefusedAddress(f"it is no URL: {error}") from None
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise RefusedAddress("only http:// and https:// URLs are asked")
    _check_authority(parts.netloc, port)
    target = _quoted(parts.path) or "/"
    if not target.startswith("/"):
        target = f"/{target}"
    if base is None or "." in target:  # urljoin leaves the dots of a whole URL as they are
        target = _without_dots(target)
    if parts.query:
        target += f"?{_quoted(parts.query)}"
    return WebAddress(scheme, _host(parts.hostname or ""), port or _DEFAULT_PORTS[scheme], target)


def _check_authority(authority: str, port: int | None) -> None:
    if "@" in authority:
        raise RefusedAddress("it holds a login; a URL must not")
    if _UNSAFE.search(authority):
        raise RefusedAddress("its host holds white space, a control character or a \\")
    if port == 0:
        raise RefusedAddress("its port is 0")


def _quoted(text: str) -> str:
    """In ASCII; what is quoted stays so, in capital letters."""
    out = quote(text, safe="%/:?#[]@!$&'()*+,;=~", encoding="utf-8", errors="replace")
    return re.sub(
        r"%(?![0-9A-Fa-f]{2})", "%25", re.sub(r"%[0-9a-f]{2}", lambda hit: hit[0].upper(), out, flags=re.I)
    )


def _without_dots(path: str) -> str:
    out: list[str] = []
    parts = path.split("/")[1:]
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        if part == "..":
            if out:
                out.pop()
        elif part != ".":
            out.append(part)
            continue
        if last:
            out.append("")
    return "/" + "/".join(out)


def _host(text: str) -> str:
    """A host's normal form."""
    if "%" in text:
        raise RefusedAddress("its host holds a %")
    if ":" in text:
        try:
            return str(IPv6Address(text))
        except ValueError:
            raise RefusedAddress("its host is no IPv6 address") from None
    try:
        host = text.encode("idna").decode("ascii").lower() if not text.isascii() else text.lower()
    except UnicodeError:
        raise RefusedAddress("its host is no name") from None
    host = host.removesuffix(".")
    if not host:
        raise RefusedAddress("it has no host")
    if len(host) > 253 or not _HOST.fullmatch(host) or ".." in host:
        raise RefusedAddress("its host is no name")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return _ipv4(host)
    return host


def _ipv4(host: str) -> str:
    """Four decimal numbers. Resolvers also take octal, hexadecimal and shorter forms; nobody means these."""
    try:
        return str(IPv4Address(host))
    except ValueError:
        raise RefusedAddress("its host is a number in a form that hides which address it is") from None


def why_refused(address: IPAddress) -> str | None:
    """Why this address is no public one; None if it is."""
    return why_never(address) or _why_private(address)


def why_never(address: IPAddress) -> str | None:
    """Why not even an allowed host may have this address; None if it may."""
    if isinstance(address, IPv4Address):
        return next((why for network, why in _NEVER_V4 if address in network), None)
    for network, why in _NEVER_V6:
        if address in network:
            return why
    return next(filter(None, map(why_never, _embedded(address))), None)


def _why_private(address: IPAddress) -> str | None:
    if isinstance(address, IPv4Address):
        return next((why for network, why in _PRIVATE_V4 if address in network), None)
    for network, why in _PRIVATE_IN_PUBLIC_V6:
        if address in network:
            return why
    inner = _embedded(address)
    for one in inner:
        if why_inner := _why_private(one):
            return f"an address that embeds {why_inner}"
    if address in _PUBLIC_V6 or address in _NAT64 or address.ipv4_mapped is not None:
        return None
    return "a loopback address" if address.is_loopback else "no public address"


def _embedded(address: IPv6Address) -> list[IPv4Address]:
    """IPv4 addresses that a router or the system may make of it: mapped, NAT64, 6to4, Teredo, ISATAP."""
    number = int(address)
    low = IPv4Address(number & 0xFFFFFFFF)
    found = []
    if address.ipv4_mapped is not None:
        found.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    isatap = (number >> 32) & 0xFFFFFFFF in (0x00005EFE, 0x02005EFE)
    compatible = number >> 32 == 0 and number > 1
    if address in _NAT64 or isatap or compatible:
        found.append(low)
    return found


def resolved(host: str, port: int) -> list[str]:
    """The system's answer, in its order, each address once.

    Raises:
        OSError: there is none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class AddressGuard:
    """Which addresses may be connected to.

    Args:
        allow_hosts: `host` or `host:port` of those that may have a private or loopback address. The name
            must be the URL's own, not one that it resolves to. Link-local addresses and metadata services
            are refused even so, unless an entry is that address itself.
        resolve: for tests; the system's resolver if None.

    Raises:
        RefusedAddress: an entry is no host.
    """

    def __init__(self, allow_hosts: Iterable[str] = (), *, resolve: Resolve | None = None) -> None:
        self._allowed = {_entry(text) for text in allow_hosts}
        self._resolve = resolve or resolved

    def allows(self, host: str, port: int) -> bool:
        """Does the spec name this host?"""
        return (host, None) in self._allowed or (host, port) in self._allowed

    def addresses(self, host: str, port: int) -> list[str]:
        """The IP addresses to connect to, at least one, all of them judged.

        Raises:
            RefusedAddress: one of them is not to be asked.
            OSError: the name has no address.
        """
        found = [ip_address(text.partition("%")[0]) for text in self._resolve(host, port)]
        if not found:
            raise OSError(f"{host} has no address")
        for address in found:
            if why := self._why(host, port, address):
                raise RefusedAddress(
                    f"{host} is {why}" if str(address) == host else f"{host} leads to {address}, {why}"
                )
        return [str(address) for address in found]

    def _why(self, host: str, port: int, address: IPAddress) -> str | None:
        if not self.allows(host, port):
            return why_refused(address)
        return None if self.allows(str(address), port) else why_never(address)


def _entry(text: str) -> tuple[str, int | None]:
    try:
        return _host(text), None  # an IPv6 address may stand without brackets
    except RefusedAddress:
        pass
    try:
        parts = urlsplit(f"//{text}")
        return _host(parts.hostname or ""), parts.port
    except ValueError:
        raise RefusedAddress(f"{text!r} is no host") from None
