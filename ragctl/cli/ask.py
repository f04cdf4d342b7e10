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
from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, VerboseOption, load
from ragctl.errors import ExitCode, TooManyFailures, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from ragctl.run.ask import Asker, AskResult, Unanswered
    from ragctl.spec.load import LoadedSpec
    from ragctl.types import Hit


@dataclass(frozen=True)
class Look:
    """How results are printed."""

    output: Format
    full: bool
    explain: bool


def register(app: typer.Typer) -> None:
    app.command(
        "ask",
        short_help="Print the passages that answer a question.",
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
    full: Annotated[bool, typer.Option("--full", help="Print whole passages, not excerpts.")] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Print each hit's rank and score in every search, and the time of each step."
        ),
    ] = False,
    airflow: AirflowOption = None,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Print the passages that answer a question best, with their sources."""
    if (question is None) == (questions is None):
        raise UsageError("ask takes one question, or --questions FILE", hint="ragctl ask --help")
    if airflow is not None:
        from ragctl.cli.airflow_option import refuse_beside_airflow

        refuse_beside_airflow({"--set": overrides})
    look = Look(output, full, explain)
    loaded = load(spec, overrides)
    asked = list(read_questions(questions)) if questions is not None else []
    if questions is not None and not asked:
        raise UsageError("there is no question in it", where=str(questions))
    if airflow is None:
        _ask_here(loaded, question, asked, top, look)
        return
    from ragctl.cli.ask_in_airflow import ask_in_airflow

    documents = ask_in_airflow(airflow, loaded, question, asked, top, verbose=verbose)
    _print_documents(documents, look, among=len(asked))


def _ask_here(
    loaded: LoadedSpec, question: str | None, asked: list[str], top: int | None, look: Look
) -> None:
    from ragctl.run.ask import Asker
    from ragctl.run.composition import Composition

    with Composition(loaded) as composition:
        asker = Asker(composition, top_n=top)
        if asker.behind_spec:
            from ragctl.cli.output import talk

            talk(
                "note: the spec has changed since this index was made; "
                f"ragctl ingest {shlex.quote(str(loaded.path))} brings it up to date"
            )
        if asker.lacks_words:
            from ragctl.cli.output import talk

            talk(
                "note: an earlier release made this index, so it is searched by vectors alone; "
                f"ragctl ingest {shlex.quote(str(loaded.path))} adds the words, and embeds nothing"
            )
        if asker.foreign:
            from ragctl.cli.output import talk

            talk(f"note: {asker.foreign}")
        if question is not None:
            _print_result(asker.ask(question), look)
        else:
            _answer_all(asker, asked, look)


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


def _answer_all(asker: Asker, questions: list[str], look: Look) -> None:
    from ragctl.run.ask import Unanswered

    failed = 0
    for result in asker.ask_each(questions):
        failed += isinstance(result, Unanswered)
        _print_result(result, look)
    _end(failed, len(questions))


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


def _print_result(result: AskResult | Unanswered, look: Look) -> None:
    from ragctl.cli.output import data_console, print_json
    from ragctl.run.ask import Unanswered

    if look.output is Format.JSON:
        print_json(result.as_json())
        return
    console = data_console()
    console.print(result.question, style="bold", markup=False)
    if isinstance(result, Unanswered):
        console.print(f"  error: {result.error}\n", markup=False)
        return
    if not result.hits:
        console.print("  nothing found", markup=False)
    for hit in result.hits:
        _print_hit(console, hit, result.question, look.full)
    if look.explain:
        from ragctl.cli.explain import print_explanation

        print_explanation(console, result.hits, result.timings)


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
    steps = ", ".join(f"{name} #{step['rank']} {step['score']:.3f}" for name, step in hit.trail.items())
    return f"score {hit.score:.3f} ({steps})"
