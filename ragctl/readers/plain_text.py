"""Plain text: what was decoded, as it is, one section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragctl.readers.assemble import assemble, encoding_metadata
from ragctl.readers.decoding import decode
from ragctl.readers.media_types import TEXT
from ragctl.types import Document, Item


class PlainTextReader:
    """Reads plain text.

    Args:
        encodings: tried in order for text that is not UTF-8.
    """

    name = "text"
    output_version = 1

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: no text can be decoded.
            EmptyDocument: there is none.
        """
        text, encoding = decode(data, self._encodings)
        yield assemble(
            item,
            data,
            text,
            reader=f"{self.name}@{self.output_version}",
            media_type=TEXT,
            metadata=encoding_metadata(encoding),
        )
