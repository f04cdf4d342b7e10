"""The readers that a spec's section `extract` asks for, with the processes that the heavy ones run in."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ragctl.errors import MissingPackage
from ragctl.readers.auto import Readers
from ragctl.readers.ocr import WANTED
from ragctl.readers.table import lacking
from ragctl.readers.unstructured_partition import notice
from ragctl.readers.worker_pool import WorkerPool
from ragctl.readers.worker_process import Limits

if TYPE_CHECKING:
    from ragctl.spec.extract_settings import ExtractSettings
    from ragctl.types import Item

UNSTRUCTURED = "unstructured"
_LACKED = (
    "no reader",
    "its content is PDF",
    "its content is a ZIP archive or",
    "its content is an old Office",
    "old Office documents are read with",
)
"""What a reason begins with if a reader was lacking, in this release or an earlier one."""


class DocumentReaders(Readers):
    """`Readers` of a spec. Close them: their worker processes, started when they are needed, end then."""

    def __init__(self, settings: ExtractSettings) -> None:
        limits = settings.limits
        self.workers = WorkerPool(Limits(limits.seconds, limits.memory, limits.output))
        super().__init__(
            reader=settings.reader,
            named=dict(settings.readers),
            encodings=settings.encodings,
            unstructured=settings.unstructured.model_dump(exclude_defaults=True),
            workers=self.workers,
        )
        self._settings = settings

    def check(self, tell: Callable[[str], None]) -> None:
        """Sees that a reader which the spec asks for in words can be had.

        Args:
            tell: gets a line of what is lost where it can be had in part.

        Raises:
            MissingPackage: it needs a package that is not installed.
        """
        if UNSTRUCTURED not in named_readers(self._settings):
            return
        if find_spec(UNSTRUCTURED) is None:
            raise MissingPackage(
                "the reader 'unstructured' needs the Python package 'unstructured', which is not installed",
                where="extract",
                hint="pip install 'ragctl[unstructured]'",
            )
        lost = notice()
        if lost is not None:
            tell(f"note: {lost}")

    def still_skips(self, item: Item, reason: str) -> bool:
        """Was it skipped for something else than a reader that is there by now, as far as its name tells?"""
        if WANTED in reason:  # of an image, or of a PDF that has nothing else
            return bool(lacking("ocr"))
        lacked = reason.startswith(_LACKED)
        return not (lacked and self.choose(item).reader is not None)

    def close(self) -> None:
        """Ends the worker processes."""
        self.workers.close()


def named_readers(settings: ExtractSettings) -> set[str]:
    """Readers that the section names."""
    chosen = {UNSTRUCTURED} if settings.reader == UNSTRUCTURED else set()
    return chosen | set(settings.readers.values())
