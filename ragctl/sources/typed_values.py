"""Values of metadata: of a type that a spec names, and plain ones of what databases and files hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

Plain = str | int | float | bool


class WrongType(ValueError):
    """A value is not of the type that it should have; the message says so."""


def typed(value: Any, kind: str) -> Plain:
    """The value as `text`, `number`, `boolean` or `date`.

    A date is ISO text: `2026-11-23`, or with a time, in UTC if it has a zone, `2026-11-23T05:00:00+00:00`;
    the order of such texts is that of time.

    Raises:
        WrongType: it cannot be one.
        KeyError: there is no such type.
    """
    try:
        return _TYPES[kind](value)
    except (ValueError, OverflowError):
        raise WrongType(f"{_brief(value)} is no {kind}") from None


def typed_values(values: Mapping[str, Any], types: Mapping[str, str]) -> dict[str, Any]:
    """The values, those with a type in that type, an element of a list each; the others as they are.

    Raises:
        WrongType: naming the key.
    """
    found = dict(values)
    for key, kind in types.items():
        if key in found:
            try:
                one = found[key]
                found[key] = [typed(e, kind) for e in one] if isinstance(one, list) else typed(one, kind)
            except WrongType as error:
                raise WrongType(f"its {key!r}: {error}") from None
    return found


def plain(value: Any) -> Any:
    """What JSON can hold of a value from a database or a columnar file.

    Dates and times become ISO text, decimals numbers, UUIDs text, arrays lists. What cannot be said so, such
    as bytes, becomes None.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime | date):
        return _date(value)
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return {str(key): plain(one) for key, one in value.items()} if isinstance(value, Mapping) else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    if isinstance(value, int):
        return value
    try:
        return int(value) if isinstance(value, str) else _finite(value)
    except ValueError:
        return _finite(float(value))


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    found = known.get(str(value).strip().casefold()) if isinstance(value, str | int) else None
    if found is None:
        raise ValueError
    return found


def _date(value: Any) -> str:
    if isinstance(value, str):
        text = value.strip()
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            value = datetime.fromisoformat(text)
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise ValueError


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


_TYPES = {"text": _text, "number": _number, "boolean": _boolean, "date": _date}
