"""What a model costs: the spec's own number, else the price file's, else nobody knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from ragctl.run.models.places import IN_PROCESS, OWN_HOSTS, endpoint_of
from ragctl.selection.prices import price_of
from ragctl.types import Price

Kind = Literal["embedder", "reranker", "generator"]

_OVERRIDES = ("usd_per_million_tokens", "usd_per_million_output_tokens", "usd_per_thousand_searches")


def price_of_settings(settings: Any) -> Price:
    """The price of the model that a section of the spec names.

    A model in this process costs nothing. What another server than the provider's own takes is not known,
    whatever the model is called there.
    """
    if settings.provider in IN_PROCESS:
        return Price(0.0, 0.0, 0.0)
    own = endpoint_of(settings) == OWN_HOSTS[settings.provider]
    known = (price_of(settings.provider, settings.model) if own else None) or Price(None)
    given = {name: getattr(settings, name, None) for name in _OVERRIDES}
    return replace(known, **{name: value for name, value in given.items() if value is not None})


def is_known(price: Price, kind: Kind) -> bool:
    """Is all of the price known that matters for such a model? What has none cannot be held to a budget."""
    if kind == "reranker":
        return price.usd_per_thousand_searches is not None
    reads = price.usd_per_million_tokens is not None
    return reads and (kind == "embedder" or price.usd_per_million_output_tokens is not None)
