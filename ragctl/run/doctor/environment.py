"""What an index needs around it: sources, a model, a server with pgvector, room on the disk."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ragctl import __version__
from ragctl.errors import ListingFailed, RagctlError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.doctor.finding import Finding, check

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg import Connection

MIN_SERVER = 15  # see docs/pgvector.md
MIN_PGVECTOR = (0, 8)  # the first whose searches of an index go on where it has brought too few
# The write-ahead log alone may grow to this between two checkpoints: max_wal_size, by default 1 GB.
MIN_FREE_BYTES = 1_000_000_000


def look_at_environment(composition: Composition) -> Iterator[Finding]:
    """Everything that is not the index itself."""
    yield Finding("ragctl", True, f"{__version__}, Python {platform.python_version()} on {sys.platform}")
    for source in composition.sources:
        yield check(f"source {source.name}", _listing(source))
    yield check("embedder", lambda: _embed(composition))
    yield from _look_at_server(composition)
    if composition.stores.apart:
        yield check(composition.spec.store.type, lambda: f"version {composition.stores.server_version}")
    yield from _look_at_disk(composition)


def _listing(source: Any) -> Callable[[], str]:
    def look() -> str:
        items = sum(1 for _ in source.items())
        if not items:
            raise ListingFailed("it lists nothing", hint="look at path, include and exclude in the spec")
        return f"lists {items:,} items"

    return look


def _embed(composition: Composition) -> str:
    embedder = composition.embedder
    vector = embedder.embed_queries(["a question to see that the model runs"])[0]
    return f"{composition.embed_settings.model}, {len(vector)} dimensions, reads {embedder.max_tokens} tokens"


def _look_at_server(composition: Composition) -> Iterator[Finding]:
    try:
        connection = composition.look()
        if connection is None:
            nothing = composition.nothing_published()
            yield Finding("server", True, "the embedded server has no data yet", nothing.hint)
            return
        with closing(connection), database_errors():
            yield _server(composition, connection)
            if not composition.stores.apart:
                yield _extension(composition, connection)
    except RagctlError as error:
        yield Finding("server", False, str(error), error.hint)


def _server(composition: Composition, connection: Connection[Any]) -> Finding:
    version = connection.info.server_version // 10_000
    if version < MIN_SERVER:
        return Finding(
            "server",
            False,
            f"PostgreSQL {version}, which is older than {MIN_SERVER}",
            f"let the database's administrator bring it to version {MIN_SERVER} or later (pg_upgrade)",
        )
    if composition.server is None:
        return Finding("server", True, f"PostgreSQL {version}")
    status = composition.server.status()
    return Finding("server", True, f"embedded PostgreSQL {status.version}, data in {status.data}")


def _extension(composition: Composition, connection: Connection[Any]) -> Finding:
    row = connection.execute(
        "SELECT installed_version, default_version FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    if row is None:
        return Finding(
            "pgvector", False, "the server has no extension `vector`", "install pgvector on the server"
        )
    installed, newest = row
    if installed is not None:
        if _numbers(installed) >= MIN_PGVECTOR:
            return Finding("pgvector", True, f"version {installed}")
        return Finding(
            "pgvector",
            False,
            f"version {installed}, which is older than {'.'.join(map(str, MIN_PGVECTOR))}",
            f"ALTER EXTENSION vector UPDATE (the server has version {newest}), as the database's owner",
        )
    if composition.catalog(connection).found(composition.index):
        return Finding(
            "pgvector",
            False,
            "the database's extension `vector` has been dropped, and with it every vector",
            f"{composition.command('doctor', '--repair')}, then {composition.command('ingest')}: "
            "it stores the documents again, from cached vectors",
        )
    return Finding("pgvector", True, f"version {newest} will be set up by the first ingest")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _look_at_disk(composition: Composition) -> Iterator[Finding]:
    """Of the embedded server only: another one's disk cannot be seen from here."""
    try:
        status = composition.server.status() if composition.server is not None else None
        if status is not None and status.data is not None:
            yield _disk(status.data)
    except RagctlError:
        return  # the server's own finding says it


def _disk(data: Path) -> Finding:
    try:
        free = shutil.disk_usage(data).free
    except OSError as error:
        return Finding("disk", False, f"{data}: {error.strerror}", "see who owns the data directory")
    if free >= MIN_FREE_BYTES:
        return Finding("disk", True, f"{free / 1e9:,.1f} GB free for the data directory")
    return Finding(
        "disk",
        False,
        f"{free / 1e9:,.1f} GB free for the data directory {data}, less than {MIN_FREE_BYTES / 1e9:,.1f} GB",
        "free some space; `ragctl index SPEC prune --all` drops kept generations",
    )
