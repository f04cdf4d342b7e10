"""query: SQL for each version of the question, and a second try for what failed, by a chat model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ragctl.errors import RagctlError
from ragctl.ports import Generator
from ragctl.sql.replies import sql_of
from ragctl.sql.types import Candidate, Dialect, Draft, Fault
from ragctl.stages.prompt import Prompt, plain
from ragctl.stages.rephrase import may_go_on
from ragctl.types import Usage

QUERY_PLACES = ("dialect", "schema", "question")
REPAIR_PLACES = ("dialect", "schema", "question", "sql", "error")
DIALECT_NAMES: dict[Dialect, str] = {"postgres": "PostgreSQL", "sqlite": "SQLite"}

EachAtOnce = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
"""Calls a function for each of several values, in whatever order; the results are in theirs."""
OnUsage = Callable[[Usage], None]


def one_by_one(call: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """The `EachAtOnce` of those who have no threads to spare."""
    return [call(one) for one in values]


def write_sql(
    versions: Sequence[str],
    shown: str,
    generator: Generator,
    prompt: Prompt,
    dialect: Dialect,
    *,
    each_at_once: EachAtOnce = one_by_one,
    on_usage: OnUsage | None = None,
) -> list[Draft]:
    """A draft for each version, in their order.

    Args:
        shown: the schema's text.

    Raises:
        RagctlError: what would fail the same way for every question, see `stages.rephrase`; or every call
            failed: the first one's error.
    """

    def draft(version: int) -> Draft | RagctlError:
        messages = prompt.messages(
            dialect=DIALECT_NAMES[dialect], schema=shown, question=plain(versions[version])
        )
        try:
            reply = generator.generate(messages, on_usage=on_usage)
        except RagctlError as error:
            if not may_go_on(error):
                raise
            return error
        return draft_of(reply.text, version, dialect)

    made = each_at_once(draft, range(len(versions)))
    errors = [one for one in made if isinstance(one, RagctlError)]
    if len(errors) == len(made) and errors:
        raise errors[0]
    return [
        Draft(version, fault=Fault("reply", f"the model gave no reply: {one.message}"))
        if isinstance(one, RagctlError)
        else one
        for version, one in enumerate(made)
    ]


def draft_of(reply: str, version: int, dialect: Dialect) -> Draft:
    """What is in a model's reply."""
    sql, cannot = sql_of(reply, dialect)
    if sql is None and cannot is None:
        return Draft(version, fault=Fault("reply", "there was no SQL statement in the reply"))
    return Draft(version, sql, cannot)


def repair(
    question: str,
    candidate: Candidate,
    shown: str,
    generator: Generator,
    prompt: Prompt,
    dialect: Dialect,
    *,
    on_usage: OnUsage | None = None,
) -> Draft | None:
    """Another draft from a model that is told what was wrong; None if the call failed.

    Raises:
        RagctlError: what would fail the same way for every question.
    """
    fault = candidate.fault.message if candidate.fault else ""
    try:
        reply = generator.generate(
            prompt.messages(
                dialect=DIALECT_NAMES[dialect],
                schema=shown,
                question=plain(question),
                sql=plain(candidate.sql) or "(none)",
                error=plain(fault),
            ),
            on_usage=on_usage,
        )
    except RagctlError as error:
        if not may_go_on(error):
            raise
        return None
    return draft_of(reply.text, candidate.versions[0], dialect)
