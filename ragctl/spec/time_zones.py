"""The name of a time zone."""

from __future__ import annotations

import re

from ragctl.spec.mistakes import closest, shown

_SHAPE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")


def time_zone_problem(name: str) -> str | None:
    """What is wrong with the name; None if nothing is.

    Where Python has no time zones at hand, as on Windows without `tzdata`, only its shape is looked at.
    """
    example = "the name of a time zone, such as 'UTC' or 'Europe/Berlin'"
    if len(name) > 60 or not _SHAPE.fullmatch(name):
        return f"must be {example}"
    if name == "UTC":
        return None
    import zoneinfo

    known = zoneinfo.available_timezones()
    if not known or name in known:
        return None
    near = closest(name, known)
    return f"unknown time zone {shown(name)}; " + (
        f"did you mean '{near}'?" if near else f"it must be {example}"
    )
