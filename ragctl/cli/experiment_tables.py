"""Experiments as tables for people, 80 columns wide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ragctl.cli.output import counted, data_console, one_line

_UNITS = ("B", "kB", "MB", "GB", "TB")


def print_experiment(document: Mapping[str, Any], promote: str) -> None:
    """The variants side by side, best first, and what they shared.

    Args:
        document: see `ragctl.run.experimenting.outcome.experiment_json`.
        promote: the command line that promotes, without the variant.
    """
    console = data_console()
    head = f"experiment {document['experiment']}: {counted(len(document['variants']), 'variant')}, "
    console.print(f"{head}{counted(document['questions'], 'question')}", markup=False)
    if document["winner"] is not None:
        _print_measured(document)
    for one in document["variants"]:
        if one["status"] != "done":
            console.print(f"{one_line(one['name'])}: {_why_not(one)}", markup=False, soft_wrap=True)
    console.print(_shared(document["sharing"]), markup=False, soft_wrap=True)
    if document["winner"] is not None:
        console.print(f"best: {document['winner']}", markup=False)
        console.print(f"{promote} {document['winner']} -o FILE", markup=False, soft_wrap=True)


def _print_measured(document: Mapping[str, Any]) -> None:
    from rich.table import Table

    console = data_console()
    done = [one for one in document["variants"] if "metrics" in one]
    paid = any(one["cost_usd_per_question"] != 0 for one in done)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("variant", overflow="fold")  # names that differ at their end alone stay apart
    numbers = (document["metric"], "difference", "p", "p95 ms", *(("cost",) if paid else ()), "size", "s")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for row in _rows(document, done, paid=paid):
        table.add_row(*row)
    console.print(table)
    console.print("difference: to the baseline, ± half its 95 % interval; s: ingest seconds")
    console.print("* no other is as good, as cheap and as fast, and better at one of these", markup=False)


def _why_not(variant: Mapping[str, Any]) -> str:
    error = variant["error"]
    return "not run yet" if error is None else f"failed: {one_line(str(error['message']))}"


def _rows(document: Mapping[str, Any], done: Sequence[Mapping[str, Any]], *, paid: bool) -> list[list[str]]:
    comparison, metric = document["comparison"], document["metric"]
    differences = {one["name"]: one for one in comparison["differences"]}
    front = {one["label"] for one in comparison["results"] if one["pareto"]}
    ordered = sorted(done, key=lambda one: -float(one["metrics"][metric]["mean"]))
    rows = []
    for one in ordered:
        against, facts = differences.get(one["name"]), one["index_facts"]
        cost, p95 = one["cost_usd_per_question"], one["latency_ms"]["p95"]
        rows.append(
            [
                "*" if one["name"] in front else "",
                one_line(one["name"]),
                f"{one['metrics'][metric]['mean']:.4f}",
                _difference(against),
                "" if against is None or against["p_corrected"] is None else f"{against['p_corrected']:.3f}",
                "" if p95 is None else f"{p95:.0f}",
                *([] if not paid else ["?" if cost is None else f"${cost:.5f}"]),
                _size(facts["bytes"]),
                f"{facts['ingest_seconds']:.0f}",
            ]
        )
    return rows


def _difference(against: Mapping[str, Any] | None) -> str:
    if against is None:
        return "baseline"
    return f"{against['mean']:+.4f} ±{(against['high'] - against['low']) / 2:.3f}"


def _size(size: int | None) -> str:
    if size is None:
        return "?"
    value, unit = float(size), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}"


def _shared(sharing: Mapping[str, int]) -> str:
    made = f"{counted(sharing['variants'], 'variant')} on {counted(sharing['generations'], 'generation')}"
    texts = f"texts {sharing['texts_read']:,} read, {sharing['texts_found']:,} found"
    vectors = f"vectors {sharing['embedded']:,} made, {sharing['cached']:,} found"
    return f"{made}\n{texts}; {vectors}"


def print_experiments(found: Sequence[Mapping[str, Any]]) -> None:
    """One line an experiment, the newest first."""
    from rich.table import Table

    console = data_console()
    if not found:
        console.print("no experiment has been run")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("experiment", "started", "variants", "failed", "metric", "mean", "best"):
        right = name in ("variants", "failed", "mean")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for one in found:
        table.add_row(
            one["experiment"],
            (one["started"] or "")[:16].replace("T", " "),
            f"{one['variants']:,}",
            f"{one['failed']:,}",
            one["metric"] or "",
            "" if one["mean"] is None else f"{one['mean']:.4f}",
            one_line(one["best"] or ""),
        )
    console.print(table)
