"""ragctl runs."""

from __future__ import annotations

from enum import StrEnum
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
    ABANDON = "abandon"


_NAMES_TAKEN = {Action.LIST: 0, Action.SHOW: 1, Action.DIFF: 2, Action.ABANDON: 1}


def register(app: typer.Typer) -> None:
    app.command(
        "runs",
        short_help="Print what runs did, compare two, or end one.",
        epilog="Example: ragctl runs docs.yaml show last",
    )(runs)


def runs(
    spec: SpecArgument,
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="list, show, diff or abandon.", show_default=True)
    ] = Action.LIST.value,
    run: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="A run's name, the beginning of it, or last. show and abandon take one, diff takes two.",
            show_default=False,
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="List only the newest N.", show_default=False),
    ] = None,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
) -> None:
    """Print what runs on the index did, compare two of them, or end one for good."""
    names = run or []
    chosen = _action(action)
    _check_call(chosen, names, last)
    loaded = load(spec, overrides)
    if chosen is Action.LIST:
        _list(loaded, last, output)
    elif chosen is Action.SHOW:
        _show(loaded, names[0], output)
    elif chosen is Action.DIFF:
        _diff(loaded, names[0], names[1], output)
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
    wanted = _NAMES_TAKEN[action]
    if len(names) != wanted:
        number = ("no run", "one run", "two runs")[wanted]
        raise UsageError(
            f"{action} takes {number}, not {len(names)}", hint="ragctl runs SPEC list shows their names"
        )
    if last is not None and action is not Action.LIST:
        raise UsageError("--last goes with list")


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
