"""Which text is sensitive, and where sensitive text may go. docs/choosing-an-embedder.md has it as tables."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import Literal

Place = Literal["process", "loopback", "allowed", "other"]
"""Where a model reads: in this process, on this machine, on a host that the spec allows, elsewhere."""

_PORT = re.compile(r"(.*):\d{1,5}", re.DOTALL)


def is_sensitive(
    *,
    spec: bool = False,
    source: str | None = None,
    document: str | None = None,
    question: str | None = None,
) -> bool:
    """Any level that says so makes text sensitive; none can loosen what another one says.

    Args:
        spec: `selection_criteria.privacy_sensitive`.
        source: `sensitivity` of the source that the text is from; None if it says nothing.
        document: the same of the document.
        question: of the question, where that is the text or where it was asked.

    A level that says neither nothing nor `public` counts as sensitive: whoever wrote `confidential` or
    `Sensitive` did not mean public.
    """
    return spec or any(level not in (None, "public") for level in (source, document, question))


def place_of(endpoint: str | None, allowed_hosts: Collection[str] = ()) -> Place:
    """Where text goes that is sent to a model.

    Args:
        endpoint: `Embedder.endpoint` and the like: a host, with a port that is not the scheme's own; None
            for a model in this process. What is not the literal `localhost` or an address of the loopback
            network counts as another host: a name may lead anywhere.
        allowed_hosts: `selection_criteria.allowed_hosts`; one without a port stands for every port.
    """
    if endpoint is None:
        return "process"
    host = _without_port(endpoint)
    if _is_loopback(host):
        return "loopback"
    for entry in allowed_hosts:
        named = _without_port(entry)
        if named == host and (_bare(entry) == named or _bare(entry) == _bare(endpoint)):
            return "allowed"
    return "other"


def may_be_sent(*, sensitive: bool, endpoint: str | None, allowed_hosts: Collection[str] = ()) -> bool:
    """May text go to a model at `endpoint`? Sensitive text goes to no host but those that are allowed."""
    return not sensitive or place_of(endpoint, allowed_hosts) != "other"


def _without_port(endpoint: str) -> str:
    """The host alone, in lower case, an IPv6 address without its brackets."""
    text = _bare(endpoint)
    if text.startswith("["):
        return text[1:].partition("]")[0]
    found = _PORT.fullmatch(text) if text.count(":") == 1 else None
    return (found[1] if found else text).removesuffix(".")


def _bare(endpoint: str) -> str:
    """In lower case; an IPv6 address that stands alone without its brackets."""
    text = endpoint.lower()
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text.removesuffix(".")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
