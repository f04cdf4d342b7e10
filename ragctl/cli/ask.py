"""ragctl ask."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragctl.cli.airflow_option import AirflowOption
from ragctl.cli.conversation import Conversation, chat, read_history
from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, VerboseOption, load
from ragctl.errors import ExitCode, TooManyFailures, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from ragctl.run.answering.ask import Asker
    from ragctl.run.answering.asked import AskResult, Unanswered
    from ragctl.spec.load import LoadedSpec
    from ragctl.types import Hit, Message


@dataclass(frozen=True)
class Look:
    """How results are printed."""

    output: Format
    full: bool
    explain: bool
    hits: bool = False


@dataclass(frozen=True)
class Wanted:
    """What is asked on this machine: one question, many, or what will be typed.

    `turns`: of the conversation before. `out`: where the results of many go, None for stdout; `parallel`: how
    many of them are asked at the same time. `where`: conditions on the documents, as they were written.
    """

    question: str | None
    questions: list[str]
    turns: list[Message]
    chat: bool = False
    out: Path | None = None
    parallel: int = 1
    where: tuple[str, ...] = ()


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
    sensitive: Annotated[
        bool,
        typer.Option(
            "--sensitive", help="What is asked is sensitive: it goes to no model outside the allowed hosts."
        ),
    ] = False,
    airflow: AirflowOption = None,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Answer a question from the documents, with sources; without a model, print the passages that do."""
    _refuse_what_does_not_fit(question, questions, history, chat=chatting, out=out, parallel=parallel)
    if airflow is not None:
        from ragctl.cli.airflow_option import refuse_beside_airflow

        alone = {
            "--where": where,
            "--history": history,
            "--chat": chatting,
            "--out": out,
            "--parallel": parallel > 1,
        }
        refuse_beside_airflow({"--set": overrides, **alone})
    look = Look(output, full, explain, show_hits)
    loaded = load(spec, overrides)
    asked = list(read_questions(questions)) if questions is not None else []
    if questions is not None and not asked:
        raise UsageError("there is no question in it", where=str(questions))
    if airflow is None:
        turns = read_history(history) if history is not None else []
        wanted = Wanted(question, asked, turns, chatting, out, parallel, tuple(where or ()))
        _ask_here(loaded, wanted, top, look, sensitive=sensitive)
        return
    from ragctl.cli.ask_in_airflow import ask_in_airflow

    documents = ask_in_airflow(airflow, loaded, question, asked, top, sensitive=sensitive, verbose=verbose)
    _print_documents(documents, look, among=len(asked))


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
        if wanted.chat:
            chat(asker, wanted.turns, lambda one, typed, said: _ask_one(one, typed, said, look))
        elif wanted.question is not None:
            _ask_one(asker, wanted.question, Conversation(wanted.turns), look)
        else:
            _answer_all(asker, wanted, look)


def _talk_about(asker: Asker, loaded: LoadedSpec) -> None:
    from ragctl.cli.output import talk

    if asker.behind_spec:
        talk(
            "note: the spec has changed since this index was made; "
            f"ragctl ingest {shlex.quote(str(loaded.path))} brings it up to date"
        )
    if asker.lacks_words:
        talk(
            "note: an earlier release made this index, so it is searched by vectors alone; "
            f"ragctl ingest {shlex.quote(str(loaded.path))} adds the words, and embeds nothing"
        )
    if asker.foreign:
        talk(f"note: {asker.foreign}")


def _ask_one(asker: Asker, question: str, said: Conversation, look: Look) -> AskResult:
    """Asks, and prints what comes; on a terminal, the answer while it is written."""
    from ragctl.cli.answers import Stream

    live = look.output is Format.TABLE and sys.stdout.isatty()
    stream = Stream() if live else None
    try:
        result = asker.ask(question, history=tuple(said.turns), shown_before=said.passages, on_text=stream)
    finally:
        if stream is not None:
            stream.end()
    _print_result(result, look, streamed=stream is not None and stream.shown)
    return result


def read_questions(path: Path) -> Iterator[str]:
    """The questions of a file, blank lines left out; `-` is stdin.

    Raises:
        UsageError: the file cannot be read, or a line of JSON has no text under `question`.
    """
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read the questions: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError("the questions are not UTF-8", where=f"{path}:{line}") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _question(line.strip(), f"{path}:{number}")


def _question(line: str, where: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        question = json.loads(line).get("question")
    except json.JSONDecodeError as error:
        raise UsageError(f"not a line of JSON: {error.msg}", where=f"{where}:{error.colno}") from error
    except RecursionError:
        raise UsageError("not a line of JSON: it is nested too deeply", where=where) from None
    if not isinstance(question, str):
        raise UsageError('the object has no text under the key "question"', where=where)
    return question


def _answer_all(asker: Asker, wanted: Wanted, look: Look) -> None:
    from ragctl.run.answering.asked import Unanswered
    from ragctl.run.answering.batch import ResultsFile, answer_each

    total = len(wanted.questions)
    if wanted.out is None:
        failed = 0
        for result in answer_each(asker, wanted.questions, parallel=wanted.parallel):
            failed += isinstance(result, Unanswered)
            _print_result(result, look)
        _end(failed, total)
        return
    with ResultsFile(wanted.out, wanted.questions) as results:
        there = results.done
        for result in answer_each(asker, wanted.questions[there:], parallel=wanted.parallel):
            results.add(result.as_json())
        _talk_about_file(wanted.out, total, there)
        _end(results.failed, total)


def _talk_about_file(out: Path, total: int, there: int) -> None:
    from ragctl.cli.output import counted, talk

    before = f", {there:,} of them before" if there else ""
    talk(f"{out}: {counted(total, 'result')}{before}")


def _print_documents(documents: Iterator[dict[str, Any]], look: Look, *, among: int) -> None:
    """The same for results that came as the documents of `--format json`."""
    from ragctl.airflow.documents import ask_result
    from ragctl.cli.output import print_json

    failed = 0
    for document in documents:
        failed += "error" in document
        if look.output is Format.JSON:
            print_json(document)
        else:
            _print_result(ask_result(document), look)
    _end(failed, among)


def _end(failed: int, among: int) -> None:
    from ragctl.cli.output import report_error

    if failed:
        # The stream on stdout has said it for each question; one more object would be no answer.
        report_error(TooManyFailures(f"{failed:,} of {among:,} questions failed"), [])
        raise typer.Exit(int(ExitCode.TOO_MANY_FAILURES))


def _print_result(result: AskResult | Unanswered, look: Look, *, streamed: bool = False) -> None:
    from ragctl.cli.output import data_console, print_json
    from ragctl.run.answering.asked import Unanswered

    if look.output is Format.JSON:
        print_json(result.as_json())
        return
    console = data_console()
    if not streamed:
        console.print(result.question, style="bold", markup=False)
    if isinstance(result, Unanswered):
        console.print(f"  error: {result.error}\n", markup=False)
        return
    _talk_about_result(result)
    if result.answer is not None:
        from ragctl.cli.answers import print_answer

        print_answer(console, result, streamed=streamed)
    if result.answer is None or look.hits:
        if not result.hits:
            console.print("  nothing found", markup=False)
        for hit in result.hits:
            _print_hit(console, hit, result.question, look.full)
    if look.explain:
        from ragctl.cli.explain import print_explanation

        print_explanation(console, result)


def _talk_about_result(result: AskResult) -> None:
    from ragctl.cli.output import talk

    for note in result.notes:
        talk(f"note: {note['step']}: {note['message']}")


def _print_hit(console: Console, hit: Hit, question: str, full: bool) -> None:
    from rich.text import Text

    from ragctl.cli.output import one_line, print_indented, visible
    from ragctl.cli.passages import excerpt, marked, question_stems, reflowed

    stems = question_stems(question)
    colour = console.color_system is not None and not console.no_color
    line = f":{hit.line}" if hit.line is not None else ""
    heading = " > ".join(hit.headings) or hit.title
    passage = reflowed(visible(hit.text))
    console.print()
    print_indented(console, Text(one_line(heading), style="bold"), first=f"{hit.rank:>2}. ")
    place = Text.assemble((one_line(f"{hit.source}: {hit.document}{line}"), "cyan"), f"   {_trail(hit)}")
    print_indented(console, place)
    print_indented(console, marked(passage if full else excerpt(passage, stems), stems, colour=colour))
    for other in hit.duplicates:
        if (other["source"], other["document"]) == (hit.source, hit.document):
            continue  # it overlaps what is shown
        print_indented(console, Text(one_line(f"the same text: {other['source']}: {other['document']}")))


def _trail(hit: Hit) -> str:
    found = {name: step for name, step in hit.trail.items() if "rank" in step}
    steps = ", ".join(f"{name} #{step['rank']} {step['score']:.3f}" for name, step in found.items())
    return f"score {hit.score:.3f} ({steps})"
