"""What psycopg raises, as a fault of the statement or of the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragctl.errors import RagctlError, Unavailable
from ragctl.sql.types import FaultKind, Limits, StatementFailed

if TYPE_CHECKING:
    from psycopg import Error

_BY_STATE: dict[str, FaultKind] = {
    "57014": "time",
    "55P03": "time",
    "25P04": "time",
    "25006": "refused",
    "42501": "refused",
    "42601": "parse",
    "42P01": "unknown_name",
    "42703": "unknown_name",
    "42883": "unknown_name",
    "42P02": "unknown_name",
    "08P01": "refused",  # it has parameters, and there are no values for them
}
_BY_CLASS: dict[str, FaultKind] = {"53": "size", "54": "size"}
_GONE = ("08", "57P")
"""Classes of errors after which there is no connection."""


def failed(error: Error, limits: Limits) -> RagctlError:
    """What a statement's error means: the database's own words, and its hint."""
    state = error.sqlstate or ""
    if not state or (state.startswith(_GONE) and state not in _BY_STATE):
        return Unavailable(
            f"the connection to the database was lost: {_first_line(error)}", hint="ask once more"
        )
    kind = _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or "database"
    if state == "57014":
        return StatementFailed(kind, f"it took longer than {limits.timeout_s:g} s and was stopped")
    message = error.diag.message_primary or _first_line(error)
    if hint := error.diag.message_hint:
        message = f"{message} ({hint.rstrip('.')})"
    return StatementFailed(kind, message)


def unreachable(error: Error) -> Unavailable:
    """Without the connection string, in which a password may stand."""
    return Unavailable(
        f"the database cannot be reached: {_first_line(error)}",
        hint="check host, port, database and role in the connection string",
    )


def _first_line(error: Error) -> str:
    return str(error).partition("\n")[0]
