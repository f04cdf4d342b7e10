"""What documents can be filtered by: typed conditions on their metadata, source, path and media type."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal

Scalar = str | int | float | bool
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in"]
DOCUMENT_KEYS = ("source", "path", "media_type")
"""What every document can be filtered by besides its metadata, which they come before; all of them texts."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a document must fulfil for its chunks to be searched; several conditions must all be fulfilled.

    Types are kept apart: a number equals and is ordered among numbers, a text among texts (by code point, as
    ISO dates are to be), and `true` is neither 1 nor "true". A list fulfils a condition if an element of it
    does. `!=` is fulfilled wherever `=` is not: also without the key. Nothing else is without it.

    Attributes:
        key: one of `DOCUMENT_KEYS`, or of the document's metadata, on its uppermost level.
        operator: `in`: equal to one of them.
        value: a tuple for `in`, one value for the others; a text or a number for those of order.

    Raises:
        ValueError: operator and value do not go together, or nothing that is stored could be compared with
            the key or the value: a null character, half a surrogate pair, NaN, infinity.
    """

    key: str
    operator: Operator
    value: Scalar | tuple[Scalar, ...]

    def __post_init__(self) -> None:
        if isinstance(self.value, tuple) != (self.operator == "in"):
            raise ValueError(f"`in` takes several values, each other operator one: {self.operator!r}")
        if self.operator in ("<", "<=", ">", ">=") and isinstance(self.value, bool):
            raise ValueError(f"true and false have no order: {self.operator!r}")
        for value in (self.key, *self.values):
            if isinstance(value, float) and not isfinite(value):
                raise ValueError("a number is not finite")
            if isinstance(value, str) and any(one == "\0" or "\ud800" <= one <= "\udfff" for one in value):
                raise ValueError("a null character or half a surrogate pair is in it; no stored text has one")

    @property
    def values(self) -> tuple[Scalar, ...]:
        """One, or those of `in`."""
        return self.value if isinstance(self.value, tuple) else (self.value,)
