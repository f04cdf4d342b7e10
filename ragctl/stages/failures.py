"""How a stage reports a document that failed: strict by default, collected by the runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from ragctl.errors import DocumentError, RagctlError
from ragctl.types import Failure

MESSAGE_LIMIT = 500


class StageFailure(Exception):
    """One document failed in one stage; `__cause__` is the error itself."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.source}: {failure.document}: {failure.stage}: {failure.message}")
        self.failure = failure


FailureHandler = Callable[[StageFailure], None]


def reraise(failure: StageFailure) -> NoReturn:
    """The default handler: the first failure ends the stage."""
    raise failure


def failure_of(source: str, document: str, stage: str, error: Exception) -> StageFailure:
    """What `error` means for one document.

    Errors of the world around (a store out of reach, a missing package) are no document's fault:
    they are raised again as they are.

    Raises:
        RagctlError, ImportError: `error` itself, unless it is a `DocumentError`.
    """
    if isinstance(error, RagctlError) and not isinstance(error, DocumentError):
        raise error
    if isinstance(error, ImportError):
        raise error  # a package is missing, which no document can help
    if isinstance(error, DocumentError):
        kind, retryable, message = error.kind, error.retryable, error.message
    else:
        # A third-party parser may raise anything; its document fails alone, and the type is kept.
        # Memory and open files may be there another time; a parser's complaint stays what it is.
        kind, retryable = "crashed", isinstance(error, MemoryError | OSError)
        message = f"{type(error).__name__}: {error}"
    failure = StageFailure(
        Failure(
            source=source,
            document=document,
            stage=stage,
            error=kind,
            message=message[:MESSAGE_LIMIT],
            retryable=retryable,
        )
    )
    failure.__cause__ = error
    return failure
