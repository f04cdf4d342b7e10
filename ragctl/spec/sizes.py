"""Sizes in bytes, as a spec writes them: a number, or `64 MiB`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ragctl.spec.section import wrong

MIB = 1024 * 1024
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1024, "MIB": MIB, "GIB": 1024 * MIB}
_SIZE = r"^[0-9]{1,12} ?([KkMmGg][Ii]?)?[Bb]$"


def _size(value: Any) -> Any:
    """Bytes of `64 MiB`; anything but text is left to the next validator."""
    if not isinstance(value, str):
        return value
    if not re.match(_SIZE, value):
        raise wrong(("", "must be a number of bytes, or a size such as 64 MiB"))
    number = value.rstrip("KMGIBkmgib ")
    return int(number) * _UNITS[value[len(number) :].strip().upper()]


_SizeText = Annotated[str, Field(pattern=_SIZE)]
_Count = Annotated[int, Field(ge=1, le=4 * 1024 * MIB)]
Bytes = Annotated[_Count, BeforeValidator(_size, json_schema_input_type=_Count | _SizeText)]
_DiskCount = Annotated[int, Field(ge=0, le=10**15)]
DiskBytes = Annotated[_DiskCount, BeforeValidator(_size, json_schema_input_type=_DiskCount | _SizeText)]
