"""A refused parameter is found by the words of several servers, and not sent again."""

from __future__ import annotations

import pytest

from ragctl.providers.openai.parameters import Parameters

OTHERWISE = {
    "temperature": "",
    "dimensions": "",
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}
SENT = {"temperature": 0.0, "max_tokens": 5, "dimensions": 8}


@pytest.mark.parametrize(
    ("parameter", "message", "left"),
    [
        (
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            {"temperature": 0.0, "max_completion_tokens": 5, "dimensions": 8},
        ),
        (
            None,
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            {"temperature": 0.0, "max_completion_tokens": 5, "dimensions": 8},
        ),
        (
            "temperature",
            "Unsupported value: 'temperature' does not support 0.0 with this model.",
            {"max_tokens": 5, "dimensions": 8},
        ),
        (
            None,
            'Model "x" does not support matryoshka representation, changing output dimensions will lead to',
            {"temperature": 0.0, "max_tokens": 5},
        ),
        (None, "dimensions: Extra inputs are not permitted", {"temperature": 0.0, "max_tokens": 5}),
        (None, "x does not support another dimension", {"temperature": 0.0, "max_tokens": 5}),
    ],
)
def test_each_wording(parameter: str | None, message: str, left: dict[str, object]) -> None:
    parameters = Parameters(OTHERWISE)
    assert parameters.taken(SENT) == SENT
    assert parameters.refuse(SENT, parameter=parameter, message=message)
    assert parameters.taken(SENT) == left


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        (None, "the temperature of the text is wrong"),
        ("messages", "unsupported content; temperature is fine"),
        (None, "unknown error"),
        ("seed", "Unsupported parameter: 'seed'"),
    ],
)
def test_other_refusals_are_no_matter_of_parameters(parameter: str | None, message: str) -> None:
    parameters = Parameters(OTHERWISE)
    assert not parameters.refuse(SENT, parameter=parameter, message=message)
    assert parameters.taken(SENT) == SENT


def test_two_names_that_are_both_refused_are_both_left_out() -> None:
    parameters = Parameters(OTHERWISE)
    for name in ("max_tokens", "max_completion_tokens"):
        sent = parameters.taken({"max_tokens": 5})
        assert parameters.refuse(sent, parameter=name, message=f"Unsupported parameter: '{name}'")
    assert parameters.taken({"max_tokens": 5}) == {}
    assert not parameters.refuse({}, parameter="max_tokens", message="Unsupported parameter: 'max_tokens'")
