"""Where a model runs, as far as a section of the spec says it: in this process, or at which host."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

IN_PROCESS = frozenset({"local", "huggingface"})
"""Providers that run a model in this process: they need no key, cost nothing and send nothing."""

OWN_HOSTS = {"openai": "api.openai.com", "cohere": "api.cohere.com"}
"""Provider → the host that is asked where the spec names no other."""

_OWN_PORTS = {"http": 80, "https": 443}


def endpoint_of(settings: Any) -> str | None:
    """Host that text is sent to, with a port that is not the scheme's own; None: it stays in this process.

    The model itself says the same (`Embedder.endpoint`), once it is made.
    """
    if settings.provider in IN_PROCESS:
        return None
    if not settings.base_url:
        return OWN_HOSTS[settings.provider]
    parts = urlsplit(settings.base_url)
    host = parts.hostname or ""
    named = f"[{host}]" if ":" in host else host
    return named if parts.port in (None, _OWN_PORTS.get(parts.scheme)) else f"{named}:{parts.port}"
