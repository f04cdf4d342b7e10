"""Asking web servers: guarded, bounded, patient, and never faster than a server likes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import BinaryIO, Literal

import httpcore

from ragctl.sources.addresses import AddressGuard, RefusedAddress, WebAddress, web_address
from ragctl.sources.guarded_network import Deadline, GuardedBackend
from ragctl.sources.http_body import Body, BodyRefused, write_body

USER_AGENT = "ragctl"
_STEP_SECONDS = 20.0
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
_WORTH_RETRYING = (408, 425, 429, 500, 502, 503, 504)
_LONGEST_WAIT_S = 120.0
_LONGEST_BACK_OFF_S = 20.0
_DOWN_AFTER = 3
"""So many URLs of a host that could not be reached, one after the other, and it is not asked again."""

Why = Literal["refused", "gone", "status", "unreachable", "down", "too_large", "media_type", "malformed"]


class FetchFailed(Exception):
    """A URL gave nothing; the message says why, for people.

    Attributes:
        why: `gone`: the server says that there is no such page (404, 410). `down`: its host has failed
            so often that it is not asked any more. `refused`: by the guard or by `may_follow`.
        status: the server's, if it answered.
    """

    def __init__(self, why: Why, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.why = why
        self.status = status


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may take.

    Attributes:
        max_bytes: of a body, decoded.
        timeout_seconds: of a request with its redirects, from the first byte to the last.
        retries: how often it is tried again.
        delay_seconds: between the beginnings of two requests to one host.
        media_types: those that are taken, such as `text/html` or `text/*`; empty: all.
    """

    max_bytes: int = 20_000_000
    timeout_seconds: float = 60.0
    retries: int = 3
    delay_seconds: float = 0.1
    media_types: tuple[str, ...] = ()

    def takes(self, media_type: str) -> bool:
        """Is this type one of them? A server that names none is given the benefit of the doubt."""
        if not self.media_types or not media_type:
            return True
        return any(
            media_type == one or (one.endswith("/*") and media_type.startswith(one[:-1]))
            for one in self.media_types
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: 200 with a body, or 304 with none.

    Attributes:
        address: where the redirects led to.
        headers: names in small letters.
    """

    address: WebAddress
    status: int
    headers: Mapping[str, str]
    body: Body | None

    @property
    def media_type(self) -> str:
        """Without parameters, in small letters; empty if the server names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(slots=True)
class Tally:
    """What was asked for: requests sent, bytes received (decoded), pages that had not changed (304)."""

    requests: int = 0
    bytes: int = 0
    not_modified: int = 0


class _TryAgain(Exception):
    """What may pass. `wait`: seconds that the server asks for."""

    def __init__(self, failed: FetchFailed, wait: float | None = None) -> None:
        super().__init__(str(failed))
        self.failed = failed
        self.wait = wait


@dataclass(slots=True)
class _Host:
    next_at: float = 0.0
    delay: float = 0.0
    unreachable: int = 0


@dataclass(frozen=True, slots=True)
class _Request:
    headers: Mapping[str, str]
    secrets: Mapping[str, str]
    may_follow: Callable[[WebAddress], str | None]
    limits: Limits = field(default_factory=Limits)


class PoliteClient:
    """One request at a time, whoever asks. Close it, or let it go.

    Args:
        guard: judges every address, of redirects too.
        limits: see there.
        sleep: for tests.

    Attributes:
        tally: what it came to so far.
    """

    def __init__(
        self, guard: AddressGuard, limits: Limits, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._limits = limits
        self._sleep = sleep
        self._deadline = Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpcore.default_ssl_context(),
            max_connections=4,
            max_keepalive_connections=4,
            keepalive_expiry=30.0,
            network_backend=GuardedBackend(guard, self._deadline),
        )
        self._guard = guard
        self._lock = threading.RLock()  # a redirect may make `may_follow` ask for a robots.txt
        self._hosts: dict[tuple[str, str, int], _Host] = {}
        self.tally = Tally()

    def close(self) -> None:
        """Ends its connections."""
        self._pool.close()

    def slow_down(self, address: WebAddress, seconds: float) -> None:
        """Lets at least so many seconds pass between two requests to this host."""
        host = self._host(address)
        host.delay = max(host.delay, seconds)

    def get(
        self,
        address: WebAddress,
        into: BinaryIO,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        may_follow: Callable[[WebAddress], str | None] = lambda address: None,
        limits: Limits | None = None,
    ) -> Answer:
        """What the server answers, its body written to `into`, which is emptied first.

        Args:
            headers: names in small letters.
            secrets: headers that no other host than the URL's own is sent.
            may_follow: why a redirect to an address is not followed; None if it is.
            limits: other ones than the client's; its `delay_seconds` and `retries` hold nevertheless.

        Raises:
            FetchFailed: there is no body to be had.
        """
        with self._lock:
            request = _Request(headers or {}, secrets or {}, may_follow, limits or self._limits)
            return self._counted(address, into, request)

    def _counted(self, address: WebAddress, into: BinaryIO, request: _Request) -> Answer:
        """Remembers whether its host answers at all."""
        host = self._host(address)
        if host.unreachable >= _DOWN_AFTER:
            raise FetchFailed(
                "down", f"{address.authority} did not answer several times; it is not asked any more"
            )
        try:
            answer = self._patiently(address, into, request)
        except FetchFailed as failed:
            host.unreachable = host.unreachable + 1 if failed.why == "unreachable" else 0
            raise
        host.unreachable = 0
        return answer

    def _patiently(self, address: WebAddress, into: BinaryIO, request: _Request) -> Answer:
        tried = 0
        while True:
            try:
                return self._once(address, into, request)
            except _TryAgain as again:
                wait = again.wait if again.wait is not None else min(0.5 * 2.0**tried, _LONGEST_BACK_OFF_S)
                if tried >= self._limits.retries:
                    raise again.failed from None
                if wait > _LONGEST_WAIT_S:
                    message = f"{again.failed}, and asks to be left alone for {wait:,.0f} seconds"
                    raise FetchFailed(again.failed.why, message, status=again.failed.status) from None
                self._sleep(wait)
                tried += 1

    def _once(self, address: WebAddress, into: BinaryIO, request: _Request) -> Answer:
        """With redirects."""
        self._deadline.begin(request.limits.timeout_seconds)
        seen = {str(address)}
        at = address
        for _ in range(_MOST_REDIRECTS + 1):
            secrets = request.secrets if at.origin == address.origin else {}
            with self._asked(at, {**request.headers, **secrets}) as response:
                if response.status not in _REDIRECTS:
                    return self._answer(at, response, into, request)
                at = self._next(at, response, request)
            if str(at) in seen:
                raise FetchFailed("malformed", f"its redirects go round in a circle, by way of {at}")
            seen.add(str(at))
        raise FetchFailed("malformed", f"it redirects more than {_MOST_REDIRECTS} times")

    def _next(self, at: WebAddress, response: httpcore.Response, request: _Request) -> WebAddress:
        location = _headers(response).get("location", "")
        if not location:
            raise FetchFailed("malformed", f"it redirects (status {response.status}) without saying where to")
        try:
            to = web_address(location, base=at)
        except RefusedAddress as refused:
            raise FetchFailed("refused", f"it redirects to an address that is not asked: {refused}") from None
        if at.scheme == "https" and to.scheme == "http":
            raise FetchFailed("refused", f"it redirects from https to {to}, which is not encrypted")
        if why := request.may_follow(to):
            raise FetchFailed("refused", f"it redirects to {to}, {why}")
        return to

    @contextmanager
    def _asked(self, address: WebAddress, headers: Mapping[str, str]) -> Iterator[httpcore.Response]:
        self._wait_for_turn(address)
        self.tally.requests += 1
        url = httpcore.URL(
            scheme=address.scheme.encode(),
            host=address.host.encode(),
            port=address.port,
            target=address.target.encode(),
        )
        sent = {
            "host": address.authority,
            "user-agent": USER_AGENT,
            "accept": "*/*",
            "accept-encoding": "gzip",
            **headers,
        }
        steps = dict.fromkeys(("connect", "read", "write", "pool"), _STEP_SECONDS)
        try:
            with self._pool.stream(
                "GET", url, headers=list(sent.items()), extensions={"timeout": steps}
            ) as response:
                yield response
        except RefusedAddress as refused:
            raise FetchFailed(
                "refused",
                f"{refused}; where that is meant, `allow_hosts: [{address.authority}]` allows it",
            ) from None
        except httpcore.TimeoutException as error:
            reason = str(error) or "it did not answer in time"
            raise _TryAgain(FetchFailed("unreachable", f"{address.authority}: {reason}")) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            reason = str(error) or type(error).__name__
            raise _TryAgain(FetchFailed("unreachable", f"{address.authority}: {reason}")) from None

    def _wait_for_turn(self, address: WebAddress) -> None:
        host = self._host(address)
        wait = host.next_at - time.monotonic()
        if wait > 0:
            self._sleep(wait)
            self._deadline.begin(self._limits.timeout_seconds)
        host.next_at = time.monotonic() + host.delay

    def _host(self, address: WebAddress) -> _Host:
        return self._hosts.setdefault(address.origin, _Host(delay=self._limits.delay_seconds))

    def _answer(
        self, at: WebAddress, response: httpcore.Response, into: BinaryIO, request: _Request
    ) -> Answer:
        headers = _headers(response)
        if response.status == 304:
            self.tally.not_modified += 1
            return Answer(at, 304, headers, None)
        _check_status(response.status, headers)
        answer = Answer(at, response.status, headers, None)
        if not request.limits.takes(answer.media_type):
            raise FetchFailed(
                "media_type", f"it is {answer.media_type[:100]!r}, which the source does not take"
            )
        _check_length(headers, request.limits.max_bytes)
        try:
            body = write_body(
                response.iter_stream(),
                headers.get("content-encoding", ""),
                into,
                max_bytes=request.limits.max_bytes,
            )
        except BodyRefused as refused:
            why: Why = "too_large" if refused.too_large else "malformed"
            raise FetchFailed(why, str(refused)) from None
        self.tally.bytes += body.size
        return Answer(at, response.status, headers, body)


def _headers(response: httpcore.Response) -> dict[str, str]:
    """The first of each name, but for links, of which there may be several."""
    out: dict[str, str] = {}
    for name, value in response.headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if key == "link" and key in out:
            out[key] += f", {text}"
        else:
            out.setdefault(key, text)
    return out


def _check_status(status: int, headers: Mapping[str, str]) -> None:
    if status == 200:
        return
    if status in (404, 410):
        raise FetchFailed("gone", f"there is no such page (status {status})", status=status)
    failed = FetchFailed("status", f"the server answered with status {status}", status=status)
    if status in _WORTH_RETRYING:
        raise _TryAgain(failed, retry_after(headers.get("retry-after")))
    raise failed


def _check_length(headers: Mapping[str, str], max_bytes: int) -> None:
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise FetchFailed("too_large", f"it is larger than {max_bytes:,} bytes")


def retry_after(value: str | None) -> float | None:
    """Seconds to wait by a `Retry-After` (RFC 9110, 10.2.3): a number or a date; None if it says nothing."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
