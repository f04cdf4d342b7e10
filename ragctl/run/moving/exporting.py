"""index export: an index as Parquet files, for another machine or for other programs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl import __version__
from ragctl.errors import GuardRefused
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.moving.content import ContentSum
from ragctl.run.moving.moved import Moved
from ragctl.run.moving.origin import IndexOrigin, opened_origin
from ragctl.run.moving.parquet_columns import (
    EXPORT,
    FILE_VERSION,
    OURS,
    chunk_schema,
    chunk_table,
    files_of,
    item_schema,
    item_table,
    pyarrow,
)
from ragctl.run.moving.parquet_writing import ParquetFile
from ragctl.run.progress import Progress, Silent
from ragctl.run.upkeep.notes import note_of

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

PLAIN = ("text", "vector", "lexemes", "input_hash", "start", "end")


def export_index(
    loaded: LoadedSpec,
    path: Path,
    *,
    replace: bool = False,
    wait: bool = False,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Moved:
    """Writes the active generation's chunks to one file, what the ledger knows to a second one.

    Args:
        path: `NAME.parquet`, or a folder; see `files_of`.
        replace: also where there is such a file already.
        wait: wait for another run on the index to end, however long it takes.

    Raises:
        GuardRefused: there is such a file, or another run is in progress.
        UsageError: it cannot be written.
        MissingPackage: pyarrow is not installed.
        NothingPublished: there is nothing to write.
    """
    started = time.monotonic()
    pyarrow()
    chunks, items = files_of(path)
    there = [str(one) for one in (chunks, items) if one.exists()]
    if there and not replace:
        raise GuardRefused(
            f"{there[0]} is there already; nothing was written",
            hint="name another file, or write it anew with --replace",
        )
    moved = Moved("export", f"{loaded.spec.store.index} ({loaded.path})", str(path))
    with (
        Composition(loaded) as composition,
        database_errors(),
        opened_origin(composition, "index export", wait=wait) as (origin, record),
    ):
        _write(origin, chunks, items, moved, progress or Silent(), stop)
        moved.seconds = time.monotonic() - started
        record.update(moved.as_json())
    return moved


def _write(
    origin: IndexOrigin,
    chunks: Path,
    items: Path,
    moved: Moved,
    progress: Progress,
    stop: Callable[[], bool],
) -> None:
    moved.generation = origin.generation.number
    schema = chunk_schema(origin.generation.dimension)
    total = ContentSum()
    with ParquetFile(chunks, schema, plain=PLAIN) as file, ParquetFile(items, item_schema()) as second:
        progress.start(origin.counts[0], "documents")
        try:
            for some in origin.documents():
                if stop():
                    moved.interrupted = True
                    return
                file.write(chunk_table(some, schema))
                for one in some:
                    total.add(one)
                moved.documents += len(some)
                moved.chunks += sum(one.chunks for one in some)
                progress.advance(len(some), chunks=sum(one.chunks for one in some))
        finally:
            progress.done()
        for rows in origin.items():
            second.write(item_table(rows, item_schema()))
        moved.content, moved.written = total.hex, moved.documents
        about = _about(origin, moved)
        second.finish({EXPORT: about["export"].encode()})
        file.finish({OURS: json.dumps(about).encode(), b"embedder": origin.generation.embedder.encode()})
        # The chunks last: while they are those of before, the items beside them are known to be others'.
        moved.bytes = second.commit() + file.commit()


def _about(origin: IndexOrigin, moved: Moved) -> dict[str, Any]:
    """What an import must know, as JSON values; no secret, no place of this machine but the documents'."""
    made = datetime.now(UTC).isoformat()
    return {
        "version": FILE_VERSION,
        "export": f"{made} {moved.content[:16]}",
        "made_at": made,
        "ragctl": __version__,
        "documents": moved.documents,
        "chunks": moved.chunks,
        "content": moved.content,
        "generation": note_of(origin.generation, origin.composition.spec.name),
    }
