"""ragctl index copy, export and import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ragctl.cli.options import Format, load
from ragctl.errors import UsageError

if TYPE_CHECKING:
    from ragctl.run.moving.moved import Moved
    from ragctl.run.progress import Progress

_DONE = {"copy": "copied", "export": "exported", "import": "imported"}


def move(
    action: str,
    spec: Path,
    file: str | None,
    to: Path | None,
    overrides: list[str] | None,
    *,
    replace: bool,
    wait: bool,
    output: Format,
    log_json: bool,
) -> None:
    """Carries the index of `spec` to that of `to`, or to or from files.

    Raises:
        UsageError: the other place is not named, or not as it should be.
    """
    from ragctl.cli.output import data_console, print_json
    from ragctl.cli.progress import make_progress
    from ragctl.cli.stopping import StopSwitch

    _check_call(action, file, to)
    progress = make_progress(log_json=log_json, verbose=False)
    with StopSwitch(progress.note) as stop:
        moved = _moved(action, spec, file, to, overrides, replace, wait, progress, stop)
    if output is Format.JSON:
        print_json(moved.as_json())
    else:
        console = data_console()
        for line in _lines(moved):
            console.print(line, markup=False, soft_wrap=True)
    if moved.interrupted:
        raise typer.Exit(int(stop.exit_code))


def _check_call(action: str, file: str | None, to: Path | None) -> None:
    if action == "copy" and (to is None or file is not None):
        raise UsageError("copy needs the other index's spec", hint="ragctl index SPEC copy --to OTHER_SPEC")
    if action != "copy" and (file is None or to is not None):
        raise UsageError(f"{action} needs a file", hint=f"ragctl index SPEC {action} NAME.parquet")


def _moved(
    action: str,
    spec: Path,
    file: str | None,
    to: Path | None,
    overrides: list[str] | None,
    replace: bool,
    wait: bool,
    progress: Progress,
    stop: Callable[[], bool],
) -> Moved:
    loaded = load(spec, overrides)
    if to is not None:
        from ragctl.run.moving.copying import copy_index

        other = load(to, None)
        return copy_index(loaded, other, replace=replace, wait=wait, progress=progress, stop=stop)
    path = Path(file or "")
    if action == "export":
        from ragctl.run.moving.exporting import export_index

        return export_index(loaded, path, replace=replace, wait=wait, progress=progress, stop=stop)
    from ragctl.run.moving.importing import import_index

    return import_index(loaded, path, replace=replace, wait=wait, progress=progress, stop=stop)


def _lines(moved: Moved) -> Iterator[str]:
    if moved.interrupted:
        yield f"stopped before the end; nothing was {'written' if moved.action == 'export' else 'published'}"
        if moved.action != "export":
            yield "the same command goes on where it stopped"
        return
    yield (
        f"{_DONE[moved.action]} {moved.documents:,} documents and {moved.chunks:,} chunks "
        f"in {moved.seconds:.1f} s; nothing was embedded"
    )
    yield f"  from  {moved.origin}"
    yield f"  to    {moved.target}"
    if moved.action != "export":
        left = moved.documents - moved.written
        yield f"  generation {moved.generation} is the active one" + (
            f"; {left:,} documents lay there already" if left else ""
        )
    for note in moved.notes:
        yield f"  {note}"
