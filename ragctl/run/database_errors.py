"""What psycopg raises, as errors for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragctl.errors import Mismatch, RagctlError, StoreRefused, Unavailable
from ragctl.state.connection_faults import ConnectionFault, fault_of

if TYPE_CHECKING:
    from psycopg import Error

AGAIN = "run the same command again: what was committed is kept"


@dataclass(frozen=True, slots=True)
class _Meaning:
    """Before a colon and the database's own words, and what to do."""

    kind: type[RagctlError]
    message: str
    hint: str


_BY_STATE: Mapping[str, _Meaning] = {
    "42P01": _Meaning(
        Mismatch, "a table is missing", "ragctl doctor SPEC says what is left and how to mend it"
    ),
    "53100": _Meaning(
        Unavailable,
        "the database has no room left",
        "free some space and run the same command again: what was committed is kept",
    ),
    "53200": _Meaning(
        Unavailable,
        "the database has not enough memory",
        "give the server more, or less to do at once (store.hnsw.maintenance_work_mem, its work_mem)",
    ),
    "53300": _Meaning(
        Unavailable,
        "the database takes no more connections",
        "wait until others have gone, or let its administrator raise max_connections or the role's limit",
    ),
    "42501": _Meaning(
        StoreRefused,
        "the database does not let this user do that",
        "docs/pgvector.md names the rights that each command needs, and the GRANTs",
    ),
    "25006": _Meaning(
        StoreRefused,
        "the database takes no writes",
        "it is a standby, or default_transaction_read_only is on: name the primary, or several hosts with "
        "target_session_attrs=read-write, in the connection string",
    ),
    "57014": _Meaning(
        Unavailable,
        "the database broke a statement off",
        "where that was statement_timeout: raise it for this user (ALTER ROLE … SET statement_timeout), or "
        "add options=-cstatement_timeout=0 to the connection string; then run the same command again",
    ),
    "55P03": _Meaning(
        Unavailable,
        "the database broke a statement off that waited for a lock",
        "see who holds it (pg_locks), or raise lock_timeout for this user; then run the same command again",
    ),
}
"""SQLSTATE → what it means here."""

_BY_FAULT: Mapping[ConnectionFault, _Meaning] = {
    ConnectionFault.STARTING: _Meaning(
        Unavailable, "the database is starting or stopping", "wait a moment, then run the same command again"
    ),
    ConnectionFault.FULL: _BY_STATE["53300"],
    ConnectionFault.PASSWORD: _Meaning(
        StoreRefused,
        "the database does not take the password",
        "look at user and password in the connection string; without one, PGPASSWORD and ~/.pgpass count",
    ),
    ConnectionFault.NO_ACCESS: _Meaning(
        StoreRefused,
        "the database does not let this user in from here",
        "let its administrator add a line to pg_hba.conf, GRANT CONNECT ON DATABASE, or ALTER ROLE … LOGIN",
    ),
    ConnectionFault.ABSENT_ROLE: _Meaning(
        StoreRefused, "the database does not know the user", "look at the user in the connection string"
    ),
    ConnectionFault.ABSENT_DATABASE: _Meaning(
        StoreRefused,
        "the server has no such database",
        "look at its name in the connection string, or let an administrator run CREATE DATABASE",
    ),
    ConnectionFault.CERTIFICATE: _Meaning(
        StoreRefused,
        "the database's certificate, or this user's, is not accepted",
        "with sslmode=verify-full the host's name must be the certificate's, and sslrootcert (or "
        "PGSSLROOTCERT) name the authority that signed it",
    ),
    ConnectionFault.TLS: _Meaning(
        StoreRefused,
        "no encrypted connection to the database can be had",
        "let its administrator turn ssl on, or set sslmode in the connection string to what the server has",
    ),
    ConnectionFault.READ_ONLY: _BY_STATE["25006"],
    ConnectionFault.NO_HOST: _Meaning(
        Unavailable, "the database's host is not known", "look at the host in the connection string"
    ),
}
_NO_ANSWER = _Meaning(Unavailable, "the database does not answer", AGAIN)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns the database's errors that a user can do something about into errors for people.

    Raises:
        Unavailable: it cannot be reached, was shut down, has no room left, broke a statement off.
        StoreRefused: it does not let the user in, or not do that; or takes no writes.
        Mismatch: a table is gone, or vectors have another dimension than the column.
    """
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        raise meaning.kind(
            f"{meaning.message}: {_first_line(error)}", where="store", hint=meaning.hint
        ) from error


def _meaning(error: Error) -> _Meaning | None:
    """None where it is a bug."""
    import psycopg

    state = error.sqlstate or ""
    if state in _BY_STATE:
        return _BY_STATE[state]
    if isinstance(error, psycopg.errors.DataException) and "dimensions" in str(error):
        return _Meaning(
            Mismatch,
            "the vectors do not fit the index",
            "ragctl doctor SPEC says which of spec, state and tables is at odds",
        )
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return None
    fault = None if state else fault_of(str(error))
    return _BY_FAULT.get(fault, _NO_ANSWER) if fault is not None else _NO_ANSWER


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
