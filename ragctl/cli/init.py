"""ragctl init."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ragctl.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command(
        "init",
        short_help="Write a short spec to start from.",
        epilog="Example: ragctl init docs.yaml --path docs",
    )(init)


def init(
    spec: Annotated[
        Path, typer.Argument(metavar="[SPEC]", help="The file to write.", show_default=True)
    ] = Path("ragctl.yaml"),
    path: Annotated[
        Path, typer.Option("--path", metavar="DIRECTORY", help="The folder with your documents.")
    ] = Path(),
    name: Annotated[
        str | None,
        typer.Option(help="The pipeline's name; from the folder's, if left out.", show_default=False),
    ] = None,
) -> None:
    """Write a short spec to start from. Never overwrites a file."""
    from ragctl.cli.output import talk
    from ragctl.spec.names import slug
    from ragctl.spec.starter import starter_spec

    if not os.path.isdir(path):  # noqa: PTH112  (Path.is_dir may raise)
        raise UsageError(
            f"{path} is not a directory", hint="name the folder with your documents: --path DIRECTORY"
        )
    if not os.path.isdir(spec.parent):  # noqa: PTH112
        raise UsageError(f"the directory {spec.parent} does not exist", where=str(spec))
    text = starter_spec(name or slug(path.resolve().name), _relative(path, spec.parent))
    try:
        with spec.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            "the file is there already", where=str(spec), hint="name another, or remove it"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot write it: {error.strerror}", where=str(spec)) from error
    quoted = shlex.quote(str(spec))
    talk(f'wrote {spec}\nnext: ragctl ingest {quoted}\nthen: ragctl ask {quoted} "your question"')


def _relative(path: Path, base: Path) -> str:
    """`path` as seen from the spec's folder, where that can be said; absolute otherwise."""
    try:
        return Path(os.path.relpath(path.resolve(), base.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()
