"""One damaged file through the frame: what became of it, and whether that may be."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from fuzz.mutations import Sample
from readers.reading import check

from ragctl.errors import DocumentError, MissingPackage, ReaderCrashed, ReaderStopped
from ragctl.readers.auto import Readers
from ragctl.readers.nested import read_nested
from ragctl.readers.parts import PartFailed
from ragctl.types import Document, Item

GRACE_S = 15.0
"""Beyond the limit of a worker: for starting another, and for what is read in this process."""


class Hang(BaseException):
    """Not an `Exception`: nobody may take it for a document's fault."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one file.

    Attributes:
        outcome: `read`, `skipped`, `empty`, `malformed`, `stopped` (a limit), `crashed` (a worker ended, or a
            library raised what no reader foresaw; contained all the same) or `escape`.
        detail: of the last three.
    """

    name: str
    outcome: str
    seconds: float
    detail: str = ""


@dataclass(slots=True)
class Tally:
    """Outcomes by format."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, attempt: Attempt) -> None:
        self.outcomes.setdefault(kind, Counter())[attempt.outcome] += 1
        self.seconds[kind] = self.seconds.get(kind, 0.0) + attempt.seconds

    def total(self, outcome: str) -> int:
        return sum(counts[outcome] for counts in self.outcomes.values())


def attempt(readers: Readers, sample: Sample, limit: float) -> Attempt:
    """Reads a file as an ingest would, parts and all, and checks what came of it.

    Args:
        limit: seconds that a worker may take.
    """
    item = Item("fuzz", sample.name, f"file:///{sample.name}", "f", size=len(sample.data))
    began = time.monotonic()
    try:
        with _no_longer_than(limit * 2 + GRACE_S):
            outcome, detail = _read(readers, item, sample.data)
    except MissingPackage as error:
        outcome, detail = "skipped", str(error)
    except ReaderStopped as error:
        outcome, detail = "stopped", error.message
    except ReaderCrashed as error:
        outcome, detail = "crashed", error.message
    except DocumentError as error:
        outcome, detail = error.kind if error.kind == "empty" else "malformed", ""
    except (Exception, Hang) as error:
        outcome, detail = "escape", f"{type(error).__name__}: {error}"
    return Attempt(sample.name, outcome, time.monotonic() - began, detail)


def _read(readers: Readers, item: Item, data: bytes) -> tuple[str, str]:
    choice = readers.choose(item, data)
    if choice.reader is None:
        return "skipped", ""
    found = list(read_nested(choice.reader, item, data, readers.choose))
    for one in found:
        if isinstance(one, Document):
            check(one)
    unforeseen = [one for one in found if isinstance(one, PartFailed) and one.error == ReaderCrashed.kind]
    if unforeseen:
        return "crashed", f"{unforeseen[0].path}: {unforeseen[0].reason}"
    return "read", ""


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    if not hasattr(signal, "SIGALRM"):  # Windows: a hang shows as one
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
