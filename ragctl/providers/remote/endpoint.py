"""Where text is sent: the address of a server, checked before anything goes there."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from ragctl.errors import UsageError

_OWN_PORTS = {"http": 80, "https": 443}


def checked_url(base_url: str | None, default: str) -> str:
    """The address to use, without a slash at its end: `base_url`, or `default` if it is None.

    Environment variables have no say in it.

    Raises:
        UsageError: it is no http or https address, names no host, or holds a password or a query.
            The message does not quote it, as it might hold a secret.
    """
    url = default if base_url is None else base_url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _refused(f"is no address: {error}") from None
    if parts.scheme not in _OWN_PORTS:
        raise _refused("must begin with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise _refused("must not hold a user or a password", "give the key by api_key_env")
    if not host or port == 0:
        raise _refused("names no host")
    if parts.query or parts.fragment or any(character.isspace() for character in url):
        raise _refused("must end with its path: no query, no fragment, no white space")
    return url.rstrip("/")


def host_of(url: str) -> str:
    """The host of a checked address, in lower case, with the port if it is not the scheme's own."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    named = f"[{host}]" if ":" in host else host
    return named if parts.port in (None, _OWN_PORTS[parts.scheme]) else f"{named}:{parts.port}"


def is_loopback(url: str) -> bool:
    """Does the address name this machine? Such a request never goes through a proxy."""
    host = _host(urlsplit(url))
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").rstrip(".")


def _refused(what: str, hint: str | None = None) -> UsageError:
    return UsageError(f"the server's address {what}", where="base_url", hint=hint)
