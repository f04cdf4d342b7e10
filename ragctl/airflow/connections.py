"""Airflow connections → the values that a spec reads from environment variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from ragctl.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from ragctl.spec.airflow_settings import ConnectionSettings


class Connection(Protocol):
    """What is read of an Airflow connection, its SDK's own or that of an older release."""

    @property
    def host(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    @property
    def login(self) -> str | None: ...
    @property
    def password(self) -> str | None: ...
    @property
    def schema(self) -> str | None: ...
    @property
    def extra_dejson(self) -> Mapping[str, Any]: ...


def environment_of(connections: Mapping[str, ConnectionSettings]) -> dict[str, str]:
    """Values by the name of the environment variable that each takes the place of.

    To be called in an Airflow task: nowhere else may connections be read.

    Raises:
        Unavailable: Airflow has no such connection, or cannot be asked for it.
        UsageError: a connection lacks what it is to stand for.
    """
    values: dict[str, str] = {}
    for conn_id, stands_for in connections.items():
        values.update(_values(conn_id, _connection(conn_id), stands_for))
    return values


def dsn_of(connection: Connection) -> str:
    """A connection string for libpq; empty if the connection says nothing.

    Not the URI of Airflow's hooks: that one is SQLAlchemy's, and libpq does not read it. Of the
    extras, those that libpq knows are taken (`sslmode`, `sslrootcert`, `connect_timeout`, …).
    """
    from psycopg import pq
    from psycopg.conninfo import make_conninfo

    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    fields: dict[str, str | None] = {
        key: _scalar(value) for key, value in connection.extra_dejson.items() if key in known
    }
    own: dict[str, str | None] = {
        "host": connection.host,
        "port": str(connection.port) if connection.port else None,
        "user": connection.login,
        "password": connection.password,
        "dbname": connection.schema,
    }
    fields |= {key: value for key, value in own.items() if value}
    return make_conninfo("", **{key: value for key, value in fields.items() if value})


def base_url_of(connection: Connection) -> str | None:
    """The host as a URL, `https` unless the host or the schema names another scheme; None without a host.

    The port is the connection's where the host itself names none.
    """
    if not connection.host:
        return None
    host = (
        connection.host if "://" in connection.host else f"{connection.schema or 'https'}://{connection.host}"
    )
    parts = urlsplit(host)
    place = parts.netloc
    if connection.port and parts.port is None:
        place = f"{place}:{connection.port}"
    return urlunsplit((parts.scheme, place, parts.path.rstrip("/"), parts.query, ""))


def _connection(conn_id: str) -> Connection:
    from airflow.sdk import BaseHook

    try:
        connection: Connection = BaseHook.get_connection(conn_id)
    except Exception as error:
        # Airflow says "not defined" of a secrets backend that did not answer, too: trying again may help.
        raise Unavailable(
            f"Airflow gives no connection {conn_id!r} ({type(error).__name__})",
            where=f"airflow.connections.{conn_id}",
            hint=f"airflow connections add {conn_id} --conn-type … makes it, or a secrets backend, or the "
            f"environment variable AIRFLOW_CONN_{conn_id.upper()} of the workers",
        ) from None
    return connection


def _values(
    conn_id: str, connection: Connection, stands_for: ConnectionSettings
) -> Iterator[tuple[str, str]]:
    try:
        if stands_for.dsn is not None:
            yield stands_for.dsn, _found(dsn_of(connection), conn_id, "dsn", "no host, login or schema")
        if stands_for.key is not None:
            yield stands_for.key, _found(connection.password, conn_id, "key", "no password")
        if stands_for.base_url is not None:
            yield stands_for.base_url, _found(base_url_of(connection), conn_id, "base_url", "no host")
    except ValueError:
        # The text of the error may hold what the connection holds.
        raise UsageError(
            f"the connection {conn_id!r} cannot be made a connection string or a URL of",
            where=f"airflow.connections.{conn_id}",
            hint="look at its host, port and extras",
        ) from None


def _found(value: str | None, conn_id: str, what: str, lacking: str) -> str:
    if value:
        return value
    raise UsageError(
        f"the connection {conn_id!r} has {lacking}",
        where=f"airflow.connections.{conn_id}.{what}",
        hint="fill it in in Airflow",
    )


def _scalar(value: object) -> str | None:
    if isinstance(value, bool):
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) else None
