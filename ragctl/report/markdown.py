"""A report as Markdown, for a pull request's comment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ragctl.report.content import ChangedQuestion, Content, Result, Row, content_of
from ragctl.report.numbers import bytes_text, cost_text, number_text, p_text, signed

MOST_CHANGES = 3
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~!&@])")


def report_markdown(results: Sequence[Result], metric: str | None = None) -> str:
    """A table of the results, and the questions that changed most.

    Args:
        metric: as of `report_page`.

    Raises:
        UsageError: they cannot be compared, see `content_of`.
    """
    return "\n".join(_lines(content_of(results, metric))) + "\n"


def _lines(content: Content) -> Iterator[str]:
    yield f"### {len(content.rows)} result{'s' if len(content.rows) > 1 else ''} by {_plain(content.metric)}"
    yield ""
    if not content.same_questions:
        yield "**Not all results are of the same questions; differences are over those that both have.**"
        yield ""
    yield f"| | result | {_plain(content.metric)} | difference | p | p95 ms | cost | chunks | size | ingest |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in content.rows:
        yield f"| {' | '.join(_cells(row))} |"
    yield ""
    yield "★ no other is as good, as cheap and as fast, and better at one of these. p is corrected for the "
    yield "number of comparisons (Holm). Differences are paired, with their 95 % interval."
    for one in content.versus:
        better, worse, unchanged = one.counts
        yield ""
        yield (
            f"**{_plain(one.row.name)}**: {better:,} questions better, {worse:,} worse, "
            f"{unchanged:,} as before"
        )
        yield ""
        for changed in (*one.better[:MOST_CHANGES], *one.worse[:MOST_CHANGES]):
            yield _changed(changed)
    if content.failures_in_all:
        yield ""
        yield f"{content.failures_in_all:,} questions failed; the first: "
        row, failure = content.failures[0]
        yield f"{_plain(row.name)}: {_plain(str(failure['id']))}: {_plain(str(failure['message']))}"


def _cells(row: Row) -> Iterator[str]:
    yield f"{row.number}{' ★' if row.on_front else ''}"
    yield _plain(row.name)
    yield f"{row.mean:.4f}"
    if row.difference is None:
        yield "baseline"
    else:
        mean, low, high = row.difference
        yield f"{signed(mean)} ({signed(low, 3)} to {signed(high, 3)})"
    yield p_text(row.p)
    yield number_text(row.p95_ms)
    yield cost_text(row.cost)
    yield number_text(row.chunks)
    yield bytes_text(row.bytes)
    yield "–" if row.ingest_seconds is None else f"{row.ingest_seconds:,.1f} s"


def _changed(one: ChangedQuestion) -> str:
    before, after = one.change.before, one.change.after
    return f"- {before:.3f} → {after:.3f}: {_plain(one.change.question)}"


def _plain(text: str) -> str:
    """One line in which nothing is markup, a mention or a link."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
