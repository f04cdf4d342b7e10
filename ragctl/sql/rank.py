"""rank: candidates are run, one error of each is told to the model, and results that agree are counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from ragctl.sql.comparison import same_results
from ragctl.sql.database import Database
from ragctl.sql.dedupe import gated
from ragctl.sql.types import Candidate, Draft, Fault, Group, Schema, StatementFailed

EMPTY_WEIGHT = 0.4
"""What a vote for a result that says nothing counts: two wrong filters agree on no rows more easily than two
wrong statements agree on the same rows, so it takes three of them to outvote one result with rows."""

Repairing = Callable[[Candidate], Draft | None]


def run_candidate(
    candidate: Candidate,
    database: Database,
    schema: Schema,
    *,
    repairing: Repairing | None = None,
    functions: Collection[str] = (),
    execute: bool = True,
    hide_values: bool = False,
) -> tuple[Candidate, str | None]:
    """The candidate with its result or its fault; where it failed, the model's second try in its place.

    Args:
        repairing: asks the model once more; None: it is not asked.
        execute: False: the statement is explained and not run.
        hide_values: no model is shown what the second try's statement reads either.

    Returns:
        The candidate, and why there is no answer if that was the model's second try.

    Raises:
        Unavailable: the database cannot be reached.
    """
    first = candidate if candidate.fault else _run(candidate, database, execute)
    if first.fault is None or repairing is None:
        return first, None
    draft = repairing(first)
    if draft is None:
        return first, None
    if draft.cannot is not None:
        return replace(first, repaired=True, first_fault=first.fault), draft.cannot
    second = gated(draft, schema, functions=functions)
    second = replace(second, sensitive=second.sensitive or hide_values)
    if second.fault is None:
        second = _run(second, database, execute)
    return replace(second, versions=first.versions, repaired=True, first_fault=first.fault), None


def _run(candidate: Candidate, database: Database, execute: bool) -> Candidate:
    try:
        if not execute:
            return replace(candidate, cost=database.explain(candidate.sql))
        return replace(candidate, result=database.run(candidate.sql))
    except StatementFailed as error:
        return replace(candidate, fault=_told(error.fault) if candidate.sensitive else error.fault)


def _told(fault: Fault) -> Fault:
    """Databases quote the value that they stumbled over, and models are told of faults."""
    if fault.kind != "database":
        return fault
    text = "a value did not fit a cast or a call; the database's words are left out, as it is sensitive"
    return Fault(fault.kind, text)


def agreeing(candidates: Sequence[Candidate], *, empty_weight: float = EMPTY_WEIGHT) -> list[Group]:
    """Candidates with a result, grouped by equal ones; the group to be believed first.

    By votes (versions of the question, each of a result that says nothing weighing `empty_weight`), then
    those that the question itself led to, then by position.
    """
    groups: list[list[int]] = []
    for place, candidate in enumerate(candidates):
        if candidate.result is None:
            continue
        for group in groups:
            known = candidates[group[0]].result
            if known is not None and same_results(known, candidate.result):
                group.append(place)
                break
        else:
            groups.append([place])
    made = [
        Group(tuple(group), tuple(sorted({one for place in group for one in candidates[place].versions})))
        for group in groups
    ]

    def weight(group: Group) -> tuple[float, int, int]:
        result = candidates[group.candidates[0]].result
        weighed = empty_weight if result is not None and result.says_nothing else 1.0
        return -weighed * len(group.versions), group.versions[0], group.candidates[0]

    return sorted(made, key=weight)
