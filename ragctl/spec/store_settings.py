"""The model of a spec's section `store`: where chunks, vectors and the state are kept."""

from __future__ import annotations

import warnings
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from ragctl.spec.index_settings import IndexSettings
from ragctl.spec.names import ENVIRONMENT_VARIABLE
from ragctl.spec.section import Section, wrong
from ragctl.spec.sizes import MIB, Bytes
from ragctl.spec.weaviate_settings import WeaviateStore

EnvironmentVariable = Annotated[str, Field(pattern=ENVIRONMENT_VARIABLE)]


# A name in PostgreSQL has at most 63 bytes. Behind a prefix comes `_g`, a number and `_documents`.
_NAME_BYTES = 63
_PREFIX_BYTES = 42
_LEAST_BUILD_BYTES = 8 * MIB


def _name(value: str, most: int) -> str:
    if not value or "\0" in value or not value.isprintable():
        raise wrong(("", "must be a name: some text of printable characters"))
    if len(value.encode()) > most:
        raise wrong(("", f"must have at most {most} bytes in UTF-8, it has {len(value.encode())}"))
    return value


def _schema(value: str) -> str:
    if value.startswith("pg_") or value == "information_schema":
        raise wrong(("", "must not be one of PostgreSQL's own schemas"))
    return _name(value, _NAME_BYTES)


SchemaName = Annotated[str, AfterValidator(_schema)]
TablePrefix = Annotated[str, AfterValidator(lambda value: _name(value, _PREFIX_BYTES))]


class HnswSettings(Section):
    """How the index of the vectors is built. A change builds it anew, and makes no new generation."""

    example = "{m: 24, ef_construction: 300, maintenance_work_mem: 4 GB}"

    m: int = Field(default=16, ge=2, le=100, description="Links of each vector in a layer.")
    ef_construction: int = Field(
        default=200,
        ge=4,
        le=1000,
        description="Candidates kept in hand while a vector is linked; at least twice `m`.",
    )
    maintenance_work_mem: Bytes | None = Field(
        default=None,
        description="Memory on the server for a build, in bytes or as a size such as `2 GB`. If left out: "
        "what the graph needs, between 64 MiB and 2 GiB.",
    )
    max_parallel_workers: int | None = Field(
        default=None,
        ge=0,
        le=64,
        description="Processes on the server beside the one that builds; as the server's own setting if left "
        "out, on this machine one a core.",
    )

    @model_validator(mode="after")
    def _as_pgvector_takes_them(self) -> HnswSettings:
        if self.ef_construction < 2 * self.m:
            raise wrong(("ef_construction", f"must be at least twice `m`, {2 * self.m}"))
        if self.maintenance_work_mem is not None and self.maintenance_work_mem < _LEAST_BUILD_BYTES:
            raise wrong(("maintenance_work_mem", "must be at least 8 MiB"))
        return self


with warnings.catch_warnings():
    # pydantic's own `schema` is a name of its first version, and nothing here calls it.
    warnings.filterwarnings("ignore", message='Field name "schema"', category=UserWarning)

    class PgvectorStore(IndexSettings):
        """PostgreSQL 15 or later with pgvector 0.8 or later; without `dsn_env`, a server of ragctl's own."""

        example = "{type: pgvector}"

        type: Literal["pgvector"] = Field(default="pgvector", description="The kind of store.")
        dsn_env: EnvironmentVariable | None = Field(
            default=None,
            description="Name of the environment variable that holds the connection string "
            "(`postgresql://…`). Without it ragctl runs its own server, under `.ragctl/` beside the spec.",
        )
        schema: SchemaName = Field(  # type: ignore[assignment]
            default="ragctl",
            description="The schema of the database in which the index's tables and the state lie. It is "
            "made if it is not there. Any name; it is quoted.",
        )
        table_prefix: TablePrefix | None = Field(
            default=None,
            description="What the names of the index's tables begin with; `_g1_documents` and the like "
            "follow. Any name of at most 42 bytes; it is quoted. It stays as it is while there is an index.",
            json_schema_extra={"default_is": "`index`"},
        )
        hnsw: HnswSettings = HnswSettings()


def _type(value: Any) -> str | None:
    """The tag of a value; a spec that names no type means pgvector."""
    if isinstance(value, Section):
        found = getattr(value, "type", None)
    else:
        found = value.get("type", "pgvector") if isinstance(value, dict) else "pgvector"
    return found if isinstance(found, str) else None


StoreSettings = Annotated[
    Annotated[PgvectorStore, Tag("pgvector")] | Annotated[WeaviateStore, Tag("weaviate")],
    Discriminator(_type),
]
