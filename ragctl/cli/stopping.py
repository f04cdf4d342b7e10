"""Ctrl-C and SIGTERM: the first finishes whole documents, the second stops at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType, TracebackType

from ragctl.errors import ExitCode


class StopSwitch:
    """Call it to learn whether to stop. In a `with`, it takes the place of the signals' own handlers.

    `notify` is told once, at the first signal.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._give_up: Callable[[], None] = lambda: None
        self._received: int | None = None
        self._before: dict[int, object] = {}

    def __call__(self) -> bool:
        return self._received is not None

    def when_giving_up(self, act: Callable[[], None]) -> None:
        """`act` is called at the second signal, before what goes on is interrupted."""
        self._give_up = act

    @property
    def exit_code(self) -> ExitCode:
        """130 after Ctrl-C, 143 after SIGTERM."""
        return ExitCode.TERMINATED if self._received == signal.SIGTERM else ExitCode.INTERRUPTED

    def __enter__(self) -> StopSwitch:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave us it takes back

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            self._give_up()
            raise KeyboardInterrupt
        self._received = number
        self._notify("stopping: finishing the documents in hand; once more stops at once")
