"""Scores passages for a question with a cross-encoder that torch runs, on a GPU or a processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from ragctl.errors import UsageError
from ragctl.providers.huggingface.cross_model import CrossFiles, read_scorer_files
from ragctl.providers.huggingface.devices import refuse_unknown
from ragctl.providers.huggingface.hub_files import whole_folder
from ragctl.providers.huggingface.torch_runtime import refuse_after_fork
from ragctl.providers.local.model_files import known_or_none
from ragctl.providers.local.places import WAYS, find_place
from ragctl.providers.local.tokenizer import LocalTokenizer
from ragctl.types import Usage

if TYPE_CHECKING:
    from ragctl.providers.huggingface.scorer import TorchScorer


class HuggingFaceReranker:
    """A cross-encoder with a classification head of one number; implements `ports.Reranker`.

    Its files are read when it is made, and torch is imported by the first `score`. May be shared between
    threads, but not across a fork after the first `score`, see `HuggingFaceEmbedder`.

    Args:
        model: a folder, an installed package or a name on the hub, see `local/places.py`.
        base: the directory that a folder is relative to; the working directory if None.
        revision: commit, tag or branch of a model on the hub.
        device, precision: as of `HuggingFaceEmbedder`.

    Raises:
        UsageError: `model` names nothing, or no cross-encoder that can be run; an argument is none of those.
        MissingPackage, Unavailable: the hub's client or the hub is not there.
    """

    def __init__(
        self,
        model: str,
        *,
        base: Path | None = None,
        revision: str | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        refuse_unknown(device, precision, None)
        if known_or_none(model):
            raise UsageError(
                f"{model!r} is a sentence encoder, and passages are ranked by a cross-encoder",
                hint="name a cross-encoder's folder, package or place on the hub",
            )
        place = find_place(model, base or Path(), revision)
        if place is None:
            raise UsageError(f"unknown cross-encoder {model!r}", hint=WAYS)
        self._files: CrossFiles = read_scorer_files(whole_folder(place))
        self._device = device
        self._precision = precision
        self._lock = Lock()
        self._loaded: TorchScorer | None = None

    @property
    def identity(self) -> str:
        """Equal identities give equal scores within rounding.

        Of a model that the local provider reads, it is that provider's.
        """
        return self._files.model.identity

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """Model, revision, the hub's commit, and the SHA-256 of its files; no place of this machine."""
        return self._files.provenance

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
            UsageError, MissingPackage, Unavailable: the model cannot be loaded, or not on that device.
        """
        if not passages:
            return []
        scores, truncated = self._scorer().score(question, passages)
        for position in truncated:
            on_truncated(position)
        return scores

    @cached_property
    def _tokenizer(self) -> LocalTokenizer:
        return LocalTokenizer(self._files)

    def _scorer(self) -> TorchScorer:
        from ragctl.providers.huggingface.scorer import load_scorer

        refuse_after_fork()
        with self._lock:
            if self._loaded is None:
                self._loaded = load_scorer(
                    self._files, self._tokenizer, device=self._device, precision=self._precision
                )
            return self._loaded
