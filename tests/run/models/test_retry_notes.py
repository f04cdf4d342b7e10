"""Repetitions are told of, but not each of them."""

from __future__ import annotations

from ragctl.run.models.retry_notes import EVERY_S, RetryNotes


def test_one_note_at_a_time_says_how_many_it_stands_for() -> None:
    now, notes = [0.0], list[str]()
    tell = RetryNotes(notes.append, clock=lambda: now[0])
    for text in ("first", "second", "third"):
        tell(text)
    assert notes == ["first"]
    now[0] = EVERY_S
    tell("fourth")
    assert notes == ["first", "fourth (2 more since the last such note)"]
    now[0] = 2 * EVERY_S
    tell("fifth")
    assert notes[-1] == "fifth"
