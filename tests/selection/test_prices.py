"""The price file: every row dated, with a source, and unknown where it is unknown."""

from __future__ import annotations

import datetime
import json
from importlib import resources
from urllib.parse import urlsplit

import pytest

from ragctl.selection.prices import PricedModel, known_model, known_models, price_of
from ragctl.spec.embed_settings import REMOTE_MODEL_TOKENS
from ragctl.spec.rank_settings import COHERE_RERANKER
from ragctl.types import Price


@pytest.mark.parametrize("row", known_models(), ids=lambda row: f"{row.provider}-{row.model}")
def test_a_row(row: PricedModel) -> None:
    assert urlsplit(row.source).scheme == "https"
    assert datetime.date(2026, 1, 1) <= datetime.date.fromisoformat(row.seen) <= datetime.date.today()
    assert row.provider in {"openai", "cohere"}
    numbers = [
        row.price.usd_per_million_tokens,
        row.price.usd_per_million_output_tokens,
        row.price.usd_per_thousand_searches,
    ]
    assert all(number is None or 0 < number < 1000 for number in numbers)
    assert row.witnesses
    wanted = {"embedder": (row.dim, row.max_tokens), "reranker": (row.max_tokens,)}
    assert all(wanted.get(row.kind, (row.context_tokens,)))


def test_no_model_has_two_rows() -> None:
    text = resources.files("ragctl.selection").joinpath("prices.json").read_text(encoding="utf-8")
    assert len(json.loads(text)["models"]) == len(known_models())


@pytest.mark.parametrize(
    ("provider", "model", "price"),
    [
        ("openai", "text-embedding-3-small", Price(0.02)),
        ("openai", "gpt-4o-mini", Price(0.15, 0.6)),
        ("cohere", COHERE_RERANKER, Price(None, None, 2.0)),
        ("cohere", "embed-english-v3.0", None),
        ("openai", "no-such-model", None),
        ("local", "all-MiniLM-L6-v2", None),
        ("cohere", "text-embedding-3-small", None),
    ],
)
def test_a_price(provider: str, model: str, price: Price | None) -> None:
    assert price_of(provider, model) == price


def test_the_spec_knows_the_limits_that_the_file_has() -> None:
    known = {row.model: row.max_tokens for row in known_models() if row.kind == "embedder"}
    assert known == REMOTE_MODEL_TOKENS


def test_a_model_without_a_price_has_its_other_facts() -> None:
    row = known_model("cohere", "embed-english-v3.0")
    assert row is not None
    assert (row.dim, row.max_tokens, row.price.usd_per_million_tokens) == (1024, 512, None)
