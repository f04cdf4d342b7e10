"""The model of sources whose documents are records of fields: JSON Lines, CSV, Parquet, SQL.

Descriptions are written for the person who writes a spec, see `ragctl.spec.model`.
"""

from __future__ import annotations

import codecs
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from ragctl.spec.names import ENVIRONMENT_VARIABLE
from ragctl.spec.section import wrong
from ragctl.spec.source_section import (
    FieldName,
    File,
    FixedMetadata,
    MetadataKey,
    MetadataTypes,
    Sensitivity,
    SourceName,
    SourceSection,
)


def _codec(value: Any) -> Any:
    """A codec in which a line feed is one byte, so that a file has lines before it is decoded."""
    if not isinstance(value, str):
        return value
    try:
        plain = "\n".encode(codecs.lookup(value).name) == b"\n"
    except (LookupError, TypeError, ValueError):
        raise wrong(("", "is no encoding that Python knows; for example utf-8 or cp1252")) from None
    if not plain:
        raise wrong(("", "must be an encoding such as utf-8 or cp1252, in which a line feed is one byte"))
    return value


def _query(value: Any) -> Any:
    if isinstance(value, str) and not value.strip().rstrip(";").strip():
        raise wrong(("", "must not be empty; write one SELECT"))
    return value


RecordId = Annotated[
    FieldName | None,
    Field(
        description="The field that names a record: text or a whole number, no two alike in the source.",
        json_schema_extra={"default_is": "`id`, or `_id` where a record has no `id`"},
    ),
]
RecordText = Annotated[
    tuple[FieldName, ...],
    Field(
        min_length=1,
        description="The fields that make a record's text, in this order, with a blank line between "
        "them. A record may lack some of them.",
    ),
]
RecordTitle = Annotated[
    FieldName | None,
    Field(description="The field that holds the title, in records that have it. `null` if none does."),
]
RecordMetadata = Annotated[
    tuple[MetadataKey, ...],
    Field(
        description="Fields whose values a document carries as metadata: text, numbers, true or false, "
        "and lists of these. Other values are left out."
    ),
]


class RecordSection(SourceSection):
    """A source of records; those that inherit it have these fields."""

    gives_records = True

    @model_validator(mode="after")
    def _each_field_has_one_use(self) -> RecordSection:
        text, metadata = getattr(self, "text", ()), getattr(self, "metadata", {})
        problems = []
        if len(set(text)) < len(text):
            problems.append(("text", "names a field twice"))
        if both := [key for key in getattr(self, "metadata_fields", ()) if key in metadata]:
            problems.append(("metadata_fields", f"'{both[0]}' has a fixed value under metadata"))
        if problems:
            raise wrong(*problems)
        return self


class JsonlSource(RecordSection):
    """Records of a JSON Lines file, one document each."""

    path_keys = ("path",)
    named_by = "path"
    example = "{type: jsonl, path: records.jsonl}"

    type: Literal["jsonl"] = Field(description="The kind of source.")
    path: File = Field(
        description="The file, relative to the spec file, or absolute: one JSON object a line, plain or "
        "compressed with gzip."
    )
    name: SourceName = ""
    id: RecordId = None
    text: RecordText = ("text",)
    title: RecordTitle = "title"
    metadata: FixedMetadata = Field(default={})
    metadata_fields: RecordMetadata = ()
    metadata_types: MetadataTypes = Field(default={})
    sensitivity: Sensitivity = None


class CsvSource(RecordSection):
    """Rows of a CSV file, one document each."""

    path_keys = ("path",)
    named_by = "path"
    example = "{type: csv, path: records.csv}"

    type: Literal["csv"] = Field(description="The kind of source.")
    path: File = Field(
        description="The file, relative to the spec file, or absolute, plain or compressed with gzip. Its "
        "first row names the columns, which are the fields."
    )
    name: SourceName = ""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = Field(
        default=",", description="The character between cells."
    )
    encoding: Annotated[str, BeforeValidator(_codec)] = Field(
        default="utf-8", description="How the file is encoded."
    )
    id: RecordId = None
    text: RecordText = ("text",)
    title: RecordTitle = "title"
    metadata: FixedMetadata = Field(default={})
    metadata_fields: RecordMetadata = ()
    metadata_types: MetadataTypes = Field(default={})
    sensitivity: Sensitivity = None


class ParquetSource(RecordSection):
    """Rows of a Parquet file, one document each."""

    path_keys = ("path",)
    named_by = "path"
    example = "{type: parquet, path: records.parquet}"

    type: Literal["parquet"] = Field(description="The kind of source.")
    path: File = Field(
        description="The file, relative to the spec file, or absolute. Its columns are the fields; no others "
        "than those named are read."
    )
    name: SourceName = ""
    id: RecordId = None
    text: RecordText = ("text",)
    title: RecordTitle = "title"
    metadata: FixedMetadata = Field(default={})
    metadata_fields: RecordMetadata = ()
    metadata_types: MetadataTypes = Field(default={})
    sensitivity: Sensitivity = None


class SqlSource(RecordSection):
    """Rows of a query of PostgreSQL or SQLite, one document each."""

    path_keys = ("path",)
    example = "{type: sql, name: tickets, dsn_env: TICKETS_DSN, query: 'SELECT id, text FROM tickets'}"

    type: Literal["sql"] = Field(description="The kind of source.")
    name: SourceName = ""
    dsn_env: Annotated[str, Field(pattern=ENVIRONMENT_VARIABLE)] | None = Field(
        default=None,
        description="Environment variable with the connection string of a PostgreSQL server. Or give `path`.",
    )
    path: File | None = Field(
        default=None, description="The file of an SQLite database, relative to the spec file, or absolute."
    )
    query: Annotated[str, BeforeValidator(_query)] = Field(
        description="One SELECT, run as a subquery in a read-only transaction; its columns are the fields."
    )
    id: FieldName = Field(
        default="id", description="The column that names a row: text or a whole number, no two alike."
    )
    updated: FieldName | None = Field(
        default=None,
        description="The column that changes whenever a row does: a time, a date or a counter. With it a "
        "listing reads ids and this column alone; without it, every row.",
    )
    text: RecordText = ("text",)
    title: RecordTitle = "title"
    metadata: FixedMetadata = Field(default={})
    metadata_fields: RecordMetadata = ()
    metadata_types: MetadataTypes = Field(default={})
    sensitivity: Sensitivity = None
    timeout_seconds: Annotated[float, Field(gt=0, le=86400)] = Field(
        default=600.0, description="Of one statement."
    )

    @model_validator(mode="after")
    def _one_database(self) -> SqlSource:
        if (self.dsn_env is None) == (self.path is None):
            raise wrong(("", "needs dsn_env (PostgreSQL) or path (SQLite), one of the two"))
        return self
