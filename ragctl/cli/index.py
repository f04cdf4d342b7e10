"""ragctl index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from ragctl.errors import UsageError

if TYPE_CHECKING:
    from ragctl.run.upkeep.generation_view import GenerationDetails, GenerationList, GenerationView
    from ragctl.run.upkeep.index_prune import Pruned
    from ragctl.run.upkeep.rollback import Rollback
    from ragctl.spec.load import LoadedSpec

BEHIND_SHOWN = 10
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Action(StrEnum):
    """What to do with the generations of the index."""

    LIST = "list"
    SHOW = "show"
    ROLLBACK = "rollback"
    PRUNE = "prune"
    COPY = "copy"
    EXPORT = "export"
    IMPORT = "import"

    @property
    def moves(self) -> bool:
        """Does it carry an index from one place to another?"""
        return self in (Action.COPY, Action.EXPORT, Action.IMPORT)


@dataclass(frozen=True)
class Consent:
    """What bringing a generation up to date may cost: so many US dollars, or whatever it costs."""

    max_cost: float | None
    yes: bool


def register(app: typer.Typer) -> None:
    app.command(
        "index",
        short_help="List an index's generations, go back to one, make room; copy, export and import it.",
        epilog="Example: ragctl index docs.yaml rollback --catch-up",
    )(index)


def index(
    spec: SpecArgument,
    action: Annotated[Action, typer.Argument(help="What to do.", case_sensitive=False)] = Action.LIST,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[GENERATION|FILE]",
            help="The generation's number, for show (the active one, if left out) and rollback (the one "
            "before). For export and import: NAME.parquet, or a folder.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="SPEC", help="copy: the spec of the other index.", show_default=False),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="copy, import: also into an index that has something published, which is kept as an older "
            "generation. export: write over the files.",
        ),
    ] = False,
    catch_up: Annotated[
        bool,
        typer.Option("--catch-up", help="rollback: first bring it up to date, by the settings that made it."),
    ] = False,
    max_cost: Annotated[
        float | None,
        typer.Option(
            metavar="USD", min=0, help="rollback --catch-up: as for ragctl ingest.", show_default=False
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="rollback --catch-up: ask nobody, spend what it costs.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="prune: drop every kept generation.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run on this index to end.")] = False,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
    verbose: VerboseOption = False,
    log_json: LogJsonOption = False,
) -> None:
    """List the generations of an index, show one, go back to an older one, drop what is not needed; or carry
    an index to another store or to files, without embedding anything again."""
    from ragctl.cli.output import print_json

    if not action.moves and (to is not None or replace):
        raise UsageError("--to and --replace go with copy, export and import", hint="ragctl index --help")
    generation = None if action.moves else _number(what)
    _check_call(action, generation, catch_up, every)
    if (max_cost is not None or yes) and not catch_up:
        raise UsageError("--max-cost and --yes go with rollback --catch-up", hint="ragctl index --help")
    if action.moves:
        from ragctl.cli.moving import move

        move(
            action.value,
            spec,
            what,
            to,
            overrides,
            replace=replace,
            wait=wait,
            output=output,
            log_json=log_json,
        )
        return
    loaded = load(spec, overrides)
    if action is Action.ROLLBACK and catch_up:
        consent = Consent(max_cost, yes)
        _catch_up(loaded, generation, output, consent, wait=wait, log_json=log_json, verbose=verbose)
        return
    result, lines = _carry_out(action, loaded, generation, spec, every=every, wait=wait)
    if output is Format.JSON:
        print_json(result.as_json())
    else:
        _print(lines)


def _number(what: str | None) -> int | None:
    if what is None:
        return None
    if not what.isdecimal():
        raise UsageError(f"{what!r} is no number of a generation", hint="ragctl index SPEC list shows them")
    return int(what)


def _check_call(action: Action, generation: int | None, catch_up: bool, every: bool) -> None:
    if generation is not None and action not in (Action.SHOW, Action.ROLLBACK):
        raise UsageError(f"{action} takes no generation", hint="ragctl index --help")
    if catch_up and action is not Action.ROLLBACK:
        raise UsageError("--catch-up goes with rollback", hint="ragctl index --help")
    if every and action is not Action.PRUNE:
        raise UsageError("--all goes with prune", hint="ragctl index --help")


def _carry_out(
    action: Action, loaded: LoadedSpec, generation: int | None, spec: Path, *, every: bool, wait: bool
) -> tuple[GenerationList | GenerationDetails | Rollback | Pruned, Iterator[str]]:
    if action is Action.LIST:
        from ragctl.run.upkeep.generation_view import list_generations

        listed = list_generations(loaded)
        return listed, _list_lines(listed)
    if action is Action.SHOW:
        from ragctl.run.upkeep.generation_view import show_generation

        shown = show_generation(loaded, generation)
        return shown, _show_lines(shown)
    if action is Action.ROLLBACK:
        from ragctl.run.upkeep.rollback import roll_back

        rolled = roll_back(loaded, generation, wait=wait)
        return rolled, _rollback_lines(rolled, loaded)
    from ragctl.run.upkeep.index_prune import prune

    pruned = prune(loaded, every_kept=every, wait=wait)
    return pruned, _prune_lines(pruned)


def _catch_up(
    loaded: LoadedSpec,
    generation: int | None,
    output: Format,
    consent: Consent,
    *,
    wait: bool,
    log_json: bool,
    verbose: bool,
) -> None:
    from ragctl.cli.consent import agree_at_terminal
    from ragctl.cli.output import print_json, report_error
    from ragctl.cli.progress import make_progress
    from ragctl.cli.stopping import StopSwitch
    from ragctl.run.upkeep.rollback import roll_back_caught_up

    progress = make_progress(log_json=log_json, verbose=verbose)
    with StopSwitch(progress.note) as stop:
        done = roll_back_caught_up(
            loaded,
            generation,
            wait=wait,
            max_cost=consent.max_cost,
            yes=consent.yes,
            agree=agree_at_terminal(),
            progress=progress,
            stop=stop,
        )
    report = done.caught_up
    assert report is not None  # that is what was asked for
    if output is Format.JSON:
        print_json(done.as_json())
    else:
        _print(_rollback_lines(done, loaded))
    if report.interrupted:
        raise typer.Exit(int(stop.exit_code))
    verdict = report.verdict(
        loaded.spec.max_failures, lambda command: f"ragctl {command} {loaded.as_argument}"
    )
    if verdict is not None:
        report_error(verdict, [])
        raise typer.Exit(int(verdict.exit_code))


def _print(lines: Iterator[str]) -> None:
    from ragctl.cli.output import data_console

    console = data_console()
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _list_lines(listed: GenerationList) -> Iterator[str]:
    yield f"index {listed.index} of {listed.pipeline}"
    titles = ("", "status", "documents", "chunks", "size", "published", "behind", "differs from the spec in")
    rows = [titles, *(_row(one) for one in listed.generations)]
    yield from _columns(rows, left={1, 5, 7})
    cache = listed.cache
    yield f"vector cache: {cache.entries:,} entries, {_size(cache.bytes)} of {_size(listed.cache_max_bytes)}"


def _row(one: GenerationView) -> tuple[str, ...]:
    return (
        str(one.number),
        one.status if one.tables else f"{one.status}, no tables",
        f"{one.documents:,}",
        f"{one.chunks:,}",
        _size(one.bytes),
        _time(one.published_at),
        "" if one.behind is None or one.status == "active" else f"{one.behind:,}",
        ", ".join(one.differs) or "nothing",
    )


def _show_lines(shown: GenerationDetails) -> Iterator[str]:
    view = shown.view
    yield f"index {shown.index}, generation {view.number}"
    yield f"  status     {view.status}{'' if view.tables else ', and its tables are gone'}"
    yield f"  contents   {view.documents:,} documents, {view.chunks:,} chunks, {_size(view.bytes)}"
    yield f"  not in it  {shown.failed:,} failed, {shown.skipped:,} skipped"
    yield f"  created    {_time(view.created_at)}"
    yield f"  published  {_time(view.published_at)}"
    yield f"  embedder   {view.embedder}, {view.dimension} dimensions"
    yield f"  recipe     {view.recipe[:12]}; differs from the spec in {', '.join(view.differs) or 'nothing'}"
    for name, digest in view.recipe_parts.items():
        settings = ", ".join(f"{key}: {_plain(value)}" for key, value in shown.settings.get(name, {}).items())
        yield f"    {name:<8} {digest[:12]}  {settings or 'settings not recorded'}"
    if view.behind:
        yield f"  behind the active generation by {view.behind:,} documents"
        for source, document in shown.behind[:BEHIND_SHOWN]:
            yield f"    {source}: {document}"
        if view.behind > BEHIND_SHOWN:
            yield f"    and {view.behind - BEHIND_SHOWN:,} more"


def _rollback_lines(done: Rollback, loaded: LoadedSpec) -> Iterator[str]:
    report = done.caught_up
    if report is not None:
        counts = report.counts
        yield (
            f"generation {done.active} was {done.behind:,} documents behind generation {done.kept}; "
            f"caught up: {counts.added:,} added, {counts.changed:,} changed, {counts.deleted:,} deleted, "
            f"{counts.failed:,} failed; {counts.embedded:,} chunks embedded, {counts.cached:,} cached"
        )
        if report.interrupted:
            yield f"stopped before the end; generation {done.kept} is still the active one"
            return
    yield f"generation {done.active} of {done.index} is the active one, generation {done.kept} is kept"
    if report is None and done.behind:
        yield (
            f"it is {done.behind:,} documents behind generation {done.kept}; "
            "with --catch-up it would have been brought up to date first"
        )
    if done.differs:
        yield (
            f"the spec's {' and '.join(done.differs)} settings are not those that made it: an ingest with "
            "them would undo this, and is refused without --yes; to keep generation "
            f"{done.active} up to date, give the spec the settings that "
            f"ragctl index {loaded.as_argument} show {done.active} prints"
        )


def _prune_lines(pruned: Pruned) -> Iterator[str]:
    for one in pruned.generations:
        what = "half-built generation" if one.status == "building" else "generation"
        contents = f"{one.documents:,} documents, {one.chunks:,} chunks, {_size(one.bytes)}"
        yield f"dropped {what} {one.number}: {contents}"
    if pruned.cache_removed.entries:
        removed = pruned.cache_removed
        yield f"removed {removed.entries:,} cached vectors, {_size(removed.bytes)}"
    if not pruned.generations and not pruned.cache_removed.entries:
        yield "there was nothing to drop"
    cache = pruned.cache
    yield f"vector cache: {cache.entries:,} entries, {_size(cache.bytes)} of {_size(pruned.cache_max_bytes)}"


def _columns(rows: list[tuple[str, ...]], left: set[int]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (
            f"{cell:<{width}}" if column in left else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _plain(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _size(count: int | None) -> str:
    if count is None:
        return "size unknown"
    number = float(count)
    for unit in _UNITS:
        if number < 1000 or unit == _UNITS[-1]:
            return f"{count:,} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError  # the last unit takes every number


def _time(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S %Z}" if when else "never"
