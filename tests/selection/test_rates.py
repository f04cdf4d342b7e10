"""What speed to reckon with where none was measured."""

from __future__ import annotations

import pytest

from ragctl.selection.rates import assumed_rate


@pytest.mark.parametrize("provider", ["local", "huggingface", "openai", "cohere"])
def test_every_provider_has_one_that_says_it_is_assumed(provider: str) -> None:
    for on_gpu in (False, True):
        rate = assumed_rate(provider, on_gpu=on_gpu, cores=2)
        assert rate.tokens_per_second > 0
        assert not rate.measured
        assert "assumed" in rate.source


def test_it_grows_with_the_processors_and_not_beyond_the_spec() -> None:
    one, four = (assumed_rate("local", cores=cores).tokens_per_second for cores in (1, 4))
    assert four == 4 * one
    assert assumed_rate("openai", cores=4) == assumed_rate("openai")
    assert assumed_rate("huggingface", on_gpu=True, cores=4) == assumed_rate("huggingface", on_gpu=True)
    held = assumed_rate("openai", tokens_per_minute=6_000)
    assert (held.tokens_per_second, held.source) == (100, "the spec's tokens_per_minute")
    assert assumed_rate("openai", tokens_per_minute=10**9) == assumed_rate("openai")
    assert assumed_rate("local", tokens_per_minute=6) == assumed_rate("local")
