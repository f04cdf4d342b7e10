"""Embeds with sentence-transformers and torch, on a GPU or a processor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from ragctl.errors import OverlongInput, UsageError
from ragctl.providers.huggingface.ahead import run_ahead
from ragctl.providers.huggingface.devices import refuse_unknown
from ragctl.providers.huggingface.hub_files import whole_folder
from ragctl.providers.huggingface.sentence_model import (
    Model,
    SentenceFiles,
    known_files,
    read_sentence_files,
)
from ragctl.providers.huggingface.torch_runtime import refuse_after_fork
from ragctl.providers.local.model_files import KnownModel, known_or_none
from ragctl.providers.local.places import WAYS, HubName, Place, find_place
from ragctl.providers.local.tokenizer import LocalTokenizer
from ragctl.types import EmbeddedBatch, Usage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragctl.providers.huggingface.encoder import TorchEncoder
    from ragctl.providers.local.batches import Batch

    Vectors = NDArray[np.float32]

_WINDOW_INPUTS = 4_096
"""Inputs tokenised and sorted together; bounds memory, whatever the number of inputs."""

_AHEAD = 4
"""Batches that are tokenized, and batches that are embedded, before they are asked for."""


class HuggingFaceEmbedder:
    """A sentence encoder that torch runs; implements `ports.Embedder`.

    torch is imported by the first `embed` or `embed_queries`; until then only files are read. May be shared
    between threads. A child forked after the first embedding cannot embed and is told so; spawn processes
    instead, or fork before.

    Args:
        model: a folder, an installed package, a name on the hub, or a model that the local provider knows by
            name, see `local/places.py`.
        base: the directory that a folder is relative to; the working directory if None.
        revision: commit, tag or branch of a model on the hub.
        query_prefix, passage_prefix: what stands before every question and every passage, instead of the
            model's own prompts; None: those.
        device: `auto`, `cpu`, `cuda` or `mps`; `auto` takes a GPU if there is one.
        precision: `auto`, `fp32`, `bf16` or `fp16`; `auto` takes 16 bits on a GPU if the vectors stay near
            enough.
        batch_tokens: tokens in a batch, padding included, at least 1; None: as the device is made for.

    Raises:
        UsageError: the model is unknown, an argument is none of those, or a number is out of range.
    """

    def __init__(
        self,
        model: str,
        *,
        base: Path | None = None,
        revision: str | None = None,
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        batch_tokens: int | None = None,
    ) -> None:
        refuse_unknown(device, precision, batch_tokens)
        self._prefixes = query_prefix, passage_prefix
        self._source = _source(model, base or Path(), revision)
        self._device = device
        self._precision = precision
        self._batch_tokens = batch_tokens
        self._loaded: TorchEncoder | None = None
        self._lock = Lock()

    @cached_property
    def _files(self) -> SentenceFiles:
        query, passage = self._prefixes
        if isinstance(self._source, KnownModel):
            return known_files(self._source, query_prefix=query, passage_prefix=passage)
        return read_sentence_files(whole_folder(self._source), query_prefix=query, passage_prefix=passage)

    @property
    def _model(self) -> Model:
        """Of a known model, nothing is looked for."""
        if not isinstance(self._source, KnownModel):
            return self._files.model
        query, passage = self._prefixes
        return replace(self._source, query_prefix=query or "", passage_prefix=passage or "")

    @property
    def identity(self) -> str:
        """Digest of its files, dimension, prefixes and output version; not of device and number format.

        Of a model that the local provider reads, it is that provider's, whose vectors are equal within
        rounding.
        """
        return self._model.identity

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """Model, revision, the hub's commit, and the SHA-256 of its files."""
        return {**self._model.provenance, "provider": "huggingface"}

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

    @property
    def languages(self) -> frozenset[str] | None:
        """What the model's card says that it reads; None if it says nothing."""
        return self._source.languages if isinstance(self._source, KnownModel) else self._files.languages

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
        """Counts as this embedder counts; imports no torch."""
        return LocalTokenizer(self._files)

    def embed(self, inputs: Sequence[str]) -> Iterator[EmbeddedBatch]:
        """Vectors of unit length for passages, batch by batch, similar lengths together.

        A thread tokenizes ahead of the model, and another one keeps the model busy while the caller uses
        the last vectors. Memory is bounded by a window of inputs. Closing the iterator early ends both after
        the batches that they are at.

        Raises (while iterating):
            OverlongInput: an input has more than `max_tokens` tokens; nothing is truncated.
            MalformedDocument: an input has a lone surrogate.
            UsageError, MissingPackage, Unavailable: the model cannot be loaded, or not on that device.
        """
        if not inputs:
            return
        encoder, prefix = self._encoder(), self._model.passage_prefix
        batches = (encoder.prepare(batch) for batch in self._batches(inputs, prefix, encoder.batch_tokens))
        tokenized = run_ahead(batches, depth=_AHEAD, name="ragctl-tokenize")
        embedded = run_ahead(encoder.run(tokenized, prefix), depth=_AHEAD, name="ragctl-embed")
        try:
            for batch, vectors in embedded:
                yield EmbeddedBatch(batch.positions, vectors)
        finally:
            embedded.close()
            tokenized.close()

    def prepare_questions(self) -> None:
        """Nothing: a model on a GPU is loaded by the first call."""

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """Vectors of unit length, shape (questions, dimension), in order.

        Raises:
            OverlongInput: a question has more than `max_tokens` tokens.
            MalformedDocument: a question has a lone surrogate.
            UsageError, MissingPackage, Unavailable: see `embed`.
        """
        import numpy as np

        found = np.empty((len(questions), self.dimension), np.float32)
        if questions:
            encoder, prefix = self._encoder(), self._model.query_prefix
            batches = map(encoder.prepare, self._batches(questions, prefix, encoder.batch_tokens))
            for batch, vectors in encoder.run(batches, prefix):
                found[list(batch.positions)] = vectors
        return found

    def _batches(self, inputs: Sequence[str], prefix: str, batch_tokens: int) -> Iterator[Batch]:
        from ragctl.providers.local.batches import pack

        for first in range(0, len(inputs), _WINDOW_INPUTS):
            ids = self.tokenizer.token_ids(inputs[first : first + _WINDOW_INPUTS], prefix=prefix)
            for index, of_input in enumerate(ids):
                self._refuse_overlong(first + index, len(of_input))
            yield from pack(ids, batch_tokens=batch_tokens, first=first)

    def _refuse_overlong(self, position: int, tokens: int) -> None:
        if tokens > self.max_tokens:
            raise OverlongInput(
                f"input {position} has {tokens} tokens, {self._model.name} reads at most {self.max_tokens}",
                hint="make it shorter: nothing is cut in silence",
            )

    def _encoder(self) -> TorchEncoder:
        from ragctl.providers.huggingface.encoder import load_encoder

        refuse_after_fork()
        with self._lock:
            if self._loaded is None:
                self._loaded = load_encoder(
                    self._files,
                    self.tokenizer,
                    device=self._device,
                    precision=self._precision,
                    batch_tokens=self._batch_tokens,
                )
            return self._loaded


def _source(model: str, base: Path, revision: str | None) -> KnownModel | Place | HubName:
    if found := known_or_none(model):
        if revision is not None:
            raise UsageError(f"{model!r} is pinned by ragctl: only models on the hub have a revision")
        return found
    place = find_place(model, base, revision)
    if place is None:
        raise UsageError(f"unknown model {model!r}", hint=WAYS)
    return place
