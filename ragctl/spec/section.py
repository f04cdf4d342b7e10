"""What every mapping of the spec is made of."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A mapping of the spec: closed, immutable, and silent about its values in errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    example: ClassVar[str] = "{key: value}"


Problem = tuple[str | tuple[str, ...], str]
"""Where under the validated value, and what is wrong there: "" for the value itself, a key, a dotted path,
or a path in parts, as a key that the user chose may have a dot in it."""


def wrong(*problems: Problem) -> PydanticCustomError:
    """A validator's error."""
    return PydanticCustomError("spec", "{problems}", {"problems": problems})
