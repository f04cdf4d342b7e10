"""How an answer came about: versions of the question, ranks of each passage, time and cost of each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragctl.cli.output import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from ragctl.run.answering.asked import AskResult
    from ragctl.types import Hit, Usage

SEARCHES = ("dense", "lexical", "rerank")
# Steps, and those that are a part of them.
_STEPS = {
    "rephrase": (),
    "query": ("embed", "dense", "lexical"),
    "dedupe": (),
    "rank": (),
    "verify": (),
    "answer": (),
}


def print_explanation(console: Console, result: AskResult) -> None:
    """Versions, a table of the passages, what was left out, and a line each of time and cost."""
    _print_versions(console, result)
    if result.hits:
        console.print()
        console.print(_table(result.hits))
        _print_by_version(console, result.hits)
    for hit in result.left_out:
        console.print(_plain(one_line(f"left out, as it does not help: {hit.source}: {hit.document}")))
    console.print()
    console.print(_timings(result.timings), markup=False, soft_wrap=True)
    for stage, usage in result.stages.items():
        if usage.requests:
            model = f" {result.models[stage]}" if stage in result.models else ""
            console.print(f"{stage}{one_line(model)}: {_usage(usage)}", markup=False, soft_wrap=True)


def _print_versions(console: Console, result: AskResult) -> None:
    if result.stand_alone is None and not result.rephrasings:
        return
    console.print()
    for number, version in enumerate((result.stand_alone or result.question, *result.rephrasings)):
        console.print(_plain(one_line(f"version {number}: {version}")), soft_wrap=True)


def _table(hits: list[Hit]) -> Any:
    from rich.table import Table

    searches = [name for name in SEARCHES if any(name in hit.trail for hit in hits)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right")
    table.add_column("passage", overflow="fold")
    for name in searches:
        table.add_column(name, justify="right", no_wrap=True)
    columns = {
        "verify": any("verify" in hit.trail for hit in hits),
        "folded": any(hit.duplicates for hit in hits),
    }
    for name, is_shown in columns.items():
        if is_shown:
            table.add_column(name)
    table.add_column("score", justify="right", no_wrap=True)
    for hit in hits:
        line = f":{hit.line}" if hit.line is not None else ""
        place = one_line(f"{hit.source}: {hit.document}{line}")
        more = {
            "verify": str(hit.trail.get("verify", {}).get("verdict", "")),
            "folded": str(len(hit.duplicates) or ""),
        }
        shown = [more[name] for name, is_shown in columns.items() if is_shown]
        steps = (_step(hit.trail.get(name)) for name in searches)
        table.add_row(str(hit.rank), _plain(place), *steps, *shown, f"{hit.score:.4f}")
    return table


def _print_by_version(console: Console, hits: list[Hit]) -> None:
    """Each hit's rank in each search for each version; nothing where there is but one version."""
    from rich.table import Table

    ranks = [_ranks(hit) for hit in hits]
    columns = sorted({column for one in ranks for column in one})
    if len({version for _, version in columns}) < 2:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right")
    for name, version in columns:
        table.add_column(f"{name} {version}", justify="right")
    for hit, found in zip(hits, ranks, strict=True):
        table.add_row(str(hit.rank), *(str(found.get(column, "")) for column in columns))
    console.print("\nranks by search and version", markup=False)
    console.print(table)


def _ranks(hit: Hit) -> dict[tuple[str, int], int]:
    """(search, number of the version) → rank."""
    return {
        (name, one["version"]): one["rank"]
        for name, step in hit.trail.items()
        for one in step.get("versions", [step])
        if "version" in one
    }


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def _step(step: Mapping[str, Any] | None) -> str:
    if step is None:
        return ""
    return f"#{step['rank']} {step['score']:.3f}" + (" cut" if step.get("truncated") else "")


def _timings(timings: Mapping[str, float]) -> str:
    def shown(step: str) -> str:
        return f"{step} {timings[f'{step}_ms']:.1f}"

    parts = []
    for step, inner in _STEPS.items():
        if f"{step}_ms" in timings:
            of = [shown(one) for one in inner if f"{one}_ms" in timings]
            parts.append(shown(step) + (f" ({', '.join(of)})" if of else ""))
    return f"milliseconds: {', '.join([*parts, shown('total')])}"


def _usage(usage: Usage) -> str:
    cost = "unknown cost" if usage.cost_usd is None else f"{usage.cost_usd:.6f} USD"
    repeated = f" ({usage.retries} repeated)" if usage.retries else ""
    return (
        f"{usage.requests:,} requests{repeated}, {usage.tokens:,} tokens read, "
        f"{usage.output_tokens:,} written, {cost}"
    )
