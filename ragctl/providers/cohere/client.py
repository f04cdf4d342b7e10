"""The `cohere` SDK's client, told nothing by the environment, following no redirect, trying once."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from ragctl.providers.remote.access import checked_key
from ragctl.providers.remote.deadline import total_timeout
from ragctl.providers.remote.endpoint import checked_url, is_loopback

if TYPE_CHECKING:
    import httpx
    from cohere import ClientV2

BASE_URL = "https://api.cohere.com"
_CONNECT_SECONDS = 10.0
_NO_KEY = "none"
"""The SDK insists on one; it is not sent."""


def server_url(base_url: str | None) -> str:
    """Where requests go: `/v2/embed` and `/v2/rerank` are put behind it.

    Raises:
        UsageError: see `checked_url`.
    """
    return checked_url(base_url, BASE_URL)


def server_key(api_key: str | None, base_url: str | None) -> str | None:
    """The key that is sent; None for a server that needs none.

    Raises:
        UsageError: see `checked_key`.
    """
    return checked_key(api_key, base_url, vendor="Cohere", variable="CO_API_KEY")


def make_client(*, url: str, api_key: str | None, timeout: float, max_in_flight: int) -> ClientV2:
    """A client for the server at `url`; its connections are closed with it.

    Variables that the SDK reads (CO_API_URL, CO_API_KEY) change nothing. A proxy from the environment is
    used, but not for this machine.

    Args:
        timeout: seconds for a whole answer.
        max_in_flight: requests at once.
    """
    import httpx
    from cohere import ClientV2

    http_client = httpx.Client(
        follow_redirects=False,
        trust_env=not is_loopback(url),
        timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=max_in_flight),
        event_hooks={
            "request": [] if api_key else [_without_key],
            "response": [total_timeout(httpx.SyncByteStream, httpx.ReadTimeout, timeout)],
        },
    )
    client = ClientV2(
        base_url=url,
        api_key=api_key or _NO_KEY,
        max_retries=0,  # retries are ours: within limits and budget, counted and shown
        httpx_client=http_client,
        log_warning_experimental_features=False,
    )
    weakref.finalize(client, http_client.close)
    return client


def _without_key(request: httpx.Request) -> None:
    request.headers.pop("Authorization", None)
