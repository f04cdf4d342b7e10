"""When a round kills: some time after the run began, or right after a certain event of it."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.002
# After an event, up to this many seconds more: as long as what follows it takes.
JITTER_S = 0.015
BY_TIME = 0.4
# Of the moments by event, the share right after it.
AT_ONCE = 0.6
# Of the expected time after a run that was killed: it might have taken longer.
GROWTH = 1.02
EVENTS = (
    "embedded",
    "copying",
    "copied",
    "written",
    "deleting",
    "deleted",
    "publishing",
    "published",
    "dropping",
    "dropped",
)
# Those in the midst of a change that readers and the next run must see whole or not at all.
IN_THE_MIDST = frozenset({"copying", "copied", "deleting", "deleted", "publishing", "dropping", "dropped"})


@dataclass(frozen=True, slots=True)
class Moment:
    """`seconds` after the run's first line, or after the `number`th line of an event if there is one."""

    seconds: float
    event: str | None = None
    number: int = 1

    def wait(self, process: subprocess.Popen[str], journal: Path, most: float) -> bool:
        """Returns when the process has ended, with False, or when its time has come, with True.

        Args:
            most: seconds that a run may take after which an event is not waited for any more.
        """
        deadline = wait_for_begin(process, journal) + (self.seconds if self.event is None else most)
        while process.poll() is None:
            if time.monotonic() > deadline:
                return True
            time.sleep(POLL_S)
        return False


@dataclass(slots=True)
class Expected:
    """What is expected of a run, learnt from those that came to their end.

    Attributes:
        seconds: from its first line to its end.
        events: the journal's.
    """

    seconds: float = 5.0
    events: Sequence[str] = EVENTS

    def moment(self, chance: random.Random) -> Moment:
        """By time, or by one of the events, each as likely as the other however often it comes."""
        if chance.random() < BY_TIME:
            return Moment(chance.uniform(0, self.seconds))
        event = chance.choice([one for one in EVENTS if one in self.events])
        seconds = 0.0 if chance.random() < AT_ONCE else chance.uniform(0, JITTER_S)
        return Moment(seconds, event, chance.randint(1, self.events.count(event)))

    def learn(self, events: Sequence[str], seconds: float | None) -> None:
        """From a run that wrote something: `seconds` is None if it was killed."""
        if "written" not in events:
            return
        if seconds is None:
            self.seconds *= GROWTH
        else:
            self.seconds, self.events = seconds, tuple(events)


def wait_for_begin(process: subprocess.Popen[str], journal: Path) -> float:
    """When the journal had its first line, or the process ended without one; on the monotonic clock."""
    while process.poll() is None and not events(journal):
        time.sleep(POLL_S)
    return time.monotonic()


def lines(journal: Path) -> list[str]:
    """The journal's whole lines."""
    try:
        return journal.read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []


def events(journal: Path) -> list[str]:
    """The first words of the journal's lines."""
    return [line.partition(" ")[0] for line in lines(journal)]


def struck(journal: Path) -> tuple[str | None, list[str]]:
    """Whom the run itself killed, if it came to that, and the events before it."""
    before: list[str] = []
    for line in lines(journal):
        event, _, rest = line.partition(" ")
        if event == "killing":
            return rest, before
        before.append(event)
    return None, before
