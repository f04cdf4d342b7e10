"""The plots of a report: what is written in them can be told apart."""

from __future__ import annotations

import pytest

from ragctl.report.plots import _number_offsets, _short_names


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["small", "a-hybrid_search"], ["small", "a-hybrid_search"]),
        (
            ["max_tokens-128_mode-dense_expand-none", "max_tokens-256_mode-hybrid_expand-none"],
            ["128 dense", "256 hybrid"],
        ),
        (["a-name-of-its-own-kind-and-length", "other"], ["a-name-of-its-own-kind-an…", "other"]),
        (["the-only-variant-with-a-long-name"], ["the-only-variant-with-a-l…"]),
    ],
)
def test_names_that_do_not_fit_keep_what_tells_them_apart(names: list[str], short: list[str]) -> None:
    assert _short_names(names) == short


def test_numbers_of_close_dots_stand_at_different_corners() -> None:
    apart = _number_offsets([(0.2, 0.5), (0.8, 0.5)])
    assert apart == [(6, 5), (6, 5)]
    left, right = _number_offsets([(0.50, 0.5), (0.53, 0.5)])
    assert left != right
    assert len(_number_offsets([(0.5, 0.5)] * 9)) == 9  # more than there are corners
