"""What the sections of all types of source share: their names, patterns, metadata and sensitivity."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ragctl.spec.names import METADATA_KEY, SOURCE_NAME, WHAT_FITS
from ragctl.spec.section import Section, wrong


class SourceSection(Section):
    """A source of any type.

    Attributes:
        path_keys: the keys that hold a path relative to the spec file, or a list of such paths.
        named_by: the key whose last part is the source's name where none is given; empty: a name must be
            given.
        gives_records: its documents are records of fields, and no files.
    """

    path_keys: ClassVar[tuple[str, ...]] = ()
    named_by: ClassVar[str] = ""
    gives_records: ClassVar[bool] = False


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


def _path_pattern(value: Any) -> Any:
    """A glob with names in braces, or a regular expression with named groups, which begins with ^."""
    if not isinstance(value, str):
        return value
    if value.startswith("^"):
        try:
            names = list(re.compile(value).groupindex)
        except re.error as error:
            raise wrong(("", f"is no regular expression: {error}")) from None
        example = "(?P<name>…)"
    else:
        names = re.findall(r"\{([^{}]*)\}", value)
        example = "{name}"
    if not names:
        raise wrong(("", f"names nothing; write {example} around or for what is to be metadata"))
    for name in names:
        if not re.match(METADATA_KEY, name) or names.count(name) > 1:
            raise wrong(("", f"{{{name}}} is no name, or is there twice: {WHAT_FITS[METADATA_KEY]}"))
    return value


PathPattern = Annotated[str, BeforeValidator(_path_pattern)]
PathMetadata = Annotated[
    tuple[PathPattern, ...],
    Field(
        description="Metadata from a document's path within the source: patterns with names in braces, such "
        "as `docs/{version}/{lang}/**`, or regular expressions with named groups, which begin with ^. The "
        "first that matches counts."
    ),
]
MetadataType = Literal["text", "number", "boolean", "date"]

Folder = Annotated[str, BeforeValidator(_folder)]
File = Annotated[str, BeforeValidator(_file)]
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
MetadataTypes = Annotated[
    dict[MetadataKey, MetadataType],
    Field(
        description="Types of metadata by key: text, number, boolean or date, which is kept as ISO text. "
        "What has no type stays as it is found. A document whose value is not of its type fails."
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
