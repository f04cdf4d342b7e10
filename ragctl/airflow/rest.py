"""Airflow's REST API over HTTP: signing in, asking, and what can go wrong on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ragctl.airflow.address import API, Credentials
from ragctl.airflow.answers import object_of, refusal
from ragctl.airflow.faults import AirflowDenied, AirflowUnavailable
from ragctl.errors import MissingPackage, UsageError

if TYPE_CHECKING:
    import httpx

CONNECT_S = 10.0
ANSWER_S = 60.0
"""Seconds that an answer, or the next part of a stream, may take."""

Query = Mapping[str, str | int | float]


class Api:
    """One Airflow. Certificates are verified, redirects are not followed.

    Raises, in every call:
        AirflowUnavailable: it cannot be reached, or what answers is not Airflow's API; `NotThere` for a 404.
        AirflowDenied: it does not accept the credentials, or does not allow the call.
        UsageError: it refuses what the call asks for.
        GuardRefused: there is such a thing already.
    """

    def __init__(self, base_url: str, credentials: Credentials, *, answer_s: float = ANSWER_S) -> None:
        self.base_url = base_url
        self._credentials = credentials
        self._http = _client(answer_s)
        self._token = credentials.token

    def __enter__(self) -> Api:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, query: Query | None = None) -> dict[str, Any]:
        """The JSON object under `/api/v2` + path."""
        with self._sent("GET", API + path, query=query) as response:
            return object_of(response)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that Airflow answers to this one."""
        with self._sent("POST", API + path, body=body) as response:
            return object_of(response)

    def lines(self, path: str, query: Query | None = None) -> Iterator[str]:
        """The lines of a streamed answer, as they come, blank ones left out."""
        with self._sent("GET", API + path, query=query, streamed=True) as response:
            # Not httpx's iter_lines(): it breaks lines at characters that JSON texts may hold.
            rest = b""
            with self._reaching(API + path):
                for part in response.iter_bytes():
                    *lines, rest = (rest + part).split(b"\n")
                    yield from (line.decode("utf-8", "replace") for line in lines if line.strip())
            if rest.strip():
                yield rest.decode("utf-8", "replace")

    @contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        streamed: bool = False,
    ) -> Iterator[httpx.Response]:
        """The answer to a call, if it is a good one; in a stream its body is still to be read."""
        for again in (True, False):
            token = self._token or self._sign_in()
            headers = {
                "Authorization": f"Bearer {token}",
                "Accept": "application/x-ndjson" if streamed else "application/json",
            }
            with self._answer(method, path, headers, query, body) as response:
                if response.status_code == 401 and again and self._credentials.token is None:
                    self._token = None  # it has expired: a run may take longer than a token lives
                    continue
                if not response.is_success or not streamed:
                    with self._reaching(path):
                        response.read()
                if not response.is_success:
                    raise refusal(response, self._credentials)
                yield response
                return

    def _sign_in(self) -> str:
        """A token for the user, or one for whoever asks where Airflow gives it (SimpleAuthManager)."""
        named = self._credentials
        method = "GET" if named.user is None else "POST"
        body = None if named.user is None else {"username": named.user, "password": named.password}
        with self._answer(method, "/auth/token", {"Accept": "application/json"}, None, body) as response:
            with self._reaching("/auth/token"):
                response.read()
            if not response.is_success:
                raise self._unknown(response)
            answer = object_of(response)
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise AirflowUnavailable("Airflow answers with no token", where=f"{self.base_url}/auth/token")
        self._token = token
        return token

    def _unknown(self, response: httpx.Response) -> Exception:
        if response.status_code not in (400, 401, 403, 404, 405, 422):
            return refusal(response, self._credentials)
        names = self._credentials.names
        if self._credentials.user is None:
            message = "Airflow wants to know who asks"
        else:
            message = (
                f"Airflow does not accept the user and password in {names.user_env}, {names.password_env}"
            )
        return AirflowDenied(message, where=f"{self.base_url}/auth/token", hint=self._credentials.hint)

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: Query | None,
        body: Mapping[str, Any] | None,
    ) -> Iterator[httpx.Response]:

        content = None if body is None else json.dumps(body).encode("ascii")
        typed = dict(headers) if content is None else {**headers, "Content-Type": "application/json"}
        request = self._http.build_request(
            method,
            self.base_url + path,
            params=dict(query or {}),
            headers=typed,
            content=content,
        )
        with self._reaching(path):
            response = self._http.send(request, stream=True)
        try:
            yield response
        finally:
            response.close()

    @contextmanager
    def _reaching(self, path: str) -> Iterator[None]:
        """What httpx says of a failed connection, in our words."""
        import httpx

        try:
            yield
        except httpx.RequestError as error:
            raise _unreached(error, self.base_url + path) from error


def _client(answer_s: float) -> httpx.Client:
    try:
        import httpx
    except ModuleNotFoundError:
        raise MissingPackage(
            "--airflow needs the Python package 'httpx', which is not installed",
            hint="pip install 'ragctl[airflow-api]'",
        ) from None
    try:
        return httpx.Client(timeout=httpx.Timeout(answer_s, connect=CONNECT_S), follow_redirects=False)
    except OSError:
        raise UsageError("the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read") from None
    except (ValueError, ImportError, httpx.InvalidURL):  # their texts may hold the proxy's password
        raise UsageError(
            "the proxy that the environment names cannot be used", hint="HTTP_PROXY, HTTPS_PROXY, ALL_PROXY"
        ) from None


def _unreached(error: httpx.RequestError, where: str) -> AirflowUnavailable:
    import httpx

    hint = "is the API server running, and is this its address?"
    if isinstance(error, httpx.TimeoutException):
        message = "Airflow does not answer in time"
    elif "CERTIFICATE_VERIFY_FAILED" in str(error):
        message = "Airflow's certificate cannot be verified"
        hint = "the environment variable SSL_CERT_FILE names the file of an authority of your own"
    elif isinstance(error, httpx.ConnectError):
        message = f"Airflow cannot be reached: {str(error) or type(error).__name__}"
    else:
        message = f"the connection to Airflow broke: {str(error) or type(error).__name__}"
    return AirflowUnavailable(message, where=where, hint=hint)
