"""What Airflow's API answers: JSON, or an error for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from ragctl.airflow.faults import AirflowDenied, AirflowUnavailable
from ragctl.errors import GuardRefused, RagctlError, UsageError

if TYPE_CHECKING:
    import httpx

    from ragctl.airflow.address import Credentials

LONGEST = 2000
"""Characters of an answer's text that are shown."""


class NotThere(AirflowUnavailable):
    """Airflow knows no such thing (404)."""


def object_of(response: httpx.Response) -> dict[str, Any]:
    """The body, a JSON object.

    Raises:
        AirflowUnavailable: it is something else.
    """
    try:
        body = response.json()
    except ValueError:  # no JSON, or no text at all
        body = None
    if isinstance(body, dict):
        return body
    kind = response.headers.get("content-type", "").partition(";")[0] or "something"
    raise AirflowUnavailable(
        f"what answers is not Airflow's API: it sent {kind} where a JSON object was to be expected",
        where=_place(response),
        hint="is there a proxy or a login page before Airflow? --airflow takes the address of the API server",
    )


def refusal(response: httpx.Response, credentials: Credentials) -> RagctlError:
    """The error that an answer other than 2xx stands for. The body must have been read."""
    status, detail, where = response.status_code, _detail(response), _place(response)
    # Airflow says 403 of a token that it cannot read, and 401 of one that has expired, or of none.
    if status == 401 or (status == 403 and detail == "Invalid JWT token"):
        message = f"Airflow does not accept the token{_after_colon(detail)}"
        return AirflowDenied(message, where=where, hint=credentials.hint)
    if status == 403:
        return AirflowDenied(
            f"Airflow does not allow it{_after_colon(detail)}",
            where=where,
            hint="the user needs the right to trigger the DAG and to read its runs, XComs and logs",
        )
    if status == 404:
        return _not_found(response, detail, where)
    if status in (400, 422):
        return UsageError(f"Airflow refuses the call{_after_colon(detail)}", where=where)
    if status == 409:
        return GuardRefused(
            f"Airflow has such a run already{_after_colon(detail)}", where=where, hint="try again"
        )
    if response.is_redirect:
        return _elsewhere(response, where)
    return AirflowUnavailable(
        f"Airflow answers {status}{_after_colon(detail)}",
        where=where,
        hint="the log of the API server, or of the proxy before it, says more",
    )


def _not_found(response: httpx.Response, detail: str | None, where: str) -> RagctlError:
    # FastAPI itself says "Not Found" of a path that it does not serve; Airflow says what it lacks.
    if detail is not None and detail.lower() != "not found":
        return NotThere(detail, where=where)
    return AirflowUnavailable(
        "there is no API of Airflow 3 (/api/v2) here",
        where=where,
        hint="--airflow takes the address of the API server, with the path before /api if it has one",
    )


def _elsewhere(response: httpx.Response, where: str) -> RagctlError:
    target = urlsplit(response.headers.get("location", ""))
    shown = urlunsplit((target.scheme, target.hostname or "", target.path, "", ""))
    return AirflowUnavailable(
        f"Airflow sends the call elsewhere, to {shown or 'a place that it does not name'}",
        where=where,
        hint="redirects are not followed, so that no token goes to another host; give --airflow that address",
    )


def _detail(response: httpx.Response) -> str | None:
    """What Airflow says was wrong: a text, or a list of what its validation found."""
    try:
        body = response.json()
    except ValueError:
        return None
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, list):
        detail = "; ".join(_finding(one) for one in detail)
    elif isinstance(detail, dict):
        detail = str(detail.get("message") or detail.get("reason") or detail)
    return detail[:LONGEST] if isinstance(detail, str) and detail else None


def _finding(one: object) -> str:
    if not isinstance(one, dict):
        return str(one)
    place = ".".join(str(part) for part in one.get("loc", ()) if part != "body")
    return f"{place}: {one.get('msg')}" if place else str(one.get("msg"))


def _after_colon(detail: str | None) -> str:
    return f": {detail}" if detail else ""


def _place(response: httpx.Response) -> str:
    url = response.request.url
    return f"{url.scheme}://{url.netloc.decode('ascii')}{url.path}"
