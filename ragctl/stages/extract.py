"""extract: items → documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ragctl.stages.failures import FailureHandler, failure_of, reraise
from ragctl.types import Document, Item


@dataclass(frozen=True, slots=True)
class Segments:
    """Documents of an item that is too large for memory: each goes on before the next is read."""

    documents: Iterator[Document]

    def __iter__(self) -> Iterator[Document]:
        return self.documents


def extract(
    items: Iterable[Item],
    read: Callable[[Item], Iterable[Document]],
    *,
    on_failure: FailureHandler = reraise,
) -> Iterator[Document]:
    """Reads each item whole before its documents go on, so that an item fails or passes as one.

    Of an item that comes in `Segments`, those before a failure have gone on. `read` may give no document for
    an item that turns out not to need processing.
    """
    for item in items:
        try:
            found = read(item)
            if isinstance(found, Segments):
                yield from found
                continue
            documents = list(found)
        except Exception as error:
            on_failure(failure_of(item.source, item.path, "extract", error))
            continue
        yield from documents
