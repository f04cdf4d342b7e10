"""Texts of a gigabyte read in segments: seconds, and the peak of memory.

    make bench-large-texts

Linux: the peak is read from /proc. Each kind is read in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ragctl.readers.segments import first_look, segments_of
from ragctl.readers.table import made
from ragctl.types import Item

READERS = {"csv": "delimited", "jsonl": "json_lines", "log": "text"}
_LINES: dict[str, Callable[[int], str]] = {
    "csv": lambda n: (
        f'{n},name {n},"place, of {n}","a note of some words that goes on for a while: {n * 7919}"\n'
    ),
    "jsonl": lambda n: f'{{"id": {n}, "text": "a note of some words {n * 7919}", "tags": ["a", "b"]}}\n',
    "log": lambda n: f"2026-11-23T06:00:00 INFO worker {n % 17}: took up task {n * 7919} of the queue\n",
}
_AT_ONCE = 5_000


def write(file: Path, kind: str, size: int) -> None:
    """A file of that kind with at least `size` bytes."""
    with file.open("w", encoding="utf-8") as out:
        if kind == "csv":
            out.write("id,name,place,note\n")
        for lines in _lines(kind):
            out.write(lines)
            if out.tell() >= size:
                return


def _lines(kind: str) -> Iterator[str]:
    number = 0
    while True:
        yield "".join(_LINES[kind](one) for one in range(number, number + _AT_ONCE))
        number += _AT_ONCE


def read(file: Path, kind: str) -> None:
    """Reads all of it and prints what it took."""
    reader = made(READERS[kind], {})
    item = Item("big", file.name, file.as_uri(), "f")
    before = time.perf_counter()
    look = first_look(lambda: file.open("rb"), READERS[kind])
    segments = characters = 0
    for document in segments_of(item, lambda: file.open("rb"), reader, look):
        segments += 1
        characters += len(document.text)
    took = time.perf_counter() - before
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024
    print(f"{kind:<6} {segments:>5} segments  {characters:>14,} characters  {took:7.1f} s  peak {peak} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--read", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        read(Path(given.read[1]), given.read[0])
        return
    with tempfile.TemporaryDirectory() as folder:
        for kind in READERS:
            file = Path(folder, f"big.{kind}")
            write(file, kind, int(given.gigabytes * 1e9))
            subprocess.run([sys.executable, __file__, "--read", kind, str(file)], check=True)
            file.unlink()


if __name__ == "__main__":
    main()
