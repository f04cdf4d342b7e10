"""Writes a Parquet file that is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ragctl.errors import UsageError
from ragctl.run.moving.parquet_columns import pyarrow

_GROUP_BYTES = 16 * 2**20
"""Of a row group in memory: whoever reads the file holds about so much."""


class ParquetFile:
    """A file that is written under another name, and takes its own in `commit`.

    In a `with`: what was not committed is removed. A process that is killed leaves `.NAME.partial` behind,
    which the next export to the same name writes over.

    Args:
        plain: columns of which hardly two values are the same, so that none is looked up in a dictionary.
    """

    def __init__(self, path: Path, schema: Any, *, plain: tuple[str, ...] = ()) -> None:
        from pyarrow import parquet

        self._path = path
        self._partial = path.with_name(f".{path.name}.partial")
        self._waiting: list[Any] = []
        self._waiting_bytes = 0
        with _as_usage_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer: Any = parquet.ParquetWriter(
                self._partial,
                schema,
                compression="zstd",
                use_dictionary=[name for name in schema.names if name not in plain],
                write_page_checksum=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._partial.unlink(missing_ok=True)

    def write(self, table: Any) -> None:
        """Rows; they are put together until they are a row group.

        Raises:
            UsageError: they cannot be written.
        """
        self._waiting.append(table)
        self._waiting_bytes += table.nbytes
        if self._waiting_bytes >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            with _as_usage_error(self._path):
                whole = pyarrow().concat_tables(self._waiting)
                self._writer.write_table(whole, row_group_size=max(whole.num_rows, 1))
            self._waiting, self._waiting_bytes = [], 0

    def finish(self, metadata: Mapping[bytes, bytes]) -> None:
        """Ends the file, which still has its other name, with this metadata in it."""
        self._flush()
        with _as_usage_error(self._path):
            self._writer.add_key_value_metadata({key.decode(): one.decode() for key, one in metadata.items()})
            self._writer.close()
            self._writer = None
            with self._partial.open("rb+") as stream:
                os.fsync(stream.fileno())

    def commit(self) -> int:
        """Gives the finished file its name; returns its bytes."""
        with _as_usage_error(self._path):
            self._partial.replace(self._path)
            return self._path.stat().st_size


class _as_usage_error:  # noqa: N801  # reads as a function
    """An operating system's refusal, as an error for people."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise UsageError(
                f"cannot be written: {error.strerror or error}",
                where=str(self._path),
                hint="see that there is room and that you may write there; nothing half is left",
            ) from error
