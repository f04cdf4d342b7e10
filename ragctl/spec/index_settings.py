"""What the section `store` says of an index whatever kind of store it lies in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ragctl.spec.names import INDEX
from ragctl.spec.section import Section
from ragctl.spec.sizes import DiskBytes


class IndexSettings(Section):
    """An index. Each kind of store adds where it lies."""

    type: str = Field(description="The kind of store.")
    index: Annotated[str, Field(pattern=INDEX)] = Field(
        default="",
        description="The index's name in the store. It belongs to one pipeline.",
        json_schema_extra={"default_is": "`name`, with - turned into _"},
    )
    existing: Literal["replace", "skip", "error"] = Field(
        default="replace",
        description="What to do with a document that is in the index and has changed: `replace` it, "
        "`skip` it and keep the old version, or make it an `error`.",
    )
    keep_generations: int = Field(
        default=1,
        ge=0,
        le=20,
        description="Older generations that are kept beside the active one.",
    )
    cache_max_bytes: DiskBytes = Field(
        default=2 * 10**9,
        description="The largest size of the cache of vectors, in bytes or as a size such as `2 GB`. It is "
        "looked at when an ingest has ended. All specs that use one database share the cache. Changing it "
        "makes no new generation.",
    )
