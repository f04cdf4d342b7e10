"""When a DAG runs: a cron expression of five fields, or one of Airflow's presets.

Airflow leaves a DAG out altogether whose schedule it cannot read, so that a slip is found here.
What passes is a subset of what croniter takes, which Airflow reads cron expressions with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ragctl.spec.mistakes import closest, shown

PRESETS = ("@once", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly", "@continuous")

_WHAT_FITS = f"a cron expression of five fields, such as '0 5 * * 2', or one of {', '.join(PRESETS)}"
_STEP = re.compile(r"[1-9][0-9]?")
_NTH = re.compile(r"[0-7]#[1-5]|L[0-7]")
"""Days of the week: `5#2`, the second Friday of the month; `L5`, the last."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """The value that the text stands for; None if it stands for none of this field."""
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.least
        found = int(text) if re.fullmatch("[0-9]{1,2}", text) else -1
        return found if self.least <= found <= self.most else None


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _DAYS),
)


def schedule_problem(text: str) -> str | None:
    """What is wrong with a schedule; None if nothing is."""
    if text in PRESETS:
        return None
    fields = text.split()
    if text.startswith("@") or len(fields) < 2:
        near = closest(text, PRESETS)
        return f"unknown preset; did you mean '{near}'?" if near else f"must be {_WHAT_FITS}"
    if not re.fullmatch(r"[0-9A-Za-z*,/#? -]+", text):
        return f"must be {_WHAT_FITS}"
    if len(fields) != len(_FIELDS):
        names = ", ".join(field.name for field in _FIELDS)
        return f"has {len(fields)} fields, and a cron expression has five here: {names}"
    for field, given in zip(_FIELDS, fields, strict=True):
        if not _field_fits(field, given):
            return f"{field.name}: {shown(given)} does not fit; {_allowed(field)}"
    return None


def _field_fits(field: _Field, given: str) -> bool:
    if given == "?":
        return "day" in field.name
    parts = given.split(",")
    if field.name == "day of the week" and any(_NTH.fullmatch(part) for part in parts):
        return all(_NTH.fullmatch(part) for part in parts)  # croniter takes no mixture
    return all(_fits(field, part) for part in parts)


def _fits(field: _Field, part: str) -> bool:
    span, slash, step = part.partition("/")
    if slash and not (_STEP.fullmatch(step) and int(step) <= field.most):
        return False
    if span == "*" or (part == "L" and field.name == "day of the month"):
        return True
    # A range may run over the end: 22-6, fri-sun. And 5/10 is 5-59/10.
    low, dash, high = span.partition("-")
    return field.number(low) is not None and (not dash or field.number(high) is not None)


def _allowed(field: _Field) -> str:
    names = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
    return f"it takes * or {field.least} to {field.most}{names}, lists (1,3), ranges (1-3) and steps (*/2)"
