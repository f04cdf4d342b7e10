"""What a server returned is looked at before anybody uses it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ragctl.errors import WrongVectors
from ragctl.providers.remote.vectors import checked_vectors


def test_vectors_are_made_of_unit_length() -> None:
    vectors = checked_vectors([[3.0, 4.0], np.array([0.0, 1e-30], "<f4")], texts=2, dimension=2)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0.0, 1.0]], rtol=1e-6)


def test_large_numbers_do_not_overflow() -> None:
    vectors = checked_vectors([[3e300, 4e100], [3e30, 4e30]], texts=2, dimension=None)
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize(
    ("rows", "dimension", "message"),
    [
        ([[1.0, 0.0]], 2, "1 vectors for 2 texts"),
        ([[1.0, 0.0]] * 3, 2, "3 vectors for 2 texts"),
        ([[1.0, 0.0], [1.0]], 2, "1, 2 numbers where 2"),
        ([[1.0, 0.0], [1.0]], None, "not all the same"),
        ([[1.0], [1.0]], 2, "1 numbers where 2"),
        ([[1.0, math.nan], [1.0, 0.0]], 2, "NaN"),
        ([[1.0, math.inf], [1.0, 0.0]], 2, "infinity"),
        ([[0.0, 0.0], [1.0, 0.0]], 2, "zeros"),
        ([[1.0, "x"], [1.0, 0.0]], 2, "no number"),
        ([[1.0, None], [1.0, 0.0]], 2, "no number|NaN"),
        ([[[1.0, 2.0], [1.0, 0.0]], [[1.0, 2.0], [1.0, 0.0]]], 2, "NaN|no number"),
        ([[], []], None, "zeros"),
    ],
)
def test_what_is_wrong_is_said(rows: list[Any], dimension: int | None, message: str) -> None:
    with pytest.raises(WrongVectors, match=message):
        checked_vectors(rows, texts=2, dimension=dimension)
