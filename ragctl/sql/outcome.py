"""An answer made of candidates, of their vote and of what the final call said. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragctl.sql.conclude import unfounded_numbers
from ragctl.sql.dialects import parse, render
from ragctl.sql.replies import Conclusion
from ragctl.sql.types import Candidate, Dialect, Group, ResultTable, SqlAnswer


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of the statements.

    Attributes:
        refusals: reasons for which a model found no answer, one for each version that did.
        groups: those that agree, the one to be believed first.
    """

    candidates: tuple[Candidate, ...]
    groups: tuple[Group, ...]
    refusals: tuple[str, ...] = ()


def decided(
    answer: SqlAnswer, tried: Tried, conclusion: Conclusion | None, own: Candidate | None, dialect: Dialect
) -> SqlAnswer:
    """The answer, with everything that depends on which candidate is chosen.

    Args:
        answer: what is known already: the question, versions, timings.
        own: the final call's own statement, run; None if it wrote none or it failed.
    """
    answer = replace(answer, candidates=tried.candidates)
    if own is not None and own.result is not None:
        return _with_result(answer, own, _votes(tried, own), conclusion, dialect)
    if conclusion is not None and conclusion.cannot is not None:
        return replace(answer, status="unanswerable", reason=conclusion.cannot)
    chosen = conclusion is not None and conclusion.candidate is not None
    top = len(tried.groups[0].versions) if tried.groups else 0
    if tried.refusals and (not tried.groups or (len(tried.refusals) > top and not chosen)):
        return replace(answer, status="unanswerable", reason=tried.refusals[0])
    if not tried.groups:
        return replace(answer, status="failed", reason=_why(tried.candidates))
    group = tried.groups[(conclusion.candidate or 1) - 1 if conclusion else 0]
    candidate = tried.candidates[group.candidates[0]]
    return _with_result(answer, candidate, len(group.versions), conclusion, dialect)


def not_executed(answer: SqlAnswer, tried: Tried, dialect: Dialect) -> SqlAnswer:
    """The answer of those who wanted the SQL alone: the statement that most versions led to."""
    answer = replace(answer, candidates=tried.candidates)
    good = [one for one in tried.candidates if one.fault is None]
    if not good or len(tried.refusals) > max(len(one.versions) for one in good):
        if tried.refusals:
            return replace(answer, status="unanswerable", reason=tried.refusals[0])
        return replace(answer, status="failed", reason=_why(tried.candidates))
    best = max(good, key=lambda one: (len(one.versions), -one.versions[0]))
    return replace(
        answer,
        status="not_executed",
        sql=pretty(best.sql, dialect),
        tables=best.tables,
        agreement=(len(best.versions), len(answer.versions)),
    )


def pretty(sql: str, dialect: Dialect) -> str:
    """The same statement on several lines."""
    return render(parse(sql, dialect)[0], dialect, pretty=True)


def _with_result(
    answer: SqlAnswer, candidate: Candidate, votes: int, conclusion: Conclusion | None, dialect: Dialect
) -> SqlAnswer:
    result = candidate.result or ResultTable((), ())
    sentence = conclusion.sentence if conclusion else ""
    return replace(
        answer,
        status="answered",
        sql=pretty(candidate.sql, dialect),
        columns=result.columns,
        rows=result.rows,
        truncated=result.truncated,
        sentence=sentence,
        unfounded=unfounded_numbers(sentence, result, answer.question),
        agreement=(votes, len(answer.versions)),
        tables=candidate.tables,
    )


def _votes(tried: Tried, own: Candidate) -> int:
    """Of the group that has the final call's result too, if there is one."""
    from ragctl.sql.comparison import same_results

    for group in tried.groups:
        result = tried.candidates[group.candidates[0]].result
        if result is not None and own.result is not None and same_results(result, own.result):
            return len(group.versions)
    return 0


def _why(candidates: Sequence[Candidate]) -> str:
    faults = [one.fault.message for one in candidates if one.fault]
    return f"no statement could be run: {faults[0]}" if faults else "no model wrote a statement"
