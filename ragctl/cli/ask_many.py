"""`ragctl ask --questions FILE`: many questions, printed or into a file, as a run with a record."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ragctl.cli.options import Format
from ragctl.cli.results import Look, print_result
from ragctl.errors import ExitCode, TooManyFailures, UsageError

if TYPE_CHECKING:
    from ragctl.run.answering.asker import AnyAsker
    from ragctl.run.answering.results_file import ResultsFile
    from ragctl.run.composition import Composition


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


def answer_all(
    composition: Composition,
    asker: AnyAsker,
    questions: list[str],
    look: Look,
    *,
    out: Path | None = None,
    parallel: int = 1,
    max_cost_usd: float | None = None,
) -> None:
    """Asks all of them.

    Args:
        out: where the results go, and where those are that there are already; None: stdout.
        parallel: how many are asked at the same time.
        max_cost_usd: the most that models may cost together.

    Raises:
        PrivacyRefused: all of them were refused as sensitive.
        RagctlError: what would meet every question.
    """
    from ragctl.run.answering.ask_run import AskRun
    from ragctl.run.answering.batch import answer_each
    from ragctl.run.answering.results_file import ResultsFile

    total = len(questions)
    if out is None:
        with AskRun(composition, asker, asked=range(1, total + 1), max_cost_usd=max_cost_usd) as run:
            for result in run.counting(answer_each(asker, questions, parallel=parallel)):
                print_result(result, look)
        failed = run.failed
    else:
        with ResultsFile(out, questions) as results:
            left = [questions[number] for number in results.left]
            numbers = [number + 1 for number in results.left]
            with AskRun(
                composition, asker, asked=numbers, before=results.before, max_cost_usd=max_cost_usd
            ) as run:
                for result in run.counting(answer_each(asker, left, parallel=parallel)):
                    results.add(result.as_json())
        _talk_about_file(results, total)
        failed = results.failed
    run.refuse_if_all_were()
    end(failed, total)


def _talk_about_file(results: ResultsFile, total: int) -> None:
    from ragctl.cli.output import counted, talk

    before = f", {results.before:,} of them before" if results.before else ""
    again = f", {results.again:,} that had failed asked again" if results.again else ""
    talk(f"{results.path}: {counted(total, 'result')}{before}{again}")


def print_documents(documents: Iterator[dict[str, Any]], look: Look, *, among: int) -> None:
    """Prints results that came as the documents of `--format json`, of so many questions."""
    from ragctl.airflow.documents import ask_result
    from ragctl.cli.output import print_json

    failed = 0
    for document in documents:
        failed += "error" in document
        if look.output is Format.JSON:
            print_json(document)
        else:
            print_result(ask_result(document), look)
    end(failed, among)


def end(failed: int, among: int) -> None:
    """Ends with exit code 3 if questions failed."""
    from ragctl.cli.output import report_error

    if failed:
        # The stream on stdout has said it for each question; one more object would be no answer.
        report_error(TooManyFailures(f"{failed:,} of {among:,} questions failed"), [])
        raise typer.Exit(int(ExitCode.TOO_MANY_FAILURES))
