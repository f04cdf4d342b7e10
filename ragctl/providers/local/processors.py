"""How many processors a container's quota leaves, where there is one."""

from __future__ import annotations

from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def processor_quota(file: Path = _QUOTA) -> int | None:
    """Whole processors that the Linux control group may use, at least 1; None if it sets no limit.

    OpenVINO heeds the affinity mask but not this quota: in a container that is limited to 2
    processors of 64 it would start 64 threads, which then wait for one another. The file's format
    is `$MAX $PERIOD` in microseconds, or `max $PERIOD` (Linux, cgroup-v2.rst).
    """
    try:
        limit, period = file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    if not (limit.isdecimal() and period.isdecimal() and int(period)):
        return None
    return max(1, -(-int(limit) // int(period)))
