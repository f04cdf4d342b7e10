"""The final call: a chat model sees candidates and their results, and says which one answers the question."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragctl.errors import RagctlError
from ragctl.ports import Generator
from ragctl.sql.query import DIALECT_NAMES, OnUsage
from ragctl.sql.replies import Conclusion, conclusion_of
from ragctl.sql.results import as_text
from ragctl.sql.types import Candidate, Dialect, Group, ResultTable
from ragctl.stages.prompt import Prompt, plain
from ragctl.stages.rephrase import may_go_on

CONCLUDE_PLACES = ("dialect", "schema", "question", "candidates")
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,.' ]*\d|(?<![\w.])-?\d")
_NOT_A_DIGIT = re.compile(r"[^\d.-]")


def conclude(
    question: str,
    shown: str,
    candidates: Sequence[Candidate],
    groups: Sequence[Group],
    refusals: Sequence[str],
    generator: Generator,
    prompt: Prompt,
    dialect: Dialect,
    *,
    versions: int,
    on_usage: OnUsage | None = None,
) -> tuple[Conclusion | None, RagctlError | None]:
    """What the model decides, or why it did not; `Conclusion.candidate` counts `groups` from 1.

    Args:
        refusals: reasons of versions for which a model found no answer.
        versions: of the question, all.

    Raises:
        RagctlError: what would fail the same way for every question, see `stages.rephrase`.
    """
    parts = [_candidate(number, group, candidates, versions) for number, group in enumerate(groups, start=1)]
    parts += [f"A writer found that the database cannot answer it: {plain(one)}" for one in refusals]
    messages = prompt.messages(
        dialect=DIALECT_NAMES[dialect],
        schema=shown,
        question=plain(question),
        candidates="\n\n".join(parts),
    )
    try:
        reply = generator.generate(messages, on_usage=on_usage)
    except RagctlError as error:
        if not may_go_on(error):
            raise
        return None, error
    return conclusion_of(reply.text, len(groups), dialect), None


def _candidate(number: int, group: Group, candidates: Sequence[Candidate], versions: int) -> str:
    one = candidates[group.candidates[0]]
    result = one.result or ResultTable((), ())
    told = (
        f"{len(result.rows)} rows with the columns {', '.join(result.columns)}, which are not shown"
        if any(candidates[place].sensitive for place in group.candidates)
        else as_text(result)
    )
    return (
        f'<candidate number="{number}" writers="{len(group.versions)} of {versions}">\n{one.sql}\n'
        f"<result>\n{told}\n</result>\n</candidate>"
    )


def unfounded_numbers(sentence: str, result: ResultTable, question: str) -> tuple[str, ...]:
    """Numbers of a sentence that are not in the rows (rounded or not), their count or the question."""
    known = {float(len(result.rows))} | set(_numbers(question))
    for row in result.rows:
        for value in row:
            known |= set(_numbers(str(value)))
    return tuple(
        found[0].strip()
        for found in _NUMBER.finditer(sentence)
        if not any(_stands_for(number, one) for number in _readings(found[0]) for one in known)
    )


def _numbers(text: str) -> list[float]:
    return [one for found in _NUMBER.finditer(text) for one in _readings(found[0])]


def _readings(text: str) -> list[float]:
    """A number with its commas as thousands, and as the decimal sign."""
    found = []
    for one in (text.replace(",", ""), text.replace(".", "").replace(",", ".")):
        try:
            found.append(float(_NOT_A_DIGIT.sub("", one.strip().rstrip("."))))
        except ValueError:
            continue
    return found


def _stands_for(said: float, known: float) -> bool:
    """Is it that number, rounded at some digit after the point, or a percentage of it?"""
    near = any(round(known * factor, digits) == said for digits in range(7) for factor in (1, 100))
    return near or abs(said) == abs(known)
