"""Combinations of a matrix: which there are, in which order, and what they are called."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ragctl.evaluate.experiment_matrix import AS_IS, LONGEST_NAME, variants

MATRIX: dict[str, Any] = {"chunk.max_tokens": [64, 128], "ask.query.mode": ["dense", "hybrid"]}


def names(*arguments: Any) -> list[str]:
    return [one.name for one in variants(*arguments)]


def test_every_combination_the_last_key_fastest() -> None:
    found = variants(MATRIX)
    assert [one.name for one in found] == [
        "max_tokens-64_mode-dense",
        "max_tokens-64_mode-hybrid",
        "max_tokens-128_mode-dense",
        "max_tokens-128_mode-hybrid",
    ]
    assert found[1].values == {"chunk.max_tokens": 64, "ask.query.mode": "hybrid"}
    assert found[1].places["ask.query.mode"] == ("experiment", "matrix", "ask.query.mode", 1)


def test_what_is_excluded_has_all_of_an_entrys_values() -> None:
    without = [{"chunk.max_tokens": 64, "ask.query.mode": "dense"}]
    assert names(MATRIX, [], without) == [
        "max_tokens-64_mode-hybrid",
        "max_tokens-128_mode-dense",
        "max_tokens-128_mode-hybrid",
    ]
    assert names(MATRIX, [], [{"ask.query.mode": "dense"}]) == names({**MATRIX, "ask.query.mode": ["hybrid"]})
    assert names(MATRIX, [], [{}]) == names(MATRIX)
    assert names(MATRIX, [], [{"chunk.overlap": 3}]) == names(MATRIX)


def test_what_is_included_comes_last_and_once() -> None:
    again = {"ask.query.mode": "dense", "chunk.max_tokens": 64}
    found = variants(MATRIX, [{}, again, {"chunk.overlap": 8}], [{"chunk.max_tokens": 128}])
    assert [one.name for one in found] == [
        "max_tokens-64_mode-dense",
        "max_tokens-64_mode-hybrid",
        AS_IS,
        "overlap-8",
    ]
    assert found[2].values == {}
    assert found[3].places == {"chunk.overlap": ("experiment", "include", 2, "chunk.overlap")}


def test_no_matrix_no_variant() -> None:
    assert variants({}) == ()


def test_keys_that_end_alike_are_told_apart() -> None:
    matrix = {"ask.rank.provider": ["none"], "ask.answer.provider": ["none"]}
    assert names(matrix) == ["rank.provider-none_answer.provider-none"]


def test_values_of_any_kind_give_readable_names() -> None:
    embed = [{"provider": "local"}, {"provider": "openai", "model": "org/Text Embedding 3"}]
    assert names({"embed": embed}) == ["embed-local", "embed-openai-text-embedding-3"]
    assert names({"chunk.context": [["title", "headings"], [], None]}) == [
        "context-title-headings",
        "context-none",
        names({"chunk.context": [["title"], [], None]})[2],
    ]


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
nested = st.recursive(values, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
keys = st.lists(st.sampled_from(["a", "b", "max_tokens", "ä"]), min_size=1, max_size=4).map(".".join)


@given(st.dictionaries(keys, st.lists(nested, min_size=1, max_size=3), min_size=1, max_size=3))
def test_names_are_unique_and_fit_a_command_line(matrix: dict[str, list[Any]]) -> None:
    found = names(matrix)
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"[a-z0-9_.-]{1,60}", one) and len(one) <= LONGEST_NAME for one in found)
