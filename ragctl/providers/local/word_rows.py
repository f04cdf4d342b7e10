"""The vectors of a question's words, read from the weights without the rest of the table.

The table is more than half of a small model's file, and nearly all of a multilingual one's.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ragctl.errors import Unavailable, UsageError
from ragctl.providers.local.architecture import Family
from ragctl.providers.local.description import stamp_of
from ragctl.providers.local.weights import WORDS, as_floats, read_header, refuse_other_shape

_KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class WordRows:
    """Rows of the table of words in `model.safetensors`; they are read anew for each call.

    Not mapped into memory: were the file cut short then, that would end the process.

    Args:
        path: a file that safetensors itself has read before: only it looks whether all is sound.
        hidden: numbers in a row.

    Attributes:
        rows: of the table.

    Raises:
        UsageError: the file is no safetensors file, or has no such table of floating-point numbers.
    """

    def __init__(self, path: Path, family: Family, hidden: int) -> None:
        self._path = path
        self._looked = _looks(path)
        entries, begin = read_header(path, family)
        if WORDS not in entries:
            raise UsageError(f"the model has no weights {WORDS!r}", where=str(path))
        entry = entries[WORDS]
        refuse_other_shape(WORDS, entry["shape"], (-1, hidden))
        self._kind: str = entry["dtype"]
        if self._kind not in _KINDS:
            raise UsageError(f"the weights {WORDS!r} are of the kind {self._kind}", where=str(path))
        self._dtype = np.dtype(_KINDS[self._kind])
        self.rows: int = entry["shape"][0]
        self._hidden = hidden
        self._first: int = begin + entry["data_offsets"][0]

    def __call__(self, ids: NDArray[np.integer]) -> NDArray[np.float32]:
        """Shape (tokens,) to (tokens, hidden).

        Raises:
            Unavailable: the file is another one by now.
        """
        wanted, where = np.unique(ids, return_inverse=True)
        try:
            with self._path.open("rb") as file:
                found = b"".join(self._row(file, int(one)) for one in wanted)
            same = _looks(self._path) == self._looked
        except OSError:
            same = False
        size = self._hidden * self._dtype.itemsize
        if not same or len(found) != len(wanted) * size:
            raise Unavailable(
                "the model's weights changed while they were in use",
                where=str(self._path),
                hint="run the same command again",
            )
        return as_floats(np.frombuffer(found, self._dtype).reshape(-1, self._hidden), self._kind)[where]

    def _row(self, file: BinaryIO, number: int) -> bytes:
        size = self._hidden * self._dtype.itemsize
        file.seek(self._first + number * size)
        return file.read(size)


def _looks(path: Path) -> tuple[int, ...]:
    """Size, time of modification and inode. A new hard link changes the other time and nothing here."""
    size, modified, _, inode = stamp_of(path)
    return size, modified, inode
