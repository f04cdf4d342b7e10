"""JSON: objects as lines and headings, lists of records as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ragctl.readers import kinds
from ragctl.readers.assemble import encoding_metadata
from ragctl.readers.decoding import decode
from ragctl.readers.json_text import add_value, parse_json
from ragctl.readers.text_builder import TextBuilder
from ragctl.types import Document, Item


class JsonReader:
    """Reads a JSON document.

    Args:
        encodings: tried in order where the text is not UTF-8.
    """

    name = "json"
    output_version = 1

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: it is no JSON.
            EmptyDocument: there is no text in it.
        """
        text, encoding = decode(data, self._encodings)
        value = parse_json(text)
        builder = TextBuilder()
        add_value(builder, value)
        title = value.get("title") if isinstance(value, Mapping) else None
        yield builder.document(
            item,
            data,
            reader=f"{self.name}@{self.output_version}",
            media_type=kinds.JSON,
            title=title if isinstance(title, str) else "",
            metadata=encoding_metadata(encoding),
        )
