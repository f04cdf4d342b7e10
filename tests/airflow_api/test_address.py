"""`--airflow URL` and the credentials in the environment."""

from __future__ import annotations

import pytest

from ragctl.airflow.address import base_url_of, credentials_of
from ragctl.errors import UsageError
from ragctl.spec.airflow_settings import ApiSettings


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("https://host.example/airflow/", "https://host.example/airflow"),
        ("https://host.example/airflow/api/v2/", "https://host.example/airflow"),
        (" http://[::1]:8080/api/v2 ", "http://[::1]:8080"),
    ],
)
def test_the_address_of_the_api_server(given: str, base: str) -> None:
    assert base_url_of(given) == base


@pytest.mark.parametrize(
    "given",
    [
        "",
        "localhost:8080",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://host:99999",
        "http://[::1",
        "http://host/?a=b",
        "http://host/#part",
        "https://user:s3cr3t@host",
        "https://s3cr3t@host",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(given: str) -> None:
    with pytest.raises(UsageError) as refused:
        base_url_of(given)
    shown = f"{refused.value} {refused.value.hint}"
    assert "--airflow" in shown
    assert "s3cr3t" not in shown


def test_credentials_come_by_the_names_in_the_spec() -> None:
    names = ApiSettings(token_env="T", user_env="U", password_env="P")
    found = credentials_of(names, {"T": " abc ", "U": "me", "P": "s3cr3t"})
    assert (found.token, found.user, found.password) == ("abc", "me", "s3cr3t")
    assert "s3cr3t" not in repr(found)
    assert "abc" not in repr(found)
    for name in ("T", "U", "P"):
        assert f" {name}" in found.hint


def test_none_are_needed_where_airflow_asks_for_none() -> None:
    found = credentials_of(ApiSettings(), {})
    assert (found.token, found.user, found.password) == (None, None, None)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"AIRFLOW_USER": "me"}, "AIRFLOW_PASSWORD"),
        ({"AIRFLOW_PASSWORD": "s3cr3t"}, "AIRFLOW_USER"),
        ({"AIRFLOW_TOKEN": "two s3cr3t"}, "AIRFLOW_TOKEN"),
        ({"AIRFLOW_TOKEN": "s3cr3t\nEvil: header"}, "AIRFLOW_TOKEN"),
        ({"AIRFLOW_TOKEN": "s3cr3té"}, "AIRFLOW_TOKEN"),
    ],
)
def test_credentials_that_cannot_be_used_are_named_and_not_shown(
    environment: dict[str, str], named: str
) -> None:
    with pytest.raises(UsageError) as refused:
        credentials_of(ApiSettings(), environment)
    assert named in refused.value.message
    assert "s3cr3t" not in f"{refused.value} {refused.value.hint}"
