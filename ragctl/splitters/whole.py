"""The splitter `none`: a document is a chunk."""

from __future__ import annotations

from collections.abc import Iterator

from ragctl.errors import OverlongInput
from ragctl.splitters.drafts import Draft, trimmed
from ragctl.splitters.sized import Measured, SizedSplitter
from ragctl.types import ChunkedDocument, Document


class WholeSplitter(SizedSplitter):
    """Cuts nothing: for records, questions and other texts that are short by themselves.

    A document that does not fit fails alone, since cutting it is what the spec has ruled out.
    """

    output_version = 1

    def split(self, document: Document) -> ChunkedDocument:
        """One chunk, or none if the document has nothing but white space.

        Raises:
            OverlongInput: it has more tokens than the limit.
        """
        chunked = super().split(document)
        if len(chunked.chunks) > 1:
            tokens = sum(chunk.tokens - self._tokenizer.special_tokens for chunk in chunked.chunks)
            raise OverlongInput(
                f"it has some {tokens:,} tokens, chunk.max_tokens is {self._max_tokens}, and chunk.splitter "
                "`none` cuts nothing",
                where=f"{document.source}:{document.path}",
                hint="Raise chunk.max_tokens as far as the model reads, or choose another chunk.splitter.",
            )
        return chunked

    def _drafts(self, measured: Measured) -> Iterator[Draft]:
        edges = trimmed(measured.text, 0, len(measured.text))
        if edges is not None:
            yield Draft(*edges, (), measured.headers.above((), measured.text[slice(*edges)]))
