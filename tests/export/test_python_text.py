"""Python source is spelled as ruff's formatter would, whatever the values."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragctl.export.python_text import (
    LINE_LENGTH,
    Call,
    Code,
    fitting,
    literal,
    spelled,
    width,
    with_long_lines_marked,
    wrapped,
)

texts = st.text(max_size=120) | st.text(alphabet="\"'\\ab{} \n\té日\u200d\u0301🙂", max_size=120)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(texts)
def test_a_literal_is_the_text(text: str) -> None:
    assert ast.literal_eval(literal(text)) == text


@given(json_values)
def test_a_value_is_the_value(value: Any) -> None:
    assert ast.literal_eval("\n".join(spelled("", value))) == value


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(json_values, min_size=1, max_size=12))
def test_ruff_has_nothing_to_say(ruff_complaints: Callable[[str], str], values: list[Any]) -> None:
    lines = [line for number, value in enumerate(values) for line in spelled(f"V{number} = ", [value])]
    assert ruff_complaints("\n".join(with_long_lines_marked(lines)) + "\n") == ""


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", '"plain"'),
        ('say "hi"', "'say \"hi\"'"),
        ("it's", '"it\'s"'),
        ("both ' and \"", '"both \' and \\""'),
        ("C:\\new", '"C:\\\\new"'),
        ("Größe, 日本語", '"Größe, 日本語"'),
        ("left\u202eright", '"left\\u202eright"'),
        ("\U0001f642", '"\\U0001f642"'),
    ],
)
def test_literals_stay_readable(text: str, written: str) -> None:
    assert literal(text) == written


def test_calls_have_an_argument_a_line() -> None:
    call = Call("f", (Code("x"), 1), {"a": [], "b": {"c": True}})
    assert spelled("y = ", call) == [
        "y = f(",
        "    x,",
        "    1,",
        "    a=[],",
        "    b={",
        '        "c": True,',
        "    },",
        ")",
    ]
    assert spelled("", Call("f")) == ["f()"]


def test_what_fits_is_one_line() -> None:
    before, after = "f(", ")"
    room = LINE_LENGTH - 4 - len(before) - len(after)
    assert fitting(before, ["x" * room], after, depth=1) == [f"f({'x' * room})"]
    assert fitting(before, ["x" * (room + 1)], after, depth=1) == ["f(", f"    {'x' * (room + 1)},", ")"]


@given(st.text(alphabet="ab é日", max_size=400))
def test_wrapped_lines_are_short_and_lose_no_word(text: str) -> None:
    lines = wrapped(text, hanging="  ")
    assert " ".join(lines).split() == text.split()
    assert all(width(line) <= LINE_LENGTH or len(line.split()) == 1 for line in lines)
