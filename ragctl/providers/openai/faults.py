"""What the exceptions of the `openai` SDK say, in terms that all providers share."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ragctl.providers.remote.faults import Fault
from ragctl.providers.remote.retry_after import retry_after

_NEVER_SENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
)
"""Of the HTTP library: the request did not reach the server."""


def fault_of(error: Exception) -> Fault | None:
    """What an exception means; None if it is neither of the SDK nor of its HTTP library."""
    import httpx2
    import openai

    if isinstance(error, openai.APIStatusError):
        return _of_status(error)
    if isinstance(error, openai.APITimeoutError):
        return _without_answer(error, "no answer in time")
    if isinstance(error, openai.APIConnectionError):
        return _without_answer(error, "the connection failed")
    if isinstance(error, openai.APIError):
        # An error within a stream: the answer had begun.
        return Fault(None, error.message or "the reply broke off with an error", maybe_done=True)
    if isinstance(error, httpx2.HTTPError):
        return Fault(None, f"the connection broke off: {type(error).__name__}", maybe_done=True)
    if isinstance(error, openai.OpenAIError | httpx2.InvalidURL | UnicodeError):
        return Fault(400, f"{type(error).__name__}: {error}")
    return None


def _without_answer(error: Exception, what: str) -> Fault:
    cause = error.__cause__
    name = type(cause).__name__ if cause is not None else ""
    detail = f" ({cause})" if name == "ConnectError" else f" ({name})" if name else ""
    return Fault(None, f"{what}{detail}", maybe_done=name not in _NEVER_SENT)


def _of_status(error: object) -> Fault:
    import openai

    assert isinstance(error, openai.APIStatusError)
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    body: Mapping[str, object] = error.body if isinstance(error.body, Mapping) else {}
    code = " ".join(dict.fromkeys(word for word in (error.code, error.type) if word))
    message = body.get("message") or body.get("detail") or body.get("error")
    return Fault(
        status=error.status_code,
        # A body that is no JSON is a page of some proxy: of no use in a sentence.
        message=str(message) if isinstance(message, str) else error.response.reason_phrase,
        code=code,
        parameter=error.param if isinstance(error.param, str) else "",
        retry_after=retry_after(headers),
        location=urlsplit(headers.get("location", "")).netloc.rpartition("@")[2],
    )
