"""Readers that do what no reader should, for the processes that must survive it. Run in a worker only."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from ragctl.errors import MalformedDocument
from ragctl.readers import table, worker, worker_process
from ragctl.readers.assemble import assemble
from ragctl.readers.parts import Found, Part
from ragctl.types import Item

PROGRAM = worker_process._PROGRAM.replace(
    "from ragctl", "from readers import faulty_readers; faulty_readers.register(); from ragctl", 1
)


class FaultyReader:
    """Does what the item's path names."""

    name = "faulty"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Found]:
        name = data.rpartition(b"\n")[2].decode("ascii") if item.path.endswith(".pdf") else item.path
        yield from getattr(self, name)(item, data)

    def good(self, item: Item, data: bytes) -> Iterator[Found]:
        yield assemble(item, data, data.decode("utf-8"), reader="faulty@1", media_type="text/plain")
        yield Part("inner.txt", b"inner")

    def pid(self, item: Item, data: bytes) -> Iterator[Found]:
        yield assemble(item, data, str(os.getpid()), reader="faulty@1", media_type="text/plain")

    def environment(self, item: Item, data: bytes) -> Iterator[Found]:
        yield assemble(item, data, " ".join(os.environ), reader="faulty@1", media_type="text/plain")

    def segfault(self, item: Item, data: bytes) -> Iterator[Found]:
        ctypes.string_at(0)
        yield from ()

    def exit(self, item: Item, data: bytes) -> Iterator[Found]:
        os._exit(7)
        yield from ()

    def hang(self, item: Item, data: bytes) -> Iterator[Found]:
        while True:
            pass
        yield from ()

    def hang_in_a_program(self, item: Item, data: bytes) -> Iterator[Found]:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with open(data.decode("utf-8"), "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(str(child.pid))
        child.wait()
        yield from ()

    def deaf(self, item: Item, data: bytes) -> Iterator[Found]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(600)
        yield from ()

    def memory(self, item: Item, data: bytes) -> Iterator[Found]:
        kept = []
        while True:
            kept.append(b"x" * (1 << 20))
        yield from ()

    def output(self, item: Item, data: bytes) -> Iterator[Found]:
        while True:
            yield Part("a", b"x" * (1 << 20))

    def malformed(self, item: Item, data: bytes) -> Iterator[Found]:
        raise MalformedDocument("it is password-protected", hint="a hint")
        yield from ()

    def raises(self, item: Item, data: bytes) -> Iterator[Found]:
        raise ZeroDivisionError("of a library")
        yield from ()

    def missing(self, item: Item, data: bytes) -> Iterator[Found]:
        import a_package_that_is_not_there  # noqa: F401

        yield from ()

    def prints(self, item: Item, data: bytes) -> Iterator[Found]:
        print("x" * 100_000, flush=True)
        os.write(1, b"y" * 100_000)
        yield assemble(item, data, "words", reader="faulty@1", media_type="text/plain")

    def nonsense(self, item: Item, data: bytes) -> Iterator[Found]:
        for descriptor in range(3, 10):
            try:
                os.write(descriptor, b"\xff" * 64)
            except OSError:
                continue
        time.sleep(600)
        yield from ()

    def many_prints(self, item: Item, data: bytes) -> Iterator[Found]:
        for _ in range(100):
            os.write(2, b"z" * 100_000)
        yield assemble(item, data, "words", reader="faulty@1", media_type="text/plain")


def register() -> None:
    """Makes `faulty` a reader of this process."""
    entry = table.Entry("faulty", "FaultyReader", (), where="worker", extra="formats")
    readers = {**table.READERS, "faulty": entry}
    table.READERS = readers
    real = table.made

    def made(name: str, options: dict[str, object]) -> object:
        return FaultyReader() if name == "faulty" else real(name, options)

    table.made = worker.made = made  # type: ignore[assignment]
