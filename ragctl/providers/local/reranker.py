"""Scores passages for a question with a cross-encoder on this machine's processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from ragctl.errors import UsageError
from ragctl.providers.local.cross_model import read_cross_files
from ragctl.providers.local.model_files import known_or_none
from ragctl.providers.local.places import WAYS, fetched, find_place
from ragctl.providers.local.tokenizer import LocalTokenizer
from ragctl.types import Usage

if TYPE_CHECKING:
    from ragctl.providers.local.compiled import CompiledEncoder

_BATCH_TOKENS = 1_024
"""As for a sentence encoder, see `encoder.py`."""


class LocalReranker:
    """A cross-encoder of the BERT, RoBERTa and DistilBERT families; implements `ports.Reranker`.

    Its files are read when it is made, and the model is loaded by the first `score`. May be shared between
    threads, but not across a fork after the first `score`, see `LocalEmbedder`.

    Args:
        model: a folder, an installed package or a name on the hub, see `places.py`.
        base: the directory that a folder is relative to; the working directory if None.
        revision: commit, tag or branch of a model on the hub.
        threads: most threads to use, at least 1; None: all that the process may use.
        batch_tokens: tokens in a batch, padding included, at least 1.

    Raises:
        UsageError: `model` names nothing, or no cross-encoder that can be run; a number is out of range.
        MissingPackage, Unavailable: the hub's client or the hub is not there.
    """

    def __init__(
        self,
        model: str,
        *,
        base: Path | None = None,
        revision: str | None = None,
        threads: int | None = None,
        batch_tokens: int = _BATCH_TOKENS,
    ) -> None:
        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1, not {threads}")
        if batch_tokens < 1:
            raise UsageError(f"batch_tokens must be at least 1, not {batch_tokens}")
        if known_or_none(model):
            raise UsageError(
                f"{model!r} is a sentence encoder, and passages are ranked by a cross-encoder",
                hint="name a cross-encoder's folder, package or place on the hub",
            )
        place = find_place(model, base or Path(), revision)
        if place is None:
            raise UsageError(f"unknown cross-encoder {model!r}", hint=WAYS)
        self._files = read_cross_files(fetched(place))
        self._threads = threads
        self._batch_tokens = batch_tokens
        self._lock = Lock()
        self._made: CompiledEncoder | None = None

    @property
    def identity(self) -> str:
        """Equal identities give equal scores within rounding: model, files, activation, limit."""
        return self._files.model.identity

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """Model, revision and the SHA-256 of its files; no place of this machine."""
        return self._files.model.provenance

    @property
    def endpoint(self) -> None:
        """None: text stays in this process."""
        return None

    @property
    def usage(self) -> Usage:
        """Nothing is asked of anybody."""
        return Usage()

    @property
    def max_tokens(self) -> int:
        """The longest pair that is read, special tokens included; a passage beyond it is cut."""
        return self._files.model.max_tokens

    def score(
        self,
        question: str,
        passages: Sequence[str],
        *,
        on_truncated: Callable[[int], None] = lambda position: None,
    ) -> list[float]:
        """One score a passage, in order; more is better.

        Args:
            on_truncated: called with the position of each passage of which the model did not read the end.

        Raises:
            OverlongInput: the question leaves no room for a passage.
            MalformedDocument: a text has a lone surrogate.
            UsageError, MissingPackage, Unavailable: see `compile_encoder`.
        """
        import numpy as np

        from ragctl.providers.local.pairs import pack_pairs

        if not passages:
            return []
        own, *of_passages = self._tokenizer.bare_ids([question, *passages])
        pairs = pack_pairs(
            own,
            of_passages,
            self._tokenizer.pair_frame,
            max_tokens=self.max_tokens,
            batch_tokens=self._batch_tokens,
        )
        for position in pairs.truncated:
            on_truncated(position)
        logits = np.empty(len(passages), np.float64)
        model = self._model()
        with ThreadPoolExecutor(model.parallel, thread_name_prefix="ragctl-rank") as workers:
            for batch, outputs in zip(pairs.batches, workers.map(model.infer, pairs.batches), strict=True):
                logits[list(batch.positions)] = outputs[:, 0]
        scores: list[float] = self._files.model.scores(logits).tolist()
        return scores

    @cached_property
    def _tokenizer(self) -> LocalTokenizer:
        return LocalTokenizer(self._files)

    def _model(self) -> CompiledEncoder:
        from ragctl.providers.local.compiled import compile_scorer
        from ragctl.providers.local.runtime import note_process

        note_process()
        with self._lock:
            if self._made is None:
                self._made = compile_scorer(self._files, self._tokenizer, threads=self._threads)
            return self._made
