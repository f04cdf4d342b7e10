"""Records of fields as documents: which fields are its id, text, title and metadata, and its bytes."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ragctl.sources.typed_values import WrongType, typed_values

BETWEEN_FIELDS = "\n\n"
_USUAL_IDS = ("id", "_id")


class NoId(Exception):
    """A record that does not say which one it is; the message says why."""


class NoText(Exception):
    """A record of which no document can be made; the message says why.

    Attributes:
        id: which record it is.
    """

    def __init__(self, message: str, record_id: str) -> None:
        super().__init__(message)
        self.id = record_id


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its bytes: equal for equal title, text and metadata, whatever else it holds.

    The bytes are those that `types.RECORD_MEDIA_TYPE` describes.
    """

    id: str
    content: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the bytes."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class RecordFields:
    """Which fields of a record are what.

    Attributes:
        id: None: `id`, or `_id` where there is no `id`.
        text: joined by a blank line, in this order.
        title: None: there is none.
        types: of metadata, by field, see `typed_values.typed`; as they are where there is none.
    """

    id: str | None = None
    text: Sequence[str] = ("text",)
    title: str | None = "title"
    metadata: Sequence[str] = ()
    types: Mapping[str, str] = field(default_factory=dict)

    def record(self, values: Mapping[str, Any]) -> Record:
        """The record that these values make.

        Raises:
            NoId: it has no id.
            NoText: it has none of the text fields, one of them is no text, or metadata are not of their type.
        """
        name = self.identity(values)
        text = self._text(values, name)
        if not text or text.isspace():
            return Record(name, b"")
        entry: dict[str, Any] = {"text": text}
        title = values.get(self.title) if self.title is not None else None
        if isinstance(title, str):
            entry["title"] = title
        metadata = {key: values[key] for key in self.metadata if values.get(key) is not None}
        try:
            entry["metadata"] = typed_values(metadata, self.types)
        except WrongType as error:
            raise NoText(str(error), name) from None
        content = json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return Record(name, content.encode("utf-8", "surrogatepass"))

    def identity(self, values: Mapping[str, Any]) -> str:
        """The record's id, NFC.

        Raises:
            NoId: it has none.
        """
        wanted = _USUAL_IDS if self.id is None else (self.id,)
        given = next((key for key in wanted if values.get(key) is not None), None)
        if given is None:
            raise NoId(f"it has no {' or '.join(map(repr, wanted))}")
        value = values[given]
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise NoId(f"its {given!r} is {_kind(value)}; an id is text or a whole number")
        text = unicodedata.normalize("NFC", str(value))
        if not text:
            raise NoId(f"its {given!r} is empty")
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise NoId(f"its {given!r} holds NUL or half of a surrogate pair, which no name may have")
        return text

    def _text(self, values: Mapping[str, Any], name: str) -> str:
        present = [(key, values[key]) for key in self.text if values.get(key) is not None]
        if not present:
            raise NoText(f"it has no {' or '.join(map(repr, self.text))}", name)
        for key, value in present:
            if not isinstance(value, str):
                raise NoText(f"its {key!r} is {_kind(value)}, not text", name)
        return BETWEEN_FIELDS.join(value for _, value in present)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"
