"""What models of remote providers cost and read, from prices.json: dated, with a source for each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from ragctl.types import Price


@dataclass(frozen=True, slots=True)
class PricedModel:
    """A row of the file. None is unknown, not nothing.

    Attributes:
        kind: what it is used for.
        price: its numbers may each be unknown.
        dim: dimensions of its vectors, unless fewer are asked for.
        max_tokens: the longest input that it reads, of an embedder or reranker.
        context_tokens: the most that a chat model reads and writes together.
        source: the page that states the price.
        seen: the day on which it was read, as 2026-11-22.
        witnesses: other people's price tables that agree.
        note: what else is to be known.
    """

    provider: str
    model: str
    kind: Literal["embedder", "reranker", "generator"]
    price: Price
    source: str
    seen: str
    dim: int | None = None
    max_tokens: int | None = None
    context_tokens: int | None = None
    witnesses: tuple[str, ...] = ()
    note: str = ""


def known_model(provider: str, model: str) -> PricedModel | None:
    """The row of a model, by the provider's own name for it; None if there is none."""
    return _rows().get((provider, model))


def known_models() -> tuple[PricedModel, ...]:
    """All rows, in the order of the file."""
    return tuple(_rows().values())


def price_of(provider: str, model: str) -> Price | None:
    """The price of a provider's model; None if no price of it is known.

    It is the provider's own. What another server takes that speaks the same API is not known here.
    """
    row = known_model(provider, model)
    return None if row is None or row.price == _UNKNOWN else row.price


_UNKNOWN = Price(None)
_PRICES = ("usd_per_million_tokens", "usd_per_million_output_tokens", "usd_per_thousand_searches")


@cache
def _rows() -> dict[tuple[str, str], PricedModel]:
    text = resources.files(__package__).joinpath("prices.json").read_text(encoding="utf-8")
    rows = [_row(dict(row)) for row in json.loads(text)["models"]]
    return {(row.provider, row.model): row for row in rows}


def _row(row: dict[str, Any]) -> PricedModel:
    price = Price(**{key: row.pop(key, None) for key in _PRICES})
    witnesses = tuple(row.pop("witnesses", ()))
    return PricedModel(price=price, witnesses=witnesses, **row)
