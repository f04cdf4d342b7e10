"""The `openai` SDK's client, told nothing by the environment, following no redirect, trying once."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from ragctl.providers.remote.access import checked_key
from ragctl.providers.remote.deadline import total_timeout
from ragctl.providers.remote.endpoint import checked_url, is_loopback

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI

BASE_URL = "https://api.openai.com/v1"
_CONNECT_SECONDS = 10.0
_NO_KEY = "none"
"""The SDK insists on one; it is not sent."""


def server_url(base_url: str | None) -> str:
    """Where requests go.

    Raises:
        UsageError: see `checked_url`.
    """
    return checked_url(base_url, BASE_URL)


def server_key(api_key: str | None, base_url: str | None) -> str | None:
    """The key that is sent; None for a server that needs none.

    Raises:
        UsageError: see `checked_key`.
    """
    return checked_key(api_key, base_url, vendor="OpenAI", variable="OPENAI_API_KEY")


def make_client(*, url: str, api_key: str | None, timeout: float, max_in_flight: int) -> OpenAI:
    """A client for the server at `url`; its connections are closed with it.

    Variables that the SDK reads (OPENAI_BASE_URL, OPENAI_ORG_ID, OPENAI_PROJECT_ID,
    OPENAI_CUSTOM_HEADERS) change nothing. A proxy from the environment is used, but not for this machine.

    Args:
        timeout: seconds for a whole answer, and for each piece of a streamed one.
        max_in_flight: requests at once.
    """
    import httpx2
    import openai

    http_client = openai.DefaultHttpxClient(
        follow_redirects=False,
        trust_env=not is_loopback(url),
        timeout=openai.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=max_in_flight),
        event_hooks={
            "request": [] if api_key else [_without_key],
            "response": [total_timeout(httpx2.SyncByteStream, httpx2.ReadTimeout, timeout)],
        },
    )
    client = openai.OpenAI(
        base_url=url,
        api_key=api_key or _NO_KEY,
        max_retries=0,  # retries are ours: within limits and budget, counted and shown
        timeout=http_client.timeout,
        http_client=http_client,
    )
    client.organization = client.project = None
    # No public way leads around the variable, see OPENAI_CUSTOM_HEADERS above.
    client._custom_headers = {}
    weakref.finalize(client, http_client.close)
    return client


def _without_key(request: httpx2.Request) -> None:
    request.headers.pop("Authorization", None)
