"""Progress on stderr: a bar on a terminal, a line now and then elsewhere, JSON Lines on request."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ragctl.cli.output import talk, talk_console

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from ragctl.run.progress import Progress

LINE_INTERVAL_S = 5.0


def make_progress(*, log_json: bool, verbose: bool) -> Progress:
    """The kind that fits where stderr goes."""
    if log_json:
        return JsonLines()
    if sys.stderr.isatty():
        return Bar()
    return Lines(interval_s=0.0 if verbose else LINE_INTERVAL_S)


class _Counting:
    """Documents and chunks done, of a total that does not change."""

    def __init__(self) -> None:
        self.total = self.documents = self.chunks = self.read = 0
        self.what = ""
        self._started = time.monotonic()

    def start(self, total: int, what: str) -> None:
        self.total, self.what = total, what
        self.documents = self.chunks = self.read = 0
        self._started = time.monotonic()

    def advance(self, documents: int = 1, *, chunks: int = 0) -> None:
        self.documents += documents
        self.chunks += chunks

    def embedded(self, chunks: int) -> None:
        self.read += chunks

    @property
    def chunks_seen(self) -> int:
        """Written, or read by the model and not written yet."""
        return max(self.chunks, self.read)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started


class Lines(_Counting):
    """A line when `interval_s` seconds have passed since the last, and one at the end."""

    def __init__(self, interval_s: float = LINE_INTERVAL_S) -> None:
        super().__init__()
        self._interval = interval_s
        self._last = time.monotonic()

    def advance(self, documents: int = 1, *, chunks: int = 0) -> None:
        super().advance(documents, chunks=chunks)
        self._now_and_then()

    def embedded(self, chunks: int) -> None:
        super().embedded(chunks)
        self._now_and_then()

    def note(self, message: str) -> None:
        talk(message)

    def done(self) -> None:
        self._line()

    def _now_and_then(self) -> None:
        if time.monotonic() - self._last >= self._interval:
            self._last = time.monotonic()
            self._line()

    def _line(self) -> None:
        chunks = f", {self.chunks_seen:,} chunks" if self.chunks_seen else ""
        talk(f"{self.documents:,} of {self.total:,} {self.what}{chunks}, {self.elapsed:.0f} s")


class JsonLines(_Counting):
    """One JSON object a step: time, event, and its numbers."""

    def start(self, total: int, what: str) -> None:
        super().start(total, what)
        self._log("start", total=total, what=what)

    def advance(self, documents: int = 1, *, chunks: int = 0) -> None:
        super().advance(documents, chunks=chunks)
        self._log("advance", documents=self.documents, total=self.total, chunks=self.chunks)

    def embedded(self, chunks: int) -> None:
        super().embedded(chunks)
        self._log("embedded", chunks=self.read)

    def note(self, message: str) -> None:
        self._log("note", message=message)

    def done(self) -> None:
        self._log("done", documents=self.documents, total=self.total, chunks=self.chunks)

    def _log(self, event: str, **numbers: object) -> None:
        talk(
            json.dumps({"time": datetime.now(UTC).isoformat(), "event": event, **numbers}, ensure_ascii=False)
        )


class Bar(_Counting):
    """A bar of documents with the time that is left."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def start(self, total: int, what: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        super().start(total, what)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[chunks]:,} chunks"),
            TimeRemainingColumn(),
            console=talk_console(),
            transient=True,
        )
        self._task = self._bar.add_task(what, total=total, chunks=0)
        self._bar.start()

    def advance(self, documents: int = 1, *, chunks: int = 0) -> None:
        super().advance(documents, chunks=chunks)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=documents, chunks=self.chunks_seen)

    def embedded(self, chunks: int) -> None:
        super().embedded(chunks)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, chunks=self.chunks_seen)

    def note(self, message: str) -> None:
        if self._bar is not None:
            self._bar.console.print(message, markup=False)
        else:
            talk(message)

    def done(self) -> None:
        if self._bar is not None:
            self._bar.stop()
