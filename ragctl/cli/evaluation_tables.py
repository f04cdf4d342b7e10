"""Evaluations and comparisons of them, as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ragctl.cli.output import counted, data_console, one_line

if TYPE_CHECKING:
    from ragctl.evaluate.compare import Comparison, Difference
    from ragctl.evaluate.gates import Verdict

_WORST = 5


def print_result(result: dict[str, Any], verdicts: Sequence[Verdict]) -> None:
    """One evaluation: metrics with their intervals, latency, cost, gates."""
    from rich.table import Table

    console = data_console()
    table = Table(box=None, pad_edge=False)
    for name, justify in (("metric", "left"), ("mean", "right"), ("95 % interval", "left"), ("of", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    for name, found in result["metrics"].items():
        interval = f"{found['low']:.4f} to {found['high']:.4f}"
        label = f"{name} ({one_line(found['judge'])})" if "judge" in found else name
        table.add_row(label, f"{found['mean']:.4f}", interval, f"{found['n']:,}")
    console.print(table)
    latency = result["latency_ms"]
    if latency["p50"] is not None:
        console.print(f"latency: p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms")
    cost = result["cost_usd_per_question"]
    console.print(f"cost a question: {'unknown' if cost is None else f'${cost:.6f}' if cost else 'nothing'}")
    for line in _about_the_judge(result.get("judge")):
        console.print(line, soft_wrap=True)
    for one in result["failures"][:_WORST]:
        console.print(f"failed: {one_line(one['id'])}: {one_line(one['message'])}", soft_wrap=True)
    excluded = result.get("excluded", [])
    for one in excluded[:_WORST]:
        console.print(
            f"not asked: {one_line(one['id'])}: its own statement fails: {one_line(one['message'])}",
            soft_wrap=True,
        )
    left_out = result["judgements"]["left_out"]
    if left_out and not excluded:
        console.print(f"{counted(left_out, 'question')} of which nothing is known left out")
    for verdict in verdicts:
        measured = "not measured" if verdict.measured is None else f"{verdict.measured:.4f}"
        console.print(f"{'met' if verdict.met else 'NOT MET'}: {verdict.gate} ({measured})", soft_wrap=True)
    console.print(f"kept as run {result['run']}")


def _about_the_judge(judge: dict[str, Any] | None) -> Iterator[str]:
    if judge is None:
        return
    cost = judge["usage"]["cost_usd"]
    paid = "an unknown cost" if cost is None else f"${cost:.4f}"
    yield f"{one_line(judge['model'])} judged {counted(judge['answers'], 'answer')} for {paid}"
    if judge["unread"]:
        yield f"its verdict on {judge['unread']:,} of them could not be read"
    for one in judge["failures"]:
        yield f"not judged: {one['count']:,}: {one_line(one['message'])}"


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return "baseline"
    interval = difference.interval
    return f"{interval.mean:+.4f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _cost(cost: float | None) -> str:
    return "?" if cost is None else f"${cost:.5f}"


def print_comparison(comparison: Comparison, facts: Sequence[dict[str, Any]]) -> None:
    """Each result against the baseline, and the questions that changed most.

    Args:
        facts: of every result, as `compared_facts` gives them.
    """
    from rich.table import Table

    console = data_console()
    paid = any(fact["cost"] != 0 for fact in facts)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    names = ("run", comparison.metric, "difference", "p", "p95 ms", *(("cost",) if paid else ()), "chunks")
    for name in names:
        table.add_column(name, justify="left" if name == "run" else "right", no_wrap=name != "run")
    by_run = {one.run: one for one in comparison.differences}
    for fact in facts:
        difference = by_run.get(fact["run"])
        table.add_row(
            f"{'* ' if fact['pareto'] else '  '}{one_line(fact['label'])}",
            f"{fact['mean']:.4f}",
            _difference(difference),
            "" if difference is None or difference.p_corrected is None else f"{difference.p_corrected:.3f}",
            "" if fact["p95_ms"] is None else f"{fact['p95_ms']:.0f}",
            *([_cost(fact["cost"])] if paid else []),
            f"{fact['chunks']:,}",
        )
    console.print(table)
    console.print("* no other is as good, as cheap and as fast, and better at one of these")
    console.print(f"p is corrected for {counted(len(by_run), 'comparison')}")
    for one in comparison.differences:
        better, worse = counted(len(one.better), "question"), len(one.worse)
        console.print(f"{one.name}: {better} better, {worse:,} worse, {one.unchanged:,} as before")
        for change in (*one.better[:_WORST], *one.worse[:_WORST]):
            arrow = f"{change.before:.3f} → {change.after:.3f}"
            console.print(
                f"  {arrow}  {one_line(change.id)}: {one_line(change.question)}",
                overflow="ellipsis",
                no_wrap=True,
            )
