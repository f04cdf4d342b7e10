"""Why a connection to PostgreSQL could not be had: by what the server or libpq says, for there is no code.

A server whose messages are in another language is understood less well: the fault is then one like any other.
"""

from __future__ import annotations

from enum import Enum


class ConnectionFault(Enum):
    """What is wrong, with what is found in the message."""

    STARTING = (
        "the database system is starting up",
        "the database system is shutting down",
        "the database system is in recovery mode",
        "the database system is not yet accepting connections",
        "not accepting connections",
    )
    FULL = (
        "too many clients",
        "remaining connection slots",
        "too many connections",
        "no more connections allowed",
    )
    PASSWORD = ("password authentication failed", "no password supplied", "authentication failed")
    NO_ACCESS = ("no pg_hba.conf entry", "is not permitted to log in", "permission denied for database")
    ABSENT_ROLE = ('role "',)
    ABSENT_DATABASE = ('database "',)
    CERTIFICATE = (
        "certificate verify failed",
        "does not match host name",
        "root certificate file",
        "could not read certificate file",
        "could not load private key file",
        "private key file",
        "certificate authentication failed",
        "connection requires a valid client certificate",
    )
    TLS = (
        "server does not support SSL",
        "SSL error",
        "SSL connection",
        "sslmode value",
        "could not initialize SSL",
    )
    READ_ONLY = ("session is read-only", "server is in hot standby mode", "session is not read-only")
    REFUSED = ("Connection refused", "No such file or directory", "actively refused")
    NO_HOST = ("could not translate host name", "failed to resolve host", "Name or service not known")
    TIMEOUT = ("timeout expired", "timed out", "connection timeout")


_ABSENT = (ConnectionFault.ABSENT_ROLE, ConnectionFault.ABSENT_DATABASE)
_LASTING = frozenset(
    {
        ConnectionFault.PASSWORD,
        ConnectionFault.NO_ACCESS,
        ConnectionFault.ABSENT_ROLE,
        ConnectionFault.ABSENT_DATABASE,
        ConnectionFault.CERTIFICATE,
        ConnectionFault.TLS,
    }
)
_PASSING = frozenset({ConnectionFault.STARTING, ConnectionFault.FULL})


def fault_of(message: str) -> ConnectionFault | None:
    """The first fault that the message tells of; None if it is none of those that are known."""
    for fault in ConnectionFault:
        if any(part in message for part in fault.value) and _is_absent(fault, message):
            return fault
    return None


def _is_absent(fault: ConnectionFault, message: str) -> bool:
    """A role and a database are named by other faults, too."""
    return fault not in _ABSENT or "does not exist" in message


def may_pass(error: Exception) -> bool:
    """Of a server that was there before: may it be there again soon?"""
    return fault_of(str(error)) not in _LASTING


def is_passing(error: Exception) -> bool:
    """Of a server that was never reached: does it say itself that it is only busy for the moment?"""
    return fault_of(str(error)) in _PASSING
