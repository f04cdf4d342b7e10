"""ragctl runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, load
from ragctl.errors import UsageError

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec


class Action(StrEnum):
    """What to do about runs."""

    LIST = "list"
    SHOW = "show"
    DIFF = "diff"
    COMPARE = "compare"
    EXPORT = "export"
    ABANDON = "abandon"


# How many runs each takes: at least, and at most.
_NAMES_TAKEN = {
    Action.LIST: (0, 0),
    Action.SHOW: (1, 1),
    Action.DIFF: (2, 2),
    Action.COMPARE: (2, 100),
    Action.EXPORT: (0, 100),
    Action.ABANDON: (1, 1),
}


def register(app: typer.Typer) -> None:
    app.command(
        "runs",
        short_help="Print what runs did, compare them, or end one.",
        epilog="Example: ragctl runs docs.yaml show last",
    )(runs)


def runs(
    spec: SpecArgument,
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION", help="list, show, diff, compare, export or abandon.", show_default=True
        ),
    ] = Action.LIST.value,
    run: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="A run's name, the beginning of it, or last. show and abandon take one, diff takes two, "
            "compare two evaluations or more, the first of them as the baseline.",
            show_default=False,
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="List only the newest N.", show_default=False),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With compare: the metric; the first of the first evaluation's if left out.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="With export: FILE.csv or FILE.parquet, where the evaluations go; CSV on stdout otherwise.",
            show_default=False,
        ),
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="With export: send them to this MLflow server instead, as MLFLOW_TRACKING_URI takes it.",
            show_default=False,
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
) -> None:
    """Print what runs on the index did, compare them, or end one for good."""
    names = run or []
    chosen = _action(action)
    _check_call(chosen, names, last)
    _check_options(chosen, metric, out, mlflow)
    loaded = load(spec, overrides, of_documents=False)
    if chosen is Action.LIST:
        _list(loaded, last, output)
    elif chosen is Action.SHOW:
        _show(loaded, names[0], output)
    elif chosen is Action.DIFF:
        _diff(loaded, names[0], names[1], output)
    elif chosen is Action.COMPARE:
        _compare(loaded, names, metric, output)
    elif chosen is Action.EXPORT:
        _export(loaded, names, out, mlflow)
    else:
        _abandon(loaded, names[0], output)


def _action(name: str) -> Action:
    try:
        return Action(name)
    except ValueError:
        from difflib import get_close_matches

        close = get_close_matches(name, [one.value for one in Action], n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"one of {', '.join(Action)}"
        raise UsageError(f"runs has no action {name!r}", hint=hint) from None


def _check_call(action: Action, names: list[str], last: int | None) -> None:
    least, most = _NAMES_TAKEN[action]
    if not least <= len(names) <= most:
        number = ("no run", "one run", "two runs" if most == least else "two runs or more")[least]
        raise UsageError(
            f"{action} takes {number}, not {len(names)}", hint="ragctl runs SPEC list shows their names"
        )
    if last is not None and action is not Action.LIST:
        raise UsageError("--last goes with list")


def _check_options(action: Action, metric: str | None, out: Path | None, mlflow: str | None) -> None:
    if metric is not None and action is not Action.COMPARE:
        raise UsageError("--metric goes with compare")
    if out is not None and action is not Action.EXPORT:
        raise UsageError("--out goes with export")
    if mlflow is not None and (action is not Action.EXPORT or out is not None):
        raise UsageError("--mlflow goes with export, and without --out")


def _list(loaded: LoadedSpec, last: int | None, output: Format) -> None:
    from ragctl.cli.output import print_json
    from ragctl.cli.run_tables import print_history
    from ragctl.run.looking.audit import history

    found = history(loaded, last=last)
    if output is Format.JSON:
        print_json(found.as_json())
    else:
        print_history(found)


def _show(loaded: LoadedSpec, name: str, output: Format) -> None:
    from ragctl.cli.output import print_json
    from ragctl.cli.run_tables import print_run
    from ragctl.run.looking.audit import show_run

    view = show_run(loaded, name)
    if output is Format.JSON:
        print_json(view.as_json())
    else:
        print_run(view)


def _diff(loaded: LoadedSpec, a: str, b: str, output: Format) -> None:
    from ragctl.cli.output import print_json
    from ragctl.cli.run_tables import print_comparison
    from ragctl.run.looking.run_difference import compare_runs

    comparison = compare_runs(loaded, a, b)
    if output is Format.JSON:
        print_json(comparison.as_json())
    else:
        print_comparison(comparison)


def _compare(loaded: LoadedSpec, names: list[str], metric: str | None, output: Format) -> None:
    from ragctl.cli.evaluation_tables import print_comparison
    from ragctl.cli.output import print_json
    from ragctl.run.composition import Composition
    from ragctl.run.evaluating.comparison import compare_kept, comparison_json

    with Composition(loaded) as composition:
        comparison, facts = compare_kept(composition, names, metric)
    if output is Format.JSON:
        print_json(comparison_json(comparison, facts))
    else:
        print_comparison(comparison, facts)


def _export(loaded: LoadedSpec, names: list[str], out: Path | None, mlflow: str | None) -> None:
    from ragctl.cli.output import counted, talk
    from ragctl.run.composition import Composition
    from ragctl.run.evaluating.exported import export_evaluations
    from ragctl.run.evaluating.tracking import track_evaluations

    with Composition(loaded) as composition:
        if mlflow is None:
            export_evaluations(composition, names, out)
            return
        sent, there = track_evaluations(composition, names, mlflow)
    before = f", {there:,} were there already" if there else ""
    talk(f"{counted(sent, 'evaluation')} sent to MLflow's experiment {composition.index!r}{before}")


def _abandon(loaded: LoadedSpec, name: str, output: Format) -> None:
    from ragctl.cli.output import print_json, talk
    from ragctl.run.upkeep.abandon import abandon_run

    abandoned = abandon_run(loaded, name)
    if output is Format.JSON:
        print_json(abandoned.as_json())
        return
    talk(f"the run {abandoned.run} has been abandoned; what it had committed stays")
    if abandoned.alive:
        talk(f"its process on {abandoned.host} was alive; it stops by itself and can write nothing more")
