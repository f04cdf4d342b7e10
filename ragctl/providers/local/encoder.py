"""Embeds with a sentence encoder on this machine's processor; no torch, no download, no cost.

OpenVINO runs it; the first questions of a process are NumPy's, see `first_questions.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from ragctl.errors import OverlongInput, UsageError
from ragctl.providers.local.first_questions import FirstQuestions
from ragctl.providers.local.kept_ready import keep, kept
from ragctl.providers.local.languages import card_languages
from ragctl.providers.local.model_files import (
    KnownModel,
    Model,
    ModelFiles,
    find_files,
    known_model,
    known_or_none,
    read_files,
)
from ragctl.providers.local.places import HubName, Place, fetched, find_place
from ragctl.providers.local.tokenizer import LocalTokenizer
from ragctl.types import EmbeddedBatch, Usage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragctl.providers.local.batches import Batch
    from ragctl.providers.local.checks import Runs
    from ragctl.providers.local.compiled import CompiledEncoder
    from ragctl.providers.local.runtime import Goal

    Vectors = NDArray[np.float32]

_WINDOW_INPUTS = 4_096
"""Inputs tokenised and sorted together; bounds memory, whatever the number of inputs."""

_BATCH_TOKENS = 1_024
"""Measured on two cores, bfloat16: 512 to 4,096 are within 5 %; fewer tokens take less memory."""


class LocalEmbedder:
    """A sentence encoder; implements `ports.Embedder`.

    Nothing is loaded before the first use of `tokenizer`, `embed` or `embed_queries`; of a model that is
    not known here, the files are read as soon as anything is asked of it. May be shared between threads. A
    child forked after OpenVINO was first used cannot embed (its threads do not survive a fork) and is
    told so; spawn processes instead, or fork before.

    Args:
        model: name of a known model, see `model_files.py`; or a folder, an installed package or a name on
            the hub, see `places.py`.
        base: the directory that a folder is relative to; the working directory if None.
        revision: commit, tag or branch of a model on the hub.
        query_prefix, passage_prefix: what stands before every question and every passage, instead of the
            model's own prompts; None: those.
        threads: most threads to use, at least 1; None: all that the process may use.
        batch_tokens: tokens in a batch, padding included, at least 1.

    Raises:
        UsageError: the model is unknown or a number is out of range.
    """

    def __init__(
        self,
        model: str = "all-MiniLM-L6-v2",
        *,
        base: Path | None = None,
        revision: str | None = None,
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
        threads: int | None = None,
        batch_tokens: int = _BATCH_TOKENS,
    ) -> None:
        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1, not {threads}")
        if batch_tokens < 1:
            raise UsageError(f"batch_tokens must be at least 1, not {batch_tokens}")
        self._prefixes = query_prefix, passage_prefix
        self._source = _source(model, base or Path(), revision)
        self._threads = threads
        self._batch_tokens = batch_tokens
        self._compiled: dict[Goal, CompiledEncoder] = {}
        self._first = FirstQuestions(self._files, lambda: self.tokenizer)
        self._lock = Lock()

    @cached_property
    def _described(self) -> ModelFiles | KnownModel:
        """A known model, for which nothing is looked for; or a folder's, with its files."""
        query, passage = self._prefixes
        if isinstance(self._source, KnownModel):
            return replace(self._source, query_prefix=query or "", passage_prefix=passage or "")
        return read_files(fetched(self._source), query_prefix=query, passage_prefix=passage)

    @property
    def _model(self) -> Model:
        found = self._described
        return found.model if isinstance(found, ModelFiles) else found

    def _files(self) -> ModelFiles:
        found = self._described
        return found if isinstance(found, ModelFiles) else find_files(found)

    @property
    def identity(self) -> str:
        """Model, digest of its files, pooling, normalisation, prefixes and output version."""
        return self._model.identity

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """Model, revision and the SHA-256 of its files; of a known model, without looking for them."""
        return self._model.provenance

    @property
    def dimension(self) -> int:
        return self._model.dimension

    @property
    def max_tokens(self) -> int:
        """The longest input that the model reads whole, special tokens included."""
        return self._model.max_tokens

    @property
    def usd_per_million_tokens(self) -> float:
        """Nothing: it runs here."""
        return 0.0

    @cached_property
    def languages(self) -> frozenset[str] | None:
        """What the model's card says that it reads; None if it says nothing."""
        found = self._described
        return found.languages if isinstance(found, KnownModel) else card_languages(found.folder)

    @property
    def endpoint(self) -> None:
        """None: text stays in this process."""
        return None

    @property
    def usage(self) -> Usage:
        """Nothing is asked of anybody."""
        return Usage()

    @cached_property
    def tokenizer(self) -> LocalTokenizer:
        """Counts as this embedder counts; loads neither OpenVINO nor the weights.

        Raises:
            MissingPackage: the model's package is not installed.
        """
        files = self._files()
        ready = kept(files)
        return ready.tokenizer if ready else LocalTokenizer(files)

    def keep_ready(self) -> None:
        """Loads what a question needs, for every embedder of this model in this process and its forks.

        Raises:
            UsageError, MissingPackage, Unavailable: the model cannot be had.
        """
        keep(self._files())

    def embed(self, inputs: Sequence[str]) -> Iterator[EmbeddedBatch]:
        """Vectors of unit length for passages, batch by batch, similar lengths together.

        Memory is bounded by a window of inputs. Closing the iterator early, or an interrupt, ends it
        after the batches that the processor is at (some tenths of a second).

        Raises (while iterating):
            OverlongInput: an input has more than `max_tokens` tokens; nothing is truncated.
            MalformedDocument: an input has a lone surrogate.
            MissingPackage, Unavailable: see `compile_encoder`.
        """
        if not inputs:
            return
        encoder = self._encoder("throughput")
        pending: dict[Future[Vectors], Batch] = {}
        workers = ThreadPoolExecutor(encoder.parallel, thread_name_prefix="ragctl-embed")
        try:
            for batch in self._batches(inputs, self._model.passage_prefix):
                pending[workers.submit(encoder.infer, batch)] = batch
                # One batch in work and one waiting for each worker, while the caller uses the last.
                if len(pending) >= 2 * encoder.parallel:
                    yield from _completed(pending)
            while pending:
                yield from _completed(pending)
        finally:
            workers.shutdown(wait=True, cancel_futures=True)

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """Vectors of unit length, shape (questions, dimension), in order.

        Raises:
            OverlongInput: a question has more than `max_tokens` tokens.
            MalformedDocument: a question has a lone surrogate.
            MissingPackage, Unavailable: see `compile_encoder`.
        """
        import numpy as np

        vectors = np.empty((len(questions), self.dimension), np.float32)
        batches = list(self._batches(questions, self._model.query_prefix))
        if not batches:
            return vectors
        encoder = self._for_questions(batches)
        for batch in batches:
            vectors[list(batch.positions)] = encoder.infer(batch)
        return vectors

    def prepare_questions(self) -> None:
        """Begins to load, in a thread, what the first question needs: worth it where other work comes before.

        Raises:
            UsageError, MissingPackage, Unavailable: as `identity`. The rest is said at the first question.
        """
        _ = self._described  # here, and not by the thread and by whoever asks for the identity at once
        self._first.begin()

    def _for_questions(self, batches: Sequence[Batch]) -> Runs:
        from ragctl.providers.local.runtime import refuse_after_fork

        refuse_after_fork()
        if "latency" not in self._compiled:
            if encoder := self._first.encoder(batches):
                return encoder
            self._first.close()
        return self._encoder("latency")

    def _batches(self, inputs: Sequence[str], prefix: str) -> Iterator[Batch]:
        from ragctl.providers.local.batches import pack

        for first in range(0, len(inputs), _WINDOW_INPUTS):
            ids = self.tokenizer.token_ids(inputs[first : first + _WINDOW_INPUTS], prefix=prefix)
            for index, of_input in enumerate(ids):
                self._refuse_overlong(first + index, len(of_input))
            yield from pack(ids, batch_tokens=self._batch_tokens, first=first)

    def _refuse_overlong(self, position: int, tokens: int) -> None:
        if tokens > self.max_tokens:
            raise OverlongInput(
                f"input {position} has {tokens} tokens, {self._model.name} reads at most {self.max_tokens}",
                hint="make it shorter: nothing is cut in silence",
            )

    def _encoder(self, goal: Goal) -> CompiledEncoder:
        from ragctl.providers.local.compiled import compile_encoder
        from ragctl.providers.local.runtime import note_process

        note_process()
        with self._lock:
            if goal not in self._compiled:
                self._compiled[goal] = compile_encoder(
                    self._files(), self.tokenizer, goal=goal, threads=self._threads
                )
            return self._compiled[goal]


def _source(model: str, base: Path, revision: str | None) -> KnownModel | Place | HubName:
    if found := known_or_none(model):
        if revision is not None:
            raise UsageError(f"{model!r} is pinned by ragctl: only models on the hub have a revision")
        return found
    place = find_place(model, base, revision)
    return place if place is not None else known_model(model)  # which raises, with what was probably meant


def _completed(pending: dict[Future[Vectors], Batch]) -> Iterator[EmbeddedBatch]:
    """Waits for at least one batch and takes those that are done out of `pending`."""
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        yield EmbeddedBatch(pending.pop(future).positions, future.result())
