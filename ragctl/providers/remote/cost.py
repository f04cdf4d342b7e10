"""What a request costs, by a provider's price."""

from __future__ import annotations

from ragctl.types import Price


def cost_of(
    price: Price | None, *, tokens: int = 0, output_tokens: int = 0, searches: int = 0
) -> float | None:
    """US dollars; None if a price that matters here is not known.

    Args:
        tokens, output_tokens: that the model reads and writes.
        searches: of a reranker that is paid by the search, and then not by the token.
    """
    if price is None:
        return None
    parts = [
        (tokens, price.usd_per_million_tokens, 1_000_000),
        (output_tokens, price.usd_per_million_output_tokens, 1_000_000),
    ]
    if searches:
        parts = [(searches, price.usd_per_thousand_searches, 1_000)]
    cost = 0.0
    for number, usd, per in parts:
        if number and usd is None:
            return None
        cost += number * (usd or 0.0) / per
    return cost
