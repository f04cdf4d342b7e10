"""Opens sessions in a spec's database: in its schema, patient with a busy server, back when they are lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ragctl.errors import Unavailable
from ragctl.state.connection_faults import is_passing
from ragctl.state.schema import enter_schema

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.embedded.server import EmbeddedServer
    from ragctl.state.session import LastingConnection

LEAST_SERVER = 15
"""The oldest PostgreSQL that ragctl is tried on."""
PATIENCE_S = 10.0
"""How long a server is asked again that says itself that it is only starting, or full for the moment."""
_WAIT_S = 0.25

# Where the connection string says nothing: a network that went silent is noticed within a minute or so, and
# not within the two hours that TCP's own settings allow. Seconds, and milliseconds for the last one.
_DEFAULTS = {
    "fallback_application_name": "ragctl",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_CONNECT_TIMEOUT_S = "10"


def open_session(
    target: EmbeddedServer | str, schema: str, *, tell: Callable[[str], None] = lambda text: None
) -> LastingConnection:
    """A session in autocommit mode, with `schema` first on its search path.

    Args:
        target: the embedded server, or a connection string.
        schema: need not be there yet.
        tell: gets a sentence when the session is lost later on.

    Raises:
        psycopg.OperationalError: the database cannot be reached.
        psycopg.ProgrammingError: the connection string is not one.
        Unavailable: the server is older than `LEAST_SERVER`.
        Unavailable, Mismatch: see `EmbeddedServer.connect`.
    """
    from ragctl.state.session import LastingConnection

    def once() -> Connection[Any]:
        # Prepared statements end with a session, and a pooler may give the next statement another one.
        given: dict[str, Any] = {"autocommit": True, "prepare_threshold": None}
        if isinstance(target, str):
            return LastingConnection.connect(_conninfo(target), **given)
        return target.connect(**given, connection_class=LastingConnection)

    opened = _patiently(once)
    assert isinstance(opened, LastingConnection)  # that is what both make
    try:
        _refuse_old(opened)
        opened.on_return("schema", lambda: enter_schema(opened, schema), now=True)
    except BaseException:
        opened.close()
        raise
    opened.reopen, opened.tell = once, tell
    return opened


def _patiently(connect: Callable[[], Connection[Any]]) -> Connection[Any]:
    import psycopg

    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return connect()
        except psycopg.OperationalError as error:
            if not is_passing(error) or time.monotonic() + _WAIT_S > until:
                raise
        time.sleep(_WAIT_S)


def _refuse_old(connection: Connection[Any]) -> None:
    version = connection.info.server_version // 10_000
    if version < LEAST_SERVER:
        raise Unavailable(
            f"the database is PostgreSQL {version}, and ragctl needs {LEAST_SERVER} or later",
            where="store",
            hint=f"let its administrator bring it to version {LEAST_SERVER} or later (pg_upgrade), or name "
            "another server",
        )


def _conninfo(dsn: str) -> str:
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    given = conninfo_to_dict(dsn)
    defaults = dict(_DEFAULTS)
    if "PGCONNECT_TIMEOUT" not in os.environ:
        defaults["connect_timeout"] = _CONNECT_TIMEOUT_S
    return make_conninfo("", **{**defaults, **given})
