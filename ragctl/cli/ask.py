"""ragctl ask."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragctl.cli.airflow_option import AirflowOption
from ragctl.cli.ask_database import refuse_beside_type
from ragctl.cli.ask_many import answer_all, print_documents, read_questions
from ragctl.cli.conversation import Conversation, chat, read_history
from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, VerboseOption, load
from ragctl.cli.results import Look, print_result
from ragctl.errors import UsageError

if TYPE_CHECKING:
    from ragctl.run.answering.ask import Asker
    from ragctl.run.answering.ask_run import AskRun
    from ragctl.run.answering.asked import AskResult
    from ragctl.run.composition import Composition
    from ragctl.spec.load import LoadedSpec
    from ragctl.types import Message


@dataclass(frozen=True)
class Wanted:
    """What is asked on this machine: one question, many, or what will be typed.

    `turns`: of the conversation before. `out`: where the results of many go, None for stdout; `parallel`: how
    many of them are asked at the same time. `where`: conditions on the documents, as they were written.
    `max_cost_usd`: the most that models may cost, all questions together. `execute`: of a database; False
    stops at the SQL.
    """

    question: str | None
    questions: list[str]
    turns: list[Message]
    chat: bool = False
    out: Path | None = None
    parallel: int = 1
    where: tuple[str, ...] = ()
    max_cost_usd: float | None = None
    execute: bool = True


def register(app: typer.Typer) -> None:
    app.command(
        "ask",
        short_help="Answer a question from the documents, with sources.",
        epilog='Example: ragctl ask docs.yaml "How do I retry a task?" --top 3',
    )(ask)


def ask(
    spec: SpecArgument,
    question: Annotated[str | None, typer.Argument(help="What you want to know.", show_default=False)] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Many questions: one a line, or JSON Lines with a key "question". "-" reads stdin.',
            allow_dash=True,
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "-n", "--top", metavar="N", min=1, max=1000, help="Show N hits; ask.rank.top_n if left out."
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Search only documents whose metadata fulfil this, as in --where year>=2024 or --where "
            "source=docs. Repeatable: all must be fulfilled.",
            show_default=False,
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Print whole passages, not excerpts.")] = False,
    show_hits: Annotated[
        bool, typer.Option("--hits", help="Print the passages too, where a model answers.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Print how it came about: versions of the question, each hit's ranks and scores, what "
            "models said, time and cost of each step.",
        ),
    ] = False,
    history: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='The conversation before the question: JSON Lines of {"role", "content"}, oldest first.',
        ),
    ] = None,
    chatting: Annotated[
        bool, typer.Option("--chat", help="Ask what you type, as a conversation; Ctrl-D ends it.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --questions: write a line of JSON for each into FILE, and ask only those that have "
            "none there yet.",
        ),
    ] = None,
    parallel: Annotated[
        int, typer.Option(metavar="N", min=1, max=64, help="With --questions: ask N at the same time.")
    ] = 1,
    max_cost: Annotated[
        float | None,
        typer.Option(
            metavar="USD", min=0, help="Stop before the request that might make all of it cost more."
        ),
    ] = None,
    sensitive: Annotated[
        bool,
        typer.Option(
            "--sensitive", help="What is asked is sensitive: it goes to no model outside the allowed hosts."
        ),
    ] = False,
    no_execute: Annotated[
        bool, typer.Option("--no-execute", help="Of a database: print the SQL, checked, and do not run it.")
    ] = False,
    airflow: AirflowOption = None,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Answer a question from the documents, with sources; without a model, print the passages that do.

    With `ask.type: sql` in the spec, answer it from a database: the SQL, its rows and a sentence.
    """
    _refuse_what_does_not_fit(question, questions, history, chat=chatting, out=out, parallel=parallel)
    if airflow is not None:
        from ragctl.cli.airflow_option import refuse_beside_airflow
        from ragctl.cli.ask_in_airflow import refuse_what_no_run_takes

        refuse_beside_airflow({"--set": overrides})
        refuse_what_no_run_takes(chat=chatting, out=out, parallel=parallel, max_cost=max_cost)
    look = Look(output, full, explain, show_hits)
    loaded = load(spec, overrides, of_documents=False)
    only_documents = {
        "--top": top,
        "--where": where,
        "--hits": show_hits,
        "--history": history,
        "--chat": chatting,
    }
    refuse_beside_type(loaded, only_documents, {"--no-execute": no_execute})
    asked = list(read_questions(questions)) if questions is not None else []
    if questions is not None and not asked:
        raise UsageError("there is no question in it", where=str(questions))
    turns = read_history(history) if history is not None else []
    if airflow is None:
        wanted = Wanted(
            question, asked, turns, chatting, out, parallel, tuple(where or ()), max_cost, not no_execute
        )
        _ask_here(loaded, wanted, top, look, sensitive=sensitive)
        return
    from ragctl.cli.ask_in_airflow import ask_in_airflow

    documents = ask_in_airflow(
        airflow,
        loaded,
        question,
        asked,
        top,
        sensitive=sensitive,
        where=where or [],
        history=turns,
        verbose=verbose,
    )
    print_documents(documents, look, among=len(asked))


def _refuse_what_does_not_fit(
    question: str | None,
    questions: Path | None,
    history: Path | None,
    *,
    chat: bool,
    out: Path | None,
    parallel: int,
) -> None:
    if (question is not None) + (questions is not None) + chat != 1:
        raise UsageError("ask takes one question, or --questions FILE, or --chat", hint="ragctl ask --help")
    if questions is None and (out is not None or parallel > 1):
        raise UsageError("--out and --parallel are for --questions FILE")
    if questions is not None and history is not None:
        raise UsageError("--history is for one question, or for --chat")


def _ask_here(loaded: LoadedSpec, wanted: Wanted, top: int | None, look: Look, *, sensitive: bool) -> None:
    if loaded.spec.asks_database:
        from ragctl.cli.ask_database import ask_database

        ask_database(loaded, wanted, look, sensitive=sensitive)
        return
    from ragctl.cli.output import talk
    from ragctl.run.answering.ask import Asker
    from ragctl.run.answering.conditions import conditions_of
    from ragctl.run.composition import Composition
    from ragctl.run.models.retry_notes import RetryNotes

    with Composition(loaded) as composition:
        composition.tell = RetryNotes(talk)
        conditions = conditions_of(wanted.where, option="--where")
        asker = Asker(composition, top_n=top, sensitive=sensitive, where=conditions)
        _talk_about(asker, loaded)
        if wanted.questions:
            answer_all(
                composition,
                asker,
                wanted.questions,
                look,
                out=wanted.out,
                parallel=wanted.parallel,
                max_cost_usd=wanted.max_cost_usd,
            )
        else:
            _converse(composition, asker, wanted, look)


def _converse(composition: Composition, asker: Asker, wanted: Wanted, look: Look) -> None:
    """One question, or as many as are typed; a run with a record only where there is a limit to its cost."""
    from ragctl.run.answering.ask_run import AskRun

    limited = wanted.max_cost_usd is not None
    asked = None if wanted.chat else (1,)
    run = AskRun(composition, asker, asked=asked, max_cost_usd=wanted.max_cost_usd) if limited else None
    with run or nullcontext():
        if wanted.question is not None:
            _ask_one(asker, wanted.question, Conversation(wanted.turns), look, run)
        else:
            chat(asker, wanted.turns, lambda one, typed, said: _ask_one(one, typed, said, look, run))


def _talk_about(asker: Asker, loaded: LoadedSpec) -> None:
    from ragctl.cli.output import talk

    if asker.behind_spec:
        talk(
            "note: the spec has changed since this index was made; "
            f"ragctl ingest {loaded.as_argument} brings it up to date"
        )
    if asker.lacks_words:
        talk(
            "note: an earlier release made this index, so it is searched by vectors alone; "
            f"ragctl ingest {loaded.as_argument} adds the words, and embeds nothing"
        )
    if asker.foreign:
        talk(f"note: {asker.foreign}")


def _ask_one(asker: Asker, question: str, said: Conversation, look: Look, run: AskRun | None) -> AskResult:
    """Asks, and prints what comes; on a terminal, the answer while it is written."""
    from ragctl.cli.answers import Stream

    live = look.output is Format.TABLE and sys.stdout.isatty()
    stream = Stream() if live else None
    try:
        result = asker.ask(question, history=tuple(said.turns), shown_before=said.passages, on_text=stream)
    finally:
        if stream is not None:
            stream.end()
    if run is not None:
        run.count(result)
    print_result(result, look, streamed=stream is not None and stream.shown)
    return result
