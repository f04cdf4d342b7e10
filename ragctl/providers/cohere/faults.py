"""What the exceptions of the `cohere` SDK say, in terms that all providers share."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ragctl.providers.remote.faults import Fault
from ragctl.providers.remote.retry_after import retry_after

if TYPE_CHECKING:
    from cohere.core.api_error import ApiError

_NEVER_SENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
)
"""Of the HTTP library: the request did not reach the server."""

_BLOCKED = 498
"""Cohere's own: it blocked the text; as other servers use it, the token (key) is invalid."""


def fault_of(error: Exception) -> Fault | None:
    """What an exception means; None if it is neither of the SDK nor of its HTTP library."""
    import httpx
    from cohere.core.api_error import ApiError

    if isinstance(error, ApiError):
        return _of_answer(error)
    if isinstance(error, httpx.HTTPError):
        return _without_answer(error)
    if isinstance(error, httpx.InvalidURL | UnicodeError):
        return Fault(400, f"{type(error).__name__}: {error}")
    return None


def _without_answer(error: Exception) -> Fault:
    import httpx

    name = type(error).__name__
    what = "no answer in time" if isinstance(error, httpx.TimeoutException) else "the connection failed"
    detail = str(error) if isinstance(error, httpx.ConnectError) else name
    return Fault(None, f"{what} ({detail})", maybe_done=name not in _NEVER_SENT)


def _of_answer(error: ApiError) -> Fault:
    status = error.status_code
    if status is None or 200 <= status < 300:
        # The SDK raises the same error where a good answer cannot be read.
        return Fault(None, "the server answered with something that is not JSON", maybe_done=True)
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    found = error.body.get("message") if isinstance(error.body, Mapping) else None
    # A body that is no JSON is a page of some proxy: of no use in a sentence.
    message = found if isinstance(found, str) else _phrase(status)
    if status == _BLOCKED:
        status = 422 if "blocked" in message.lower() else 401
    return Fault(
        status=status,
        message=message,
        retry_after=retry_after(headers),
        location=urlsplit(headers.get("location", "")).netloc.rpartition("@")[2],
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
