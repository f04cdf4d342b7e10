"""ragctl experiment."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragctl.cli.options import (
    Format,
    FormatOption,
    LogJsonOption,
    SetOption,
    SpecArgument,
    VerboseOption,
    load,
)
from ragctl.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from ragctl.run.experimenting.plan import Experiment
    from ragctl.run.experimenting.variant_runs import VariantOptions
    from ragctl.spec.load import LoadedSpec


class Action(StrEnum):
    """What to do with the experiments of a spec."""

    RUN = "run"
    LIST = "list"
    SHOW = "show"
    PRUNE = "prune"
    PROMOTE = "promote"


def register(app: typer.Typer) -> None:
    app.command(
        "experiment",
        short_help="Measure variants of a spec side by side, and promote one.",
        epilog="Example: ragctl experiment docs.yaml run",
    )(experiment)


def experiment(
    spec: SpecArgument,
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="run, list, show, prune or promote.", show_default=True)
    ] = Action.SHOW.value,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[VARIANT]", help="With promote: a variant; the best one if left out.", show_default=False
        ),
    ] = None,
    parallel: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=32, help="With run: ask N variants at once; latencies grow with it."
        ),
    ] = 1,
    max_cost: Annotated[
        float | None,
        typer.Option(
            metavar="USD", min=0, help="With run: stop before the request that might make it cost more."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With run: ask nobody what ingests may cost.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="With prune and promote: wait for another run on the index.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FILE", help="With promote: the new spec, beside SPEC.", show_default=False
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
    verbose: VerboseOption = False,
    log_json: LogJsonOption = False,
) -> None:
    """Measure the variants of a spec's section experiment, each ingested apart from the live index."""
    chosen = _action(action)
    _check(chosen, name, out)
    loaded = load(spec, overrides)
    if chosen is Action.LIST:
        _list(loaded, output)
        return
    if chosen is Action.PRUNE:
        _prune(loaded, output, wait=wait)
        return

    from ragctl.run.experimenting.plan import planned_experiment

    planned = planned_experiment(loaded)
    if chosen is Action.RUN:
        from ragctl.cli.consent import agree_at_terminal
        from ragctl.run.experimenting.variant_runs import VariantOptions

        options = VariantOptions(max_cost, yes, agree_at_terminal())
        _run(planned, options, parallel, output, verbose=verbose, log_json=log_json)
    elif chosen is Action.SHOW:
        _show(planned, output)
    else:
        assert out is not None
        _promote(planned, name, out, output, wait=wait, verbose=verbose, log_json=log_json)


def _action(name: str) -> Action:
    try:
        return Action(name)
    except ValueError:
        from difflib import get_close_matches

        close = get_close_matches(name, [one.value for one in Action], n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"one of {', '.join(Action)}"
        raise UsageError(f"experiment has no action {name!r}", hint=hint) from None


def _check(action: Action, name: str | None, out: Path | None) -> None:
    if action is Action.PROMOTE and out is None:
        raise UsageError("promote writes a new spec", hint="-o FILE says where, beside SPEC")
    if action is not Action.PROMOTE and (name is not None or out is not None):
        raise UsageError("a variant and --out go with promote")


def _run(
    planned: Experiment,
    options: VariantOptions,
    parallel: int,
    output: Format,
    *,
    verbose: bool,
    log_json: bool,
) -> None:
    from ragctl.cli.experiment_progress import ExperimentProgress
    from ragctl.cli.output import talk
    from ragctl.cli.progress import make_progress
    from ragctl.cli.stopping import StopSwitch
    from ragctl.run.experimenting.outcome import experiment_json
    from ragctl.run.experimenting.run import run_experiment

    told = ExperimentProgress(planned, make_progress(log_json=log_json, verbose=verbose))
    with StopSwitch(talk) as stop:
        try:
            outcomes = run_experiment(planned, options, told, parallel=parallel, stop=stop)
        except KeyboardInterrupt:
            talk("stopped; the same command goes on with what is not done yet")
            raise typer.Exit(int(stop.exit_code)) from None
    document = {**experiment_json(planned), "outcomes": [one.as_json() for one in outcomes]}
    _print(document, output, planned.base)
    failed = [one for one in outcomes if one.status == "failed"]
    if failed:
        from ragctl.cli.output import report_error
        from ragctl.errors import TooManyFailures

        first = failed[0].error or {}
        report_error(
            TooManyFailures(
                f"{len(failed):,} of {len(outcomes):,} variants failed; the first, {failed[0].name}: "
                f"{first.get('message')}",
                where=first.get("where"),
                hint=first.get("hint"),
            ),
            [],
        )
        raise typer.Exit(int(ExitCode.TOO_MANY_FAILURES))


def _show(planned: Experiment, output: Format) -> None:
    from ragctl.run.experimenting.outcome import experiment_json

    _print(experiment_json(planned), output, planned.base)


def _print(document: dict[str, Any], output: Format, loaded: LoadedSpec) -> None:
    from ragctl.cli.experiment_tables import print_experiment
    from ragctl.cli.output import print_json
    from ragctl.run.experimenting.upkeep import experiment_command

    if output is Format.JSON:
        print_json(document)
    else:
        print_experiment(document, experiment_command(loaded, "promote"))


def _list(loaded: LoadedSpec, output: Format) -> None:
    from ragctl.cli.experiment_tables import print_experiments
    from ragctl.cli.output import print_json
    from ragctl.run.composition import Composition
    from ragctl.run.experimenting.outcome import listed_experiments

    with Composition(loaded) as composition:
        found = listed_experiments(composition)
    if output is Format.JSON:
        print_json({"schema_version": 1, "index": loaded.spec.store.index, "experiments": found})
    else:
        print_experiments(found)


def _prune(loaded: LoadedSpec, output: Format, *, wait: bool) -> None:
    from dataclasses import asdict

    from ragctl.cli.output import counted, data_console, print_json
    from ragctl.run.experimenting.upkeep import prune_trials

    dropped = prune_trials(loaded, wait=wait)
    if output is Format.JSON:
        document = [asdict(one) for one in dropped]
        print_json({"schema_version": 1, "index": loaded.spec.store.index, "generations": document})
        return
    console = data_console()
    for one in dropped:
        console.print(
            f"dropped generation {one.number}: {one.documents:,} documents, {one.chunks:,} chunks",
            markup=False,
        )
    console.print(f"{counted(len(dropped), 'generation')} dropped; results and vectors are kept")


def _promote(
    planned: Experiment,
    name: str | None,
    out: Path,
    output: Format,
    *,
    wait: bool,
    verbose: bool,
    log_json: bool,
) -> None:
    from ragctl.cli.output import data_console, print_json, talk
    from ragctl.cli.progress import make_progress
    from ragctl.cli.stopping import StopSwitch
    from ragctl.run.experimenting.outcome import experiment_json
    from ragctl.run.experimenting.upkeep import promote

    chosen = name or experiment_json(planned)["winner"]
    if chosen is None:
        raise UsageError("no variant has been measured yet", hint="ragctl experiment SPEC run")
    progress = make_progress(log_json=log_json, verbose=verbose)
    with StopSwitch(talk) as stop:
        try:
            done = promote(planned, planned.variant(chosen), out, wait=wait, progress=progress, stop=stop)
        except KeyboardInterrupt:
            talk("stopped; nothing was promoted")
            raise typer.Exit(int(stop.exit_code)) from None
    if output is Format.JSON:
        found = {name: getattr(done, name) for name in ("variant", "generation", "embedded", "cached")}
        print_json({"schema_version": 1, "spec": str(done.spec), **found})
        return
    data_console().print(
        f"{done.spec} is {done.variant}; generation {done.generation} of {planned.base.spec.store.index} is "
        f"the active one ({done.embedded:,} chunks embedded for it now)",
        markup=False,
        soft_wrap=True,
    )
