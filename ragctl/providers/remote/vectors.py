"""Looks whether a server returned the vectors that it was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragctl.errors import WrongVectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Vectors = NDArray[np.float32]

_HINT = "nothing of this answer is kept; see whether the server has the model that the spec names"


def checked_vectors(rows: Sequence[ArrayLike], *, texts: int, dimension: int | None) -> Vectors:
    """The rows as vectors of unit length, shape (texts, dimension).

    Args:
        rows: one a text, in the order of the texts.
        dimension: None: whatever it is, but the same for all.

    Raises:
        WrongVectors: another number of them, another size, something that is no number or not finite,
            or a vector of zeros.
    """
    import numpy as np

    if len(rows) != texts:
        raise WrongVectors(f"the server returned {len(rows)} vectors for {texts} texts", hint=_HINT)
    try:
        sizes = {len(row) if isinstance(row, list) else np.size(row) for row in rows}
        wanted = sizes if dimension is None else {dimension}
        if sizes != wanted or len(sizes) != 1:
            found = ", ".join(str(size) for size in sorted(sizes))
            raise WrongVectors(
                f"the server returned vectors of {found} numbers"
                + (f" where {dimension} were expected" if dimension is not None else ", not all the same"),
                hint=_HINT,
            )
        exact = np.asarray(rows, np.float64)
    except (TypeError, ValueError):
        raise WrongVectors("the server returned vectors with something in them that is no number") from None
    if exact.ndim != 2 or not np.isfinite(exact).all():
        raise WrongVectors("the server returned a vector that holds NaN or infinity", hint=_HINT)
    largest = np.abs(exact).max(axis=1, keepdims=True, initial=0.0)
    if not largest.all():
        raise WrongVectors("the server returned a vector of zeros", hint=_HINT)
    exact /= largest  # so that no square overflows or vanishes
    unit: Vectors = (exact / np.linalg.norm(exact, axis=1, keepdims=True)).astype(np.float32)
    return unit
