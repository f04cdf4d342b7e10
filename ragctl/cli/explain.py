"""How hits came about: ranks and scores of each search, the fused score, the time of each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragctl.cli.output import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from ragctl.types import Hit

SEARCHES = ("dense", "lexical", "rerank")
# Steps, and those that are a part of them.
_STEPS = {"query": ("embed", "dense", "lexical"), "dedupe": (), "rank": ()}


def print_explanation(console: Console, hits: list[Hit], timings: Mapping[str, float]) -> None:
    """A table of the hits and a line of the steps."""
    from rich.table import Table

    searches = [name for name in SEARCHES if any(name in hit.trail for hit in hits)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right")
    table.add_column("passage", overflow="fold")
    for name in searches:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    for hit in hits:
        line = f":{hit.line}" if hit.line is not None else ""
        place = one_line(f"{hit.source}: {hit.document}{line}")
        steps = (_step(hit.trail.get(name)) for name in searches)
        table.add_row(str(hit.rank), _plain(place), *steps, f"{hit.score:.4f}")
    if hits:
        console.print()
        console.print(table)
    console.print()
    console.print(_timings(timings), markup=False, soft_wrap=True)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def _step(step: Mapping[str, Any] | None) -> str:
    return "" if step is None else f"#{step['rank']} {step['score']:.3f}"


def _timings(timings: Mapping[str, float]) -> str:
    def shown(step: str) -> str:
        return f"{step} {timings[f'{step}_ms']:.1f}"

    parts = []
    for step, inner in _STEPS.items():
        if f"{step}_ms" in timings:
            of = [shown(one) for one in inner if f"{one}_ms" in timings]
            parts.append(shown(step) + (f" ({', '.join(of)})" if of else ""))
    return f"milliseconds: {', '.join([*parts, shown('total')])}"
