"""What a loaded model is compared with before it is used: sentence-transformers' own reading, and float32."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from ragctl.errors import Unavailable, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Outputs = NDArray[np.float32]

_LOG = logging.getLogger("ragctl")

PROBES = (
    "How deep is the lake?",
    "The ferry leaves the north pier at a quarter past six and takes forty minutes.",
    "def mean(values: list[float]) -> float:\n    return sum(values) / len(values)",
    "Straßenbahn, été, 今天的会议改到下午三点, Привет, мир!",
)
"""Of unlike lengths, so that padding and mask are checked too. The first two every tokenizer reads alike."""

_PLAIN = 2

MIN_COSINE = 0.999
"""Least cosine between vectors of 16 bits and of 32, and to those of sentence-transformers."""

MAX_LOGIT_ERROR = 0.05
"""Most that a score before its activation may differ, or, of one over 1, the share of it."""

_SAVE_TOKENIZER = (
    "transformers writes the tokenizer as it reads it: "
    "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
)

T = TypeVar("T")


def cosines(found: Outputs, expected: Outputs) -> list[float]:
    """Of each row of vectors of unit length; 0 where there are numbers that are none."""
    import numpy as np

    return [float(one) for one in np.nan_to_num(np.sum(found * expected, axis=1))]


def logit_agreement(found: Outputs, expected: Outputs) -> list[float]:
    """1 for each logit that is near enough to the expected one, 0 for any other."""
    import numpy as np

    off = np.abs(found - expected)[:, 0] / np.maximum(1, np.abs(expected[:, 0]))
    return [float(one) for one in np.nan_to_num(off, nan=np.inf) <= MAX_LOGIT_ERROR]


def refuse_other_reading(name: str, agreements: Sequence[float]) -> None:
    """Compares with the outputs of sentence-transformers, which tokenizes by itself.

    Args:
        agreements: cosine, or as of `logit_agreement`, for each of the first probes.

    Raises:
        UsageError: plain text is read in another way, so that all vectors would be others.
    """
    plain = agreements[:_PLAIN]
    if plain and min(plain) < MIN_COSINE:
        raise UsageError(
            f"{name}: tokenizer.json and transformers read plain text differently", hint=_SAVE_TOKENIZER
        )
    if agreements and min(agreements) < MIN_COSINE:
        _LOG.warning(
            "%s: transformers reads some text other than tokenizer.json says, which is followed (%s)",
            name,
            _SAVE_TOKENIZER,
        )


def near_enough(
    name: str,
    load: Callable[[str], T],
    probe: Callable[[T], Outputs],
    agree: Callable[[Outputs, Outputs], list[float]],
    precision: str,
) -> T:
    """The model in 16 bits if its outputs are near enough to those of 32, else in 32, with a warning.

    Args:
        load: makes it in a number format.
        probe: its outputs for the probes.
    """
    expected = probe(load("fp32"))
    made = load(precision)
    agreement = min(agree(probe(made), expected), default=1.0)
    if agreement >= MIN_COSINE:
        return made
    _LOG.warning(
        "%s is too coarse in %s (least agreement %.4f), and runs in fp32", name, precision, agreement
    )
    del made
    return load("fp32")


def refuse_no_numbers(name: str, precision: str, outputs: Outputs) -> None:
    """
    Raises:
        Unavailable: there are numbers among them that are none, as an overflow gives.
    """
    import numpy as np

    if not np.isfinite(outputs).all():
        hint = "set precision: fp32" if precision != "fp32" else "are the model's files whole?"
        raise Unavailable(f"{name} gives numbers that are none in {precision}", hint=hint)
