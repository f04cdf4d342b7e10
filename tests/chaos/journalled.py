"""ragctl with a journal of how far it came, which outlives SIGKILL.

    python -m chaos.journalled JOURNAL STRIKE COMMAND SPEC …

Each line of JOURNAL is an event: `begun`, `listed`, `embedded HASH …` (vectors that the model returned,
by the first hex digits of their inputs' SHA-256), `copying` and `copied` (into a transaction that is not
committed yet), `written` (committed), `deleting`, `deleted`, `publishing`, `published`, `dropping` and
`dropped` (a generation), `killing VICTIM`, `ended`.

STRIKE is a `Strike` as JSON, or `null`: whom this process kills at one of these events, itself or the
server; from outside, it would always come too late for the shortest steps.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos import victims

HASH_DIGITS = 16
# So that a small corpus takes many windows and transactions, as a large one does with the usual sizes.
WINDOW_CHUNKS = 48
BATCH_CHUNKS = 24


@dataclass(frozen=True, slots=True)
class Strike:
    """A kill `seconds` after the `number`th `event`.

    Attributes:
        victim: as in chaos.victims; this process, if there is no such victim then.
        base: the folder whose `.ragctl` has the embedded server.
    """

    event: str
    number: int
    seconds: float
    victim: str
    base: str


class Journal:
    """Appends lines; what a killed process wrote stays in the file. Strikes at its moment."""

    def __init__(self, path: Path, strike: Strike | None) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._strike = strike
        self._seen: Counter[str] = Counter()

    def note(self, event: str, *words: str) -> None:
        self._append(event, *words)
        self._seen[event] += 1
        strike = self._strike
        if strike is None or (event, self._seen[event]) != (strike.event, strike.number):
            return
        if strike.seconds:
            threading.Timer(strike.seconds, self._carry_out, [strike]).start()
        else:
            self._carry_out(strike)

    def _append(self, *words: str) -> None:
        os.write(self._file, (" ".join(words) + "\n").encode())

    def _carry_out(self, strike: Strike) -> None:
        pid = victims.find(strike.victim, Path(strike.base), random.Random())
        self._append("killing", strike.victim if pid else victims.RAGCTL)
        os.kill(pid or os.getpid(), signal.SIGKILL)

    def watch(self, owner: type, method: str, *, before: str | None = None, after: str | None = None) -> None:
        """From now on calls of the method are noted."""
        plain: Callable[..., Any] = getattr(owner, method)

        def noted(*arguments: Any, **options: Any) -> Any:
            if before:
                self.note(before)
            result = plain(*arguments, **options)
            if after:
                self.note(after)
            return result

        setattr(owner, method, noted)


def watch_everything(journal: Journal) -> None:
    """Notes what the parts of an ingest do, which are the real ones."""
    from ragctl.providers.local.encoder import LocalEmbedder
    from ragctl.run.ingesting.ingest import LedgeredWriter
    from ragctl.sources.directory import DirectorySource
    from ragctl.state.generations import Generations
    from ragctl.stores.pgvector import PgVectorStore

    items, embed = DirectorySource.items, LocalEmbedder.embed

    def noted_items(self: DirectorySource) -> Iterator[Any]:
        yield from items(self)
        journal.note("listed")

    def noted_embed(self: LocalEmbedder, inputs: Sequence[str]) -> Iterator[Any]:
        from ragctl.stages.embed import input_hash

        for batch in embed(self, inputs):
            hashes = [input_hash(inputs[position]).hex()[:HASH_DIGITS] for position in batch.positions]
            journal.note("embedded", *hashes)
            yield batch

    DirectorySource.items = noted_items  # type: ignore[method-assign]
    LocalEmbedder.embed = noted_embed  # type: ignore[method-assign]
    journal.watch(PgVectorStore, "replace", before="copying", after="copied")
    journal.watch(LedgeredWriter, "replace", after="written")
    journal.watch(PgVectorStore, "delete", before="deleting", after="deleted")
    journal.watch(PgVectorStore, "drop", before="dropping", after="dropped")
    journal.watch(Generations, "publish", before="publishing", after="published")


def take_small_steps() -> None:
    """Windows and transactions become small."""
    from ragctl.stages import store
    from ragctl.stages.embed import embed

    assert embed.__kwdefaults__ is not None
    embed.__kwdefaults__["window"] = WINDOW_CHUNKS
    store.BATCH_CHUNKS = BATCH_CHUNKS


def main() -> int:
    from ragctl.cli.main import main as ragctl

    strike = json.loads(sys.argv[2])
    journal = Journal(Path(sys.argv[1]), Strike(**strike) if strike else None)
    watch_everything(journal)
    take_small_steps()
    journal.note("begun")
    code = ragctl(sys.argv[3:])
    journal.note("ended")
    return code


if __name__ == "__main__":
    sys.exit(main())
