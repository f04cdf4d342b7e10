"""What the sections of all remote providers have in common: keys, addresses, hosts and limits."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from ragctl.spec.mistakes import looks_secret, shown
from ragctl.spec.names import ENVIRONMENT_VARIABLE, WHAT_FITS
from ragctl.spec.section import Section, wrong

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*", re.I)
_LONGEST_WORD = 20
_FEWEST_DIGITS = 4
_SCHEMES_OWN_PORTS = (80, 443)


def _name_of_a_variable(value: str) -> str:
    """Refuses what has the shape of a name and is a key: providers have keys of one case and digits."""
    for word in value.split("_"):
        digits = sum(character.isdigit() for character in word)
        if len(word) > _LONGEST_WORD and digits >= _FEWEST_DIGITS:
            raise wrong(("", f"must be {WHAT_FITS[ENVIRONMENT_VARIABLE]} (the value is not shown here)"))
    return value


def _url(value: str) -> str:
    if looks_secret(value) or "@" in value or "?" in value or "#" in value:
        text = "must hold no login and no key, and a spec may be read by anybody; write it without @, ? and #"
        raise wrong(("", text))
    try:
        found = urlsplit(value)
        port_fits = found.port is None or found.port > 0
    except ValueError:
        port_fits = False
    if not port_fits or found.scheme not in ("http", "https") or not _is_host(found.hostname or ""):
        raise wrong(("", "must be a URL such as 'http://localhost:8000/v1' or 'https://host.example/v1'"))
    if re.search(r"\s", value):
        raise wrong(("", "must hold no space"))
    return value


def _host(value: str) -> str:
    """A host as `endpoint` names one: without a scheme, with a port only where it is not the scheme's."""
    if looks_secret(value) or "@" in value:
        raise wrong(("", "must be the name of a host alone, without a login"))
    if "/" in value or "*" in value:
        text = f"must be a host's name, such as 'models.example' or 'models.example:8443', not {shown(value)}"
        raise wrong(("", text))
    name, port = _divided(value)
    if not _is_host(name) or (port is not None and not 0 < port < 65536):
        raise wrong(("", f"must be the name of a host, not {shown(value)}"))
    if port in _SCHEMES_OWN_PORTS:
        raise wrong(("", "names a port that http or https has of itself; write the host without it"))
    return value.lower()


def _divided(value: str) -> tuple[str, int | None]:
    """Name and port of `host`, `host:8000`, `::1`, `[::1]` and `[::1]:8000`; port 0 if it is no number."""
    if found := re.fullmatch(r"\[([^\]]*)\](?::(\d{1,6}))?", value):
        return found[1], int(found[2]) if found[2] else None
    if value.count(":") != 1:
        return value, None
    name, _, port = value.partition(":")
    return name, int(port) if re.fullmatch(r"\d{1,6}", port) else 0


def _is_host(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return len(name) <= 253 and _HOST.fullmatch(name) is not None
    return True


KeyVariable = Annotated[str, Field(pattern=ENVIRONMENT_VARIABLE), AfterValidator(_name_of_a_variable)]
Url = Annotated[str, Field(max_length=500), AfterValidator(_url)]
Host = Annotated[str, Field(max_length=300), AfterValidator(_host)]
Usd = Annotated[float, Field(ge=0, le=1_000_000)]


class ServerLimits(Section):
    """How a server is asked: none of it changes what it answers."""

    timeout_seconds: float = Field(
        default=60.0, ge=1, le=3600, description="Seconds that one request may take before it is given up."
    )
    retries: int = Field(
        default=6,
        ge=0,
        le=20,
        description="How often a request is repeated when the server is busy, fails or cannot be reached.",
    )
    max_in_flight: int = Field(
        default=8, ge=1, le=256, description="The most requests that are under way at once."
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="The most requests a minute, over all of a run's workers; as many as go if left out.",
    )
    tokens_per_minute: int | None = Field(
        default=None, ge=1, le=10**12, description="The most tokens a minute, likewise."
    )


OPENAI_KEY = "OPENAI_API_KEY"
_OPENAI_HOST = "openai.com"


def with_openai_key(data: Any) -> Any:
    """A server that is not OpenAI's is not sent OpenAI's key, unless the spec says so.

    Args:
        data: a section's keys and values, before validation.
    """
    if not isinstance(data, dict) or "api_key_env" in data:
        return data
    url = data.get("base_url")
    if isinstance(url, str) and not _is_openai(url):
        return {**data, "api_key_env": None}
    return data


def _is_openai(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host == _OPENAI_HOST or host.endswith(f".{_OPENAI_HOST}")


OPENAI_KEY_DESCRIPTION = (
    "Name of the environment variable that holds the key. `null` for a server that needs none."
)
OPENAI_KEY_DEFAULT = "`OPENAI_API_KEY`; none with a `base_url` that is not OpenAI's own"
OPENAI_URL_DESCRIPTION = (
    "Another server that speaks OpenAI's API: vLLM, Ollama, llama.cpp, Azure; with its path, such as "
    "`http://localhost:8000/v1`."
)
