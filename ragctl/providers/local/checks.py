"""Proof that a compiled model gives the right results, before any of them is used.

A model that ragctl knows has vectors that sentence-transformers made in float32, beside this module. For
any other, float32 on this processor is what the faster format is compared with.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ragctl.errors import UsageError
from ragctl.providers.local.batches import Batch, pack
from ragctl.providers.local.pairs import pack_pairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragctl.providers.local.cross_model import CrossModel
    from ragctl.providers.local.model_files import Model
    from ragctl.providers.local.tokenizer import LocalTokenizer

    Outputs = NDArray[np.float32]

MIN_COSINE = 0.9999
"""Least cosine to the vectors that a known model is to give (sentence-transformers, float32)."""

MIN_COSINE_TO_FULL = 0.999
"""Least cosine to this processor's own float32, for any other model."""

MAX_LOGIT_ERROR = 0.05
"""Most that a cross-encoder's logit may differ from float32's, or, of one over 1, the share of it."""

_TEXTS = (
    "How deep is the lake?",
    "def mean(values: list[float]) -> float:\n    return sum(values) / len(values)",
    "Straßenbahn, été, 今天的会议改到下午三点, Привет, мир!",
    "The ferry leaves the north pier at a quarter past six and takes forty minutes; on Sundays, and "
    "whenever the wind is stronger than eight Beaufort, it does not sail, and a bus goes round the bay.",
)
"""Of unlike lengths, so that padding and mask are checked too."""


class Runs(Protocol):
    """A compiled model, see `compiled.py`."""

    def infer(self, batch: Batch) -> Outputs: ...


class Check:
    """Compares outputs for a batch with expected ones.

    Args:
        expected: None: those that the model gives in float32.
        differ: how far outputs are from expected ones, in words, if that is too far.

    Attributes:
        found: what the last comparison found, in words.
    """

    def __init__(
        self, batch: Batch, expected: Outputs | None, differ: Callable[[Outputs, Outputs], str | None]
    ) -> None:
        self._batch = batch
        self._expected = expected
        self._differ = differ
        self.found = ""

    def passes(self, made: Runs, in_full: Callable[[], Runs] | None) -> bool:
        """
        Args:
            in_full: makes the model in float32; None if `made` is in float32 itself.
        """
        import numpy as np

        outputs = made.infer(self._batch)
        if self._expected is None and in_full is not None:
            self._expected = in_full().infer(self._batch)
        expected = outputs if self._expected is None else self._expected
        sound = bool(np.all(np.isfinite(outputs)))
        self.found = (self._differ(outputs, expected) if sound else "numbers that are none") or ""
        return not self.found


def encoder_check(model: Model, tokenizer: LocalTokenizer, *, brief: bool = False) -> Check:
    """The check of a sentence encoder.

    Args:
        brief: where there are no vectors to compare with, that one short text gives numbers is enough.

    Raises:
        UsageError: the tokenizer's vocabulary is not the model's.
    """
    import numpy as np

    if model.reference is None:
        ids = [one[: model.max_tokens] for one in tokenizer.token_ids(_TEXTS[:1] if brief else _TEXTS)]
        (batch,) = pack(ids, batch_tokens=len(ids) * max(map(len, ids)) * 2)
        return Check(batch, None, _cosine_below(MIN_COSINE_TO_FULL))
    source = Path(__file__).parent / model.reference
    known = json.loads(source.read_text(encoding="utf-8"))
    ids = tokenizer.token_ids(known["texts"], prefix="")
    (batch,) = pack(ids, batch_tokens=len(ids) * model.max_tokens)
    vectors = np.array(known["vectors"], np.float32)[list(batch.positions)]
    return Check(batch, vectors, _cosine_below(MIN_COSINE))


def scorer_check(model: CrossModel, tokenizer: LocalTokenizer) -> Check:
    """The check of a cross-encoder."""
    question, *passages = tokenizer.bare_ids(_TEXTS)
    (batch,) = pack_pairs(
        question, passages, tokenizer.pair_frame, max_tokens=model.max_tokens, batch_tokens=1 << 20
    ).batches
    return Check(batch, None, _logit_differs)


def refuse_other_vocabulary(tokenizer: LocalTokenizer, rows: int) -> None:
    """
    Args:
        rows: of the table of words.

    Raises:
        UsageError: the tokenizer has tokens that the model has no vector for.
    """
    if tokenizer.largest_id >= rows:
        raise UsageError(
            f"the tokenizer has a token {tokenizer.largest_id}, the model has vectors for {rows} tokens",
            hint="is tokenizer.json that of another model?",
        )


def _cosine_below(least: float) -> Callable[[Outputs, Outputs], str | None]:
    def differ(outputs: Outputs, expected: Outputs) -> str | None:
        import numpy as np

        cosine = float(np.min(np.sum(outputs * expected, axis=1)))
        return None if cosine >= least else f"cosine to the reference {cosine:.5f}, at least {least} expected"

    return differ


def _logit_differs(outputs: Outputs, expected: Outputs) -> str | None:
    import numpy as np

    worst = float(np.max(np.abs(outputs - expected) / np.maximum(1, np.abs(expected))))
    return None if worst <= MAX_LOGIT_ERROR else f"a logit is off by {worst:.3f}"
