"""Connections → connection strings and URLs; the fetching of them is tested in a real Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from ragctl.airflow.connections import base_url_of, dsn_of


@dataclass
class Stored:
    """The fields of an Airflow connection."""

    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = None
    schema: str | None = None
    extra_dejson: Mapping[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (Stored(), {}),
        (Stored(host="db", schema="search"), {"host": "db", "dbname": "search"}),
        (Stored(host="/run/postgresql", login="me"), {"host": "/run/postgresql", "user": "me"}),
        (
            Stored(host="db", port=5433, login="a b", password="it's \\ secret", schema="x"),
            {"host": "db", "port": "5433", "user": "a b", "password": "it's \\ secret", "dbname": "x"},
        ),
        (
            Stored(
                host="db",
                extra_dejson={
                    "sslmode": "verify-full",
                    "sslrootcert": "/etc/ca é.pem",
                    "connect_timeout": 5,
                    "keepalives": True,
                    "application_name": "",
                    "options": {"a": 1},
                    "cursor": "dictcursor",
                    "host": "never-this-one",
                },
            ),
            {
                "host": "db",
                "sslmode": "verify-full",
                "sslrootcert": "/etc/ca é.pem",
                "connect_timeout": "5",
                "keepalives": "1",
            },
        ),
    ],
    ids=["nothing", "bare", "socket", "quoted", "extras"],
)
def test_a_connection_string_for_libpq(stored: Stored, expected: dict[str, str]) -> None:
    assert conninfo_to_dict(dsn_of(stored)) == expected


@pytest.mark.parametrize(
    ("stored", "url"),
    [
        (Stored(), None),
        (Stored(host="models.example"), "https://models.example"),
        (Stored(host="models.example", schema="http", port=8000), "http://models.example:8000"),
        (Stored(host="http://models.example/v1/", port=8000), "http://models.example:8000/v1"),
        (Stored(host="https://models.example:8443/v1", port=8000), "https://models.example:8443/v1"),
        (Stored(host="models.example/v1"), "https://models.example/v1"),
    ],
)
def test_a_base_url(stored: Stored, url: str | None) -> None:
    assert base_url_of(stored) == url
