"""JSON Lines: a line of text for each record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from ragctl.errors import MalformedDocument
from ragctl.readers import kinds
from ragctl.readers.assemble import assemble, encoding_metadata
from ragctl.readers.decoding import decode
from ragctl.readers.json_text import compact
from ragctl.readers.text_builder import SEPARATOR, clean
from ragctl.types import Anchor, Document, Item


class JsonLinesReader:
    """Reads records as `key: value | key: value`, one a line, so that hits name the line of the file.

    A source of type `jsonl` makes a document of each record instead.

    Args:
        encodings: tried in order where the text is not UTF-8.
    """

    name = "json_lines"
    output_version = 1

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: a line is no JSON; it is named.
            EmptyDocument: there is no text in it.
        """
        text, encoding = decode(data, self._encodings)
        lines: list[str] = []
        anchors: list[Anchor] = []
        length, expected = 0, -1
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            record = _record(line, number)
            if not record:
                continue
            if number != expected:
                anchors.append(Anchor(length, line=number))
            expected = number + 1
            lines.append(record)
            length += len(record) + 1
        yield assemble(
            item,
            data,
            "\n".join(lines),
            reader=f"{self.name}@{self.output_version}",
            media_type=kinds.JSON_LINES,
            anchors=tuple(anchors),
            metadata=encoding_metadata(encoding),
        )


def _record(line: str, number: int) -> str:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise MalformedDocument(f"line {number} is no JSON: {error.msg} in column {error.colno}") from None
    except (ValueError, RecursionError):
        raise MalformedDocument(f"line {number} is no JSON that can be read") from None
    if not isinstance(value, Mapping):
        return _line(compact(value))
    return SEPARATOR.join(
        f"{_line(key)}: {_line(compact(one))}" for key, one in value.items() if one is not None
    )


def _line(text: str) -> str:
    return " ".join(clean(text).split())
