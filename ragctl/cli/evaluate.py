"""ragctl eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, load
from ragctl.errors import ExitCode, GateNotMet, UsageError

if TYPE_CHECKING:
    from ragctl.evaluate.gates import Gate, Verdict
    from ragctl.run.composition import Composition
    from ragctl.spec.load import LoadedSpec


def register(app: typer.Typer) -> None:
    app.command(
        "eval",
        short_help="Measure how well questions are answered, and hold a build to it.",
        epilog="Example: ragctl eval docs.yaml --queries questions.jsonl --gate 'ndcg@10>=0.65'",
    )(evaluate)


def evaluate(
    spec: SpecArgument,
    action: Annotated[
        str | None,
        typer.Argument(
            metavar="[make]",
            help="make: write a file of questions made of the documents.",
            show_default=False,
        ),
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='JSON Lines: {"id", "question"} and "documents", "quotes" or "answers"; or BEIR\'s queries. '
            'With ask.type: sql {"question", "sql"}, or CSV.',
            show_default=False,
        ),
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Judgements in BEIR's or TREC's form, if queries has none.",
            show_default=False,
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="Such as ndcg@10, recall@100, mrr@10, map@100, hit@10, precision@10. Repeatable.",
            show_default=False,
        ),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GATE",
            help="What must hold, such as 'ndcg@10>=0.65' or 'p95_ms<=200'; exit code 7 if it does not. "
            "Repeatable.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="An earlier evaluation to compare with, or last.", show_default=False
        ),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0,
            help="With --baseline: the most that the first metric may fall below it; exit code 7 otherwise.",
            show_default=False,
        ),
    ] = None,
    parallel: Annotated[
        int, typer.Option(metavar="N", min=1, max=64, help="Ask N questions at the same time.")
    ] = 1,
    max_cost: Annotated[
        float | None,
        typer.Option(metavar="USD", min=0, help="Stop before the request that might make it cost more."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FILE", help="With make: where the questions go.", show_default=False
        ),
    ] = None,
    count: Annotated[
        int, typer.Option(metavar="N", min=1, max=100_000, help="With make: how many questions.")
    ] = 50,
    seed: Annotated[int, typer.Option(metavar="N", help="With make: equal seeds draw equal passages.")] = 0,
    by_model: Annotated[
        bool,
        typer.Option(
            "--by-model", help="With make: the model of ask.answer writes them, not headings and sentences."
        ),
    ] = False,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
) -> None:
    """Ask the questions of a file, measure what is found and answered, and keep the result."""
    from ragctl.evaluate.gates import read_gate

    if action is not None:
        if action != "make" or queries is not None or out is None:
            raise UsageError(
                "eval makes questions, or measures",
                hint="ragctl eval SPEC make --out FILE, or --queries FILE",
            )
        _make(load(spec, overrides), out, count, seed, by_model=by_model, max_cost=max_cost)
        return
    if queries is None or out is not None:
        raise UsageError("--queries names the questions", hint="ragctl eval SPEC make --out FILE makes some")
    if (max_drop is None) != (baseline is None):
        raise UsageError("--baseline and --max-drop go together")
    gates = [read_gate(one) for one in gate or ()]
    loaded = load(spec, overrides, of_documents=False)
    options = _Options(parallel, max_cost, baseline)
    if loaded.spec.asks_database:
        _refuse_of_documents(loaded, {"--qrels": qrels, "--metric": metrics})
        result, before, composition = _statements(loaded, queries, options)
    else:
        # What was found for the same question before would make every figure look better than it is.
        loaded = load(spec, [*(overrides or ()), "ask.cache=false"])
        result, before, composition = _documents(loaded, queries, qrels, metrics or (), options)
    found = _verdicts(result, gates, before, max_drop)
    _print(result, found, output)
    _end(result, found, composition)


class _Options(NamedTuple):
    parallel: int
    max_cost_usd: float | None
    baseline: str | None


_Measured = tuple[dict[str, Any], dict[str, Any] | None, "Composition"]
"""A result, the one that it is compared with, and what both were made with."""


def _refuse_of_documents(loaded: LoadedSpec, options: Mapping[str, object]) -> None:
    for option, value in options.items():
        if value:
            raise UsageError(
                f"{option} is for documents, and this spec asks a database", where=loaded.where("ask.type")
            )


def _documents(
    loaded: LoadedSpec, queries: Path, qrels: Path | None, metrics: Sequence[str], options: _Options
) -> _Measured:
    from ragctl.evaluate.question_files import read_questions
    from ragctl.run.composition import Composition
    from ragctl.run.evaluating.evaluation import Evaluated, evaluate
    from ragctl.run.evaluating.kept import kept_result

    questions = read_questions(queries, qrels)
    wanted = Evaluated(questions, queries, qrels, metrics)
    with Composition(loaded) as composition, _Progress(len(questions.questions)) as progress:
        before = None if options.baseline is None else kept_result(composition, options.baseline)
        result = evaluate(
            composition,
            wanted,
            parallel=options.parallel,
            max_cost_usd=options.max_cost_usd,
            on_question=progress.done,
        )
    return result, before, composition


def _statements(loaded: LoadedSpec, queries: Path, options: _Options) -> _Measured:
    from ragctl.run.composition import Composition
    from ragctl.run.evaluating.kept import kept_result
    from ragctl.run.evaluating.sql_evaluation import evaluate_sql, read_pairs

    wanted = read_pairs(queries)
    with Composition(loaded) as composition, _Progress(len(wanted.pairs)) as progress:
        before = None if options.baseline is None else kept_result(composition, options.baseline)
        result = evaluate_sql(
            composition,
            wanted,
            parallel=options.parallel,
            max_cost_usd=options.max_cost_usd,
            on_question=progress.done,
        )
    return result, before, composition


def _make(
    loaded: LoadedSpec, out: Path, count: int, seed: int, *, by_model: bool, max_cost: float | None
) -> None:
    import json

    from ragctl.cli.output import counted, talk
    from ragctl.run.composition import Composition
    from ragctl.run.evaluating.question_making import make_questions

    if out.exists():
        raise UsageError("it is there already, and somebody may have looked through it", where=str(out))
    with Composition(loaded) as composition:
        made = make_questions(
            composition, count, seed=seed, by_model=by_model, max_cost_usd=max_cost, tell=talk
        )
    lines = [json.dumps(one.as_json(number), ensure_ascii=False) for number, one in enumerate(made, start=1)]
    try:
        out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"it cannot be written: {error.strerror or error}", where=str(out)) from None
    talk(f"{out}: {counted(len(made), 'question')}; look through them, and delete or reword the poor ones")


class _Progress:
    """A bar on stderr, where that is a terminal."""

    def __init__(self, total: int) -> None:
        self._total = total

    def __enter__(self) -> _Progress:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from ragctl.cli.output import talk_console

        console = talk_console()
        columns = (TextColumn("questions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._bar.start()
        self._task = self._bar.add_task("questions", total=self._total)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def done(self, number: int) -> None:
        self._bar.update(self._task, completed=number)


def _verdicts(
    result: dict[str, Any], gates: list[Gate], before: dict[str, Any] | None, max_drop: float | None
) -> list[Verdict]:
    from ragctl.evaluate.gates import drop_verdicts, verdicts

    found = verdicts(result, gates)
    if before is not None and max_drop is not None:
        first = next(iter(result["metrics"]), None)
        if first is not None:
            found += drop_verdicts(result, before, max_drop=max_drop, metrics=[first])
    return found


def _print(result: dict[str, Any], found: list[Verdict], output: Format) -> None:
    from ragctl.cli.evaluation_tables import print_result
    from ragctl.cli.output import print_json

    if output is Format.JSON:
        print_json({**result, "gates": [one.as_json() for one in found]})
    else:
        print_result(result, found)


def _end(result: dict[str, Any], found: list[Verdict], composition: Composition) -> None:
    from ragctl.cli.output import report_error
    from ragctl.errors import TooManyFailures

    failed = len(result["failures"])
    missed = [one for one in found if not one.met]
    if failed:
        total = result["queries"]["count"]
        report_error(TooManyFailures(f"{failed:,} of {total:,} questions failed; they count as 0"), [])
    if missed:
        names = "; ".join(
            f"{one.gate}: {'not measured' if one.measured is None else format(one.measured, '.4g')}"
            for one in missed
        )
        hint = f"{composition.command('runs', 'list')} names earlier evaluations to compare with"
        report_error(GateNotMet(f"{len(missed)} of {len(found)} gates not met: {names}", hint=hint), [])
    if failed:
        raise typer.Exit(int(ExitCode.TOO_MANY_FAILURES))
    if missed:
        raise typer.Exit(int(ExitCode.GATE_NOT_MET))
