"""The model of a spec's sources: what documents come from, a class for each type.

Descriptions are written for the person who writes a spec, see `ragctl.spec.model`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from ragctl.spec.names import METADATA_KEY, SOURCE_NAME
from ragctl.spec.section import Section, wrong


def _pattern(value: Any) -> Any:
    """A glob pattern that can match: relative, with / between its parts and sets that are sets."""
    if not isinstance(value, str):
        return value
    parts = value.split("/")
    if all(part.strip() in ("", ".") for part in parts):
        raise wrong(("", "must name something; for example '**/*.md'"))
    if "\\" in value:
        raise wrong(("", "uses \\; write / between the parts of a pattern, on Windows as well"))
    if value.startswith("/") or ".." in parts:
        raise wrong(("", "must be relative to the source's path, without a leading / and without .."))
    for inner in re.findall(r"\[!?(\]?[^]]*)\]", value):
        if any(low > high for low, high in re.findall(r"(?s)(.)-(.)", inner)):
            raise wrong(("", f"[{inner}] is no set of characters: a range runs backwards"))
    return value


def _folder(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise wrong(("", "must not be empty; write . for the folder that the spec is in"))
    return _written_out(value)


def _file(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise wrong(("", "must not be empty; write the name of a file"))
    return _written_out(value)


def _written_out(value: Any) -> Any:
    if isinstance(value, str) and (value == "~" or value.startswith(("~/", "~\\"))):
        raise wrong(("", "~ is not expanded; write the path relative to the spec file, or in full"))
    return value


def _field_name(value: Any) -> Any:
    if value == "":
        raise wrong(("", "must not be empty; write the name of a record's field"))
    return value


def _metadata_value(value: Any) -> Any:
    plain = isinstance(value, str | int | float)
    if not plain and not (isinstance(value, tuple) and all(isinstance(item, str) for item in value)):
        raise wrong(("", "must be text, a number, true, false or a list of texts"))
    return value


Pattern = Annotated[str, BeforeValidator(_pattern)]
MetadataKey = Annotated[str, Field(pattern=METADATA_KEY)]
MetadataValue = Annotated[str | int | float | bool | tuple[str, ...], BeforeValidator(_metadata_value)]
FieldName = Annotated[str, BeforeValidator(_field_name)]

SourceName = Annotated[
    str,
    Field(
        pattern=SOURCE_NAME,
        description="What hits and documents call this source; part of a document's identity, "
        "so a new name means new documents. Unique in a spec.",
        json_schema_extra={"default_is": "the last part of `path`"},
    ),
]
FixedMetadata = Annotated[
    dict[MetadataKey, MetadataValue],
    Field(
        description="Values that every document of this source carries: text, numbers, true or false, "
        "or lists of texts."
    ),
]

Sensitivity = Annotated[
    Literal["public", "sensitive"] | None,
    Field(
        description="`sensitive`: no model outside this machine and "
        "`embed.selection_criteria.allowed_hosts` may read this source's text. `public` loosens nothing "
        "that is sensitive for another reason. Changing it makes no new generation."
    ),
]


class DirectorySource(Section):
    """Files below a directory."""

    example = "{type: directory, path: docs}"

    type: Literal["directory"] = Field(description="The kind of source.")
    path: Annotated[str, BeforeValidator(_folder)] = Field(
        description="The directory, relative to the spec file, or absolute."
    )
    name: SourceName = ""
    include: Annotated[tuple[Pattern, ...], Field(min_length=1)] = Field(
        default=("**/*",),
        description="Patterns of the files to take, relative to `path`, with / between parts; "
        "** stands for any number of folders. Wildcards match no name that begins with a dot. Quote them.",
    )
    exclude: tuple[Pattern, ...] = Field(
        default=(), description="Patterns of files to leave out, whatever `include` says."
    )
    metadata: FixedMetadata = Field(default={})
    sensitivity: Sensitivity = None


class JsonlSource(Section):
    """Records of a JSON Lines file, one document each."""

    example = "{type: jsonl, path: records.jsonl}"

    type: Literal["jsonl"] = Field(description="The kind of source.")
    path: Annotated[str, BeforeValidator(_file)] = Field(
        description="The file, relative to the spec file, or absolute: one JSON object a line, plain or "
        "compressed with gzip."
    )
    name: SourceName = ""
    id: FieldName | None = Field(
        default=None,
        description="The field that names a record: text or a whole number, no two alike in the file.",
        json_schema_extra={"default_is": "`id`, or `_id` where a record has no `id`"},
    )
    text: Annotated[tuple[FieldName, ...], Field(min_length=1)] = Field(
        default=("text",),
        description="The fields that make a record's text, in this order, with a blank line between "
        "them. A record may lack some of them.",
    )
    title: FieldName | None = Field(
        default="title",
        description="The field that holds the title, in records that have it. `null` if none does.",
    )
    metadata: FixedMetadata = Field(default={})
    metadata_fields: tuple[MetadataKey, ...] = Field(
        default=(),
        description="Fields whose values a document carries as metadata: text, numbers, true or false, "
        "and lists of these. Other values are left out.",
    )
    sensitivity: Sensitivity = None

    @model_validator(mode="after")
    def _each_field_has_one_use(self) -> JsonlSource:
        problems = []
        if len(set(self.text)) < len(self.text):
            problems.append(("text", "names a field twice"))
        if both := [key for key in self.metadata_fields if key in self.metadata]:
            problems.append(("metadata_fields", f"'{both[0]}' has a fixed value under metadata"))
        if problems:
            raise wrong(*problems)
        return self


Source = Annotated[DirectorySource | JsonlSource, Field(discriminator="type")]
