"""torch and sentence-transformers themselves: imported quietly, without telemetry, not used across a fork."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import RLock
from typing import Any

from ragctl.errors import MissingPackage, Unavailable
from ragctl.providers.local.processors import processor_quota

_INSTALL = "pip install 'ragctl[huggingface]'"

_lock = RLock()
_process: int | None = None
"""The process that uses torch, once one does."""
_prepared = False


def refuse_after_fork() -> None:
    """Notes the process at first use.

    Raises:
        Unavailable: torch was used before this process was forked; its threads and the GPU do not survive.
    """
    global _process
    if _process is None:
        _process = os.getpid()
    if _process != os.getpid():
        raise Unavailable(
            "a model of the huggingface provider was in use before this process was forked, and does not "
            "survive that",
            hint="start processes with the method 'spawn', or fork before a model is used",
        )


def import_torch() -> Any:
    """
    Raises:
        MissingPackage: there is no torch, or it cannot be loaded on this platform.
    """
    torch = _import("torch")
    global _prepared
    with _lock:
        if not _prepared:
            _prepared = True
            _keep_to_quota(torch)
            _silence_forks()
    return torch


def import_sentence_transformers() -> Any:
    """
    Raises:
        MissingPackage: there is no sentence-transformers, or it cannot be loaded on this platform.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import_torch()
    return _import("sentence_transformers")


def _import(name: str) -> Any:
    try:
        with _lock:
            return import_module(name)
    except ImportError as error:
        raise MissingPackage(
            f"{name}, which runs models of the huggingface provider, cannot be loaded: {error}", hint=_INSTALL
        ) from error


def _keep_to_quota(torch: Any) -> None:
    """torch counts the processors and not what a container may use of them."""
    quota = processor_quota()
    if quota is not None and quota < torch.get_num_threads():
        torch.set_num_threads(quota)


def _silence_forks() -> None:
    """Has a forked child tokenize on one thread, which is what tokenizers does there after a warning."""
    name, unset = "TOKENIZERS_PARALLELISM", []

    def before() -> None:
        if name not in os.environ:
            unset.append(os.getpid())
            os.environ[name] = "false"

    def after_in_parent() -> None:
        if unset and unset.pop() == os.getpid():
            os.environ.pop(name, None)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before, after_in_parent=after_in_parent)


class LoadReport(logging.Handler):
    """What transformers reports while it loads a model.

    Attributes:
        texts: of its warnings.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def loading_quietly() -> Iterator[LoadReport]:
    """Catches the warnings of transformers and shows no progress bars; then all is as before.

    One thread at a time.
    """
    with _lock:
        theirs = _import("transformers.utils.logging")
        report, verbosity, bars = LoadReport(), theirs.get_verbosity(), theirs.is_progress_bar_enabled()
        others = logging.getLogger("sentence_transformers")
        level = others.level
        library = logging.getLogger("transformers")
        handlers, propagate = list(library.handlers), library.propagate
        theirs.set_verbosity_warning()
        theirs.disable_progress_bar()
        library.handlers, library.propagate = [report], False
        others.setLevel(logging.ERROR)
        try:
            yield report
        finally:
            library.handlers, library.propagate = handlers, propagate
            others.setLevel(level)
            theirs.set_verbosity(verbosity)
            if bars:
                theirs.enable_progress_bar()
