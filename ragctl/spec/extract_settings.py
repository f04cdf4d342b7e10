"""The model of a spec's section `extract`: how documents are read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ragctl.spec.section import Section
from ragctl.spec.sizes import MIB, Bytes


class ExtractSettings(Section):
    """How documents are read."""

    example = "{reader: auto}"

    reader: Literal["auto"] = Field(
        default="auto", description="What reads a file: `auto` chooses by its name and content."
    )
    max_bytes: Bytes = Field(
        default=64 * MIB,
        description="The largest file or record that is read, in bytes or as a size such as `64 MiB`. "
        "A larger one fails by name. Changing it makes no new generation.",
    )
