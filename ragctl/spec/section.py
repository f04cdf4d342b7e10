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


def wrong(*problems: tuple[str, str]) -> PydanticCustomError:
    """A validator's error: pairs of the key under the validated value ("" for itself) and what is wrong."""
    return PydanticCustomError("spec", "{problems}", {"problems": problems})
