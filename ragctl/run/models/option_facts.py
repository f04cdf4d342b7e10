"""What is known when an embedder is chosen: prices, speeds, places, the size of the corpus, a GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ragctl.readers.auto import reader_for
from ragctl.run.models.gpu import find_gpu
from ragctl.run.models.places import endpoint_of
from ragctl.run.models.prices import price_of_settings
from ragctl.selection.decision import Criteria, Facts, Option
from ragctl.selection.rates import Rate, assumed_rate
from ragctl.state.migrations import schema_version
from ragctl.state.runs import measured_rate
from ragctl.types import Item

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.run.composition import Composition
    from ragctl.spec.embed_settings import AutoEmbedder, EmbedderOption

BYTES_A_TOKEN = 4
"""Of English text; what a corpus is estimated by before any of it is read."""


def criteria_of(embed: AutoEmbedder) -> Criteria:
    """`selection_criteria` of the spec."""
    return Criteria(**{name: getattr(embed.selection_criteria, name) for name in Criteria.__slots__})


def facts_of(composition: Composition, *, count: bool) -> Facts:
    """What is known of the work and of this machine.

    Args:
        count: list the sources to estimate how many tokens there are.

    Raises:
        ListingFailed: a source cannot be listed.
    """
    gpu = find_gpu(composition.environment)
    return Facts(
        tokens=estimated_tokens(composition) if count else None,
        gpu=gpu.found,
        gpu_reason=gpu.reason,
        sensitive_text=any(source.sensitivity == "sensitive" for source in composition.spec.sources),
    )


def estimated_tokens(composition: Composition) -> int:
    """Of all that is listed and has a reader: bytes by `BYTES_A_TOKEN`. An item of unknown size has none."""
    most = composition.spec.extract.max_bytes
    sizes = (
        item.size or 0
        for source in composition.sources
        for item in source.items()
        if isinstance(item, Item) and reader_for(item).reader is not None
    )
    return sum(size for size in sizes if size <= most) // BYTES_A_TOKEN


def options_of(composition: Composition, embed: AutoEmbedder) -> list[Option]:
    """The options, with what is known of each."""
    connection = composition.look()
    if connection is None:
        return list(_options(embed, None))
    with closing(connection):
        return list(_options(embed, connection if schema_version(connection) else None))


def _options(embed: AutoEmbedder, connection: Connection[Any] | None) -> Iterator[Option]:
    for number, option in enumerate(embed.embedder_options):
        settings = option.settings
        rate = _rate(option, connection)
        yield Option(
            number=number,
            provider=option.provider,
            model=option.model,
            use_gpu=option.use_gpu,
            cost=option.cost,
            endpoint=endpoint_of(settings),
            usd_per_million_tokens=price_of_settings(settings).usd_per_million_tokens,
            tokens_per_second=rate.tokens_per_second,
            rate_source=rate.source,
            dim=option.dim or getattr(settings, "dimensions", None),
            max_tokens=settings.max_input_tokens,
            quality=option.quality,
        )


def _rate(option: EmbedderOption, connection: Connection[Any] | None) -> Rate:
    if connection is not None:
        measured = measured_rate(connection, option.provider, option.model, gpu=option.use_gpu)
        if measured is not None:
            return Rate(measured, "measured by earlier runs", measured=True)
    return assumed_rate(
        option.provider,
        on_gpu=option.use_gpu,
        cores=_cores(),
        tokens_per_minute=getattr(option, "tokens_per_minute", None),
    )


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
