"""extract: items → documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ragctl.stages.failures import FailureHandler, failure_of, reraise
from ragctl.types import Document, Item


def extract(
    items: Iterable[Item],
    read: Callable[[Item], Iterator[Document]],
    *,
    on_failure: FailureHandler = reraise,
) -> Iterator[Document]:
    """Reads each item whole before its documents go on, so that an item fails or passes as one.

    `read` may give no document for an item that turns out not to need processing.
    """
    for item in items:
        try:
            documents = list(read(item))
        except Exception as error:
            on_failure(failure_of(item.source, item.path, "extract", error))
            continue
        yield from documents
