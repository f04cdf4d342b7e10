"""HTTP: signing in, refusals, and everything that can answer in Airflow's place."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable

import httpx
import pytest
from fake_airflow import Answer, FakeAirflow

from ragctl.airflow.address import credentials_of
from ragctl.airflow.answers import NotThere
from ragctl.airflow.faults import AirflowDenied, AirflowUnavailable
from ragctl.airflow.rest import Api
from ragctl.errors import GuardRefused, MissingPackage, RagctlError, UsageError
from ragctl.spec.airflow_settings import ApiSettings

ApiOf = Callable[..., Api]
SECRET = "s3cr3t-pässwörd"


def test_a_token_is_sent_as_it_is(fake: FakeAirflow, api_of: ApiOf) -> None:
    api_of(AIRFLOW_TOKEN="given-token", AIRFLOW_USER="me", AIRFLOW_PASSWORD=SECRET).get("/importErrors")
    [request] = fake.requests
    assert request.headers["Authorization"] == "Bearer given-token"


def test_a_user_and_a_password_are_changed_for_a_token_once(fake: FakeAirflow, api_of: ApiOf) -> None:
    fake.users["me"] = SECRET
    api = api_of(AIRFLOW_USER="me", AIRFLOW_PASSWORD=SECRET)
    api.get("/importErrors")
    api.get("/importErrors")
    assert [one.path for one in fake.requests] == [
        "/auth/token",
        "/api/v2/importErrors",
        "/api/v2/importErrors",
    ]
    assert fake.requests[0].body == {"username": "me", "password": SECRET}
    assert "Authorization" not in fake.requests[0].headers


def test_where_airflow_asks_for_nothing_nothing_is_needed(fake: FakeAirflow, api_of: ApiOf) -> None:
    fake.all_admins = True
    api_of(UNSET="").get("/importErrors")
    assert [(one.method, one.path) for one in fake.requests] == [
        ("GET", "/auth/token"),
        ("GET", "/api/v2/importErrors"),
    ]


def test_a_token_that_expires_is_made_anew(fake: FakeAirflow, api_of: ApiOf) -> None:
    fake.users["me"] = SECRET
    api = api_of(AIRFLOW_USER="me", AIRFLOW_PASSWORD=SECRET)
    api.get("/importErrors")
    fake.tokens.clear()
    assert api.get("/importErrors")["total_entries"] == 0
    assert len(fake.asked("/auth/token")) == 2


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"AIRFLOW_TOKEN": "wrong-one"}, "does not accept the token: Not authenticated"),
        ({"AIRFLOW_USER": "me", "AIRFLOW_PASSWORD": "wrong-one"}, "the user and password in AIRFLOW_USER"),
        ({"UNSET": ""}, "wants to know who asks"),
    ],
)
def test_who_is_not_known_is_told_which_variables_to_set(
    fake: FakeAirflow, api_of: ApiOf, environment: dict[str, str], message: str
) -> None:
    fake.users["me"] = SECRET
    with pytest.raises(AirflowDenied, match=message) as denied:
        api_of(**environment).get("/importErrors")
    assert (denied.value.exit_code, denied.value.kind) == (6, "airflow_denied")
    for name in ("AIRFLOW_TOKEN", "AIRFLOW_USER", "AIRFLOW_PASSWORD"):
        assert name in str(denied.value.hint)
    assert "wrong-one" not in f"{denied.value} {denied.value.hint}"
    assert len(fake.requests) == 1  # no password is tried twice


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (Answer(400, {"detail": "top_n: 5000 is too much"}), UsageError, "refuses the call: top_n: 5000"),
        (
            Answer(422, {"detail": [{"loc": ["body", "conf"], "msg": "Input should be a dict"}]}),
            UsageError,
            "conf: Input should be a dict",
        ),
        (Answer(403, {"detail": "Forbidden"}), AirflowDenied, "does not allow it: Forbidden"),
        (Answer(403, {"detail": "Invalid JWT token"}), AirflowDenied, "does not accept the token"),
        (Answer(404, {"detail": "The Dag was not found"}), NotThere, "The Dag was not found"),
        (Answer(404, {"detail": "Not Found"}), AirflowUnavailable, "no API of Airflow 3"),
        (Answer(404, {"error": "API route not found"}), AirflowUnavailable, "no API of Airflow 3"),
        (Answer(404, "<html>lost</html>"), AirflowUnavailable, "no API of Airflow 3"),
        (Answer(405, {"detail": "Method Not Allowed"}), AirflowUnavailable, "answers 405"),
        (Answer(409, {"detail": {"message": "already there"}}), GuardRefused, "already: already there"),
        (Answer(500, {"detail": "oh"}), AirflowUnavailable, "answers 500: oh"),
        (Answer(502, "<html>Bad Gateway</html>"), AirflowUnavailable, "answers 502"),
        (Answer(200, "<html>Please log in</html>"), AirflowUnavailable, "it sent text/html"),
        (Answer(200, [1, 2]), AirflowUnavailable, "it sent application/json where a JSON object"),
        (Answer(204, ""), AirflowUnavailable, "not Airflow's API"),
        (Answer(drop=True), AirflowUnavailable, "the connection to Airflow broke"),
    ],
)
def test_what_is_answered_instead(
    fake: FakeAirflow, api_of: ApiOf, answer: Answer, kind: type[RagctlError], message: str
) -> None:
    fake.intercept("importErrors", answer)
    with pytest.raises(kind) as refused:
        api_of().get("/importErrors")
    assert type(refused.value) is kind
    assert message in refused.value.message
    assert refused.value.where == f"{fake.url}/api/v2/importErrors"
    assert "given-token" not in f"{refused.value} {refused.value.hint}"


def test_long_details_are_cut(fake: FakeAirflow, api_of: ApiOf) -> None:
    fake.intercept("importErrors", Answer(400, {"detail": "ä" * 100_000}))
    with pytest.raises(UsageError) as refused:
        api_of().get("/importErrors")
    assert len(refused.value.message) < 3000


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_token_follows_a_redirect(fake: FakeAirflow, api_of: ApiOf, status: int) -> None:
    there = f"{fake.url}/elsewhere/api/v2/importErrors?code=s3cr3t"
    fake.intercept("^/api/v2/importErrors", Answer(status, "", {"Location": there}))
    with pytest.raises(AirflowUnavailable, match="sends the call elsewhere") as refused:
        api_of().get("/importErrors")
    assert len(fake.requests) == 1
    assert "/elsewhere/api/v2/importErrors" in refused.value.message
    assert "s3cr3t" not in refused.value.message


def test_no_password_follows_a_redirect(fake: FakeAirflow, api_of: ApiOf) -> None:
    fake.intercept("^/auth/token", Answer(307, "", {"Location": f"{fake.url}/elsewhere"}))
    with pytest.raises(AirflowUnavailable, match="sends the call elsewhere"):
        api_of(AIRFLOW_USER="me", AIRFLOW_PASSWORD=SECRET).get("/importErrors")
    assert [one.path for one in fake.requests] == ["/auth/token"]


@pytest.mark.parametrize("answer", [Answer(201, {"token": "x"}), Answer(201, {"access_token": ""})])
def test_a_sign_in_without_a_token(fake: FakeAirflow, api_of: ApiOf, answer: Answer) -> None:
    fake.intercept("^/auth/token", answer)
    with pytest.raises(AirflowUnavailable, match="no token"):
        api_of(UNSET="").get("/importErrors")


def test_an_answer_that_does_not_come_in_time(fake: FakeAirflow, api_of: ApiOf) -> None:
    fake.intercept("importErrors", Answer(200, {}, hang_s=1.0))
    with pytest.raises(AirflowUnavailable, match="does not answer in time"):
        api_of(answer_s=0.2, AIRFLOW_TOKEN="given-token").get("/importErrors")


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        port = taken.getsockname()[1]
        with (
            Api(f"http://127.0.0.1:{port}", credentials_of(ApiSettings(), {})) as api,
            pytest.raises(AirflowUnavailable, match="cannot be reached") as refused,
        ):
            api.get("/importErrors")
    assert refused.value.exit_code == 6


def test_a_certificate_that_cannot_be_verified_is_called_that(fake: FakeAirflow, api_of: ApiOf) -> None:
    api = api_of()

    def unverified(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate", request=request)

    api._http = httpx.Client(transport=httpx.MockTransport(unverified))
    with pytest.raises(AirflowUnavailable, match="certificate cannot be verified") as refused:
        api.get("/importErrors")
    assert "SSL_CERT_FILE" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SSL_CERT_FILE", "/no/such/file.pem"), ("HTTPS_PROXY", "nonsense://user:s3cr3t@proxy:1")],
)
def test_an_environment_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as refused:
        Api("https://host.example", credentials_of(ApiSettings(), {}))
    shown = f"{refused.value} {refused.value.hint}"
    assert name in shown
    assert "s3cr3t" not in shown


def test_without_httpx_the_install_line_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingPackage) as missing:
        Api("https://host.example", credentials_of(ApiSettings(), {}))
    assert "pip install" in str(missing.value.hint)


def test_lines_end_only_where_json_lines_end(fake: FakeAirflow, api_of: ApiOf) -> None:
    texts = ["one\u2028line", "a\x85b", "ü" * 100_000, "\U0001f600"]
    body = "\n\n".join(json.dumps({"event": text}, ensure_ascii=False) for text in texts)
    fake.intercept("logs", Answer(200, body))
    lines = list(api_of().lines("/logs"))
    assert [json.loads(line)["event"] for line in lines] == texts
    assert fake.requests[0].headers["Accept"] == "application/x-ndjson"


def test_a_path_before_the_api_is_kept(fake: FakeAirflow, api_of: ApiOf) -> None:
    fake.prefix = "/airflow"
    fake.all_admins = True
    api_of(UNSET="").get("/importErrors")
    assert [one.path for one in fake.requests] == ["/airflow/auth/token", "/airflow/api/v2/importErrors"]
