"""`ragctl ask` where the spec says `ask.type: sql`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING

from ragctl.errors import UsageError

if TYPE_CHECKING:
    from ragctl.cli.ask import Wanted
    from ragctl.cli.results import Look
    from ragctl.run.composition import Composition
    from ragctl.run.sql_answering.asking import SqlAsker
    from ragctl.spec.load import LoadedSpec


def refuse_beside_type(
    loaded: LoadedSpec, of_documents: Mapping[str, object], of_databases: Mapping[str, object]
) -> None:
    """
    Raises:
        UsageError: an option was given that means nothing to what the spec asks.
    """
    asks_database = loaded.spec.asks_database
    wrong = of_documents if asks_database else of_databases
    for option, value in wrong.items():
        if value not in (None, False):
            what = (
                "documents, and this spec asks a database" if asks_database else "a spec with ask.type: sql"
            )
            raise UsageError(f"{option} is for {what}", where=loaded.where("ask"))


def ask_database(loaded: LoadedSpec, wanted: Wanted, look: Look, *, sensitive: bool) -> None:
    """One question, or many, as `ragctl ask` does."""
    from ragctl.cli.output import talk
    from ragctl.run.composition import Composition
    from ragctl.run.models.retry_notes import RetryNotes
    from ragctl.run.sql_answering.asking import SqlAsker

    with Composition(loaded) as composition:
        composition.tell = RetryNotes(talk)
        asker = SqlAsker(composition, sensitive=sensitive, execute=wanted.execute)
        try:
            if wanted.questions:
                _ask_many(composition, asker, wanted, look)
            else:
                _ask_one(composition, asker, wanted, look)
        finally:
            asker.close()


def _ask_many(composition: Composition, asker: SqlAsker, wanted: Wanted, look: Look) -> None:
    from ragctl.cli.ask_many import answer_all

    answer_all(
        composition,
        asker,
        wanted.questions,
        look,
        out=wanted.out,
        parallel=wanted.parallel,
        max_cost_usd=wanted.max_cost_usd,
    )


def _ask_one(composition: Composition, asker: SqlAsker, wanted: Wanted, look: Look) -> None:
    """With a record of the run only where there is a limit to its cost."""
    from ragctl.cli.results import print_result
    from ragctl.run.answering.ask_run import AskRun

    limited = wanted.max_cost_usd is not None
    run = AskRun(composition, asker, asked=(1,), max_cost_usd=wanted.max_cost_usd) if limited else None
    with run or nullcontext():
        result = asker.ask(wanted.question or "")
        if run is not None:
            run.count(result)
        print_result(result, look)
