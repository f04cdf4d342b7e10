"""ragctl check."""

from __future__ import annotations

import os

import typer

from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, load
from ragctl.errors import SpecError

_LOCK = {
    "missing": "it has no lock yet, an ingest writes {}",
    "current": "{} fits",
    "outdated": "the next ingest will bring {} up to date with it",
}


def register(app: typer.Typer) -> None:
    app.command(
        "check", short_help="Validate a spec and show its defaults.", epilog="Example: ragctl check docs.yaml"
    )(check)


def check(spec: SpecArgument, output: FormatOption = Format.TABLE, overrides: SetOption = None) -> None:
    """Validate a spec and its lock, and say what it amounts to. Reads no document and starts nothing."""
    from ragctl.cli.output import print_json, talk
    from ragctl.run.composition import Composition
    from ragctl.run.locking import check_lock

    loaded = load(spec, overrides)
    missing = [
        f"{loaded.where(f'sources.{number}.path')}: sources.{number}.path: {source.path} is not a directory"
        for number, source in enumerate(loaded.spec.sources)
        if not os.path.isdir(loaded.resolve(source.path))  # noqa: PTH112  (Path.is_dir may raise)
    ]
    if missing:
        raise SpecError("a source's path is not a directory", mistakes=missing)
    with Composition(loaded) as composition:
        lock = check_lock(composition)
        recipe = composition.recipe
        resolved = loaded.spec.model_dump(mode="json")
        if output is Format.JSON:
            print_json(
                {
                    "schema_version": 1,
                    "ok": True,
                    "recipe": recipe.digest,
                    "lock": lock.as_json(),
                    "spec": resolved,
                }
            )
            return
        talk(f"{spec}: the spec is valid; {_LOCK[lock.state].format(lock.path.name)}")
        _print_resolved(resolved, recipe.digest)


def _print_resolved(resolved: dict[str, object], recipe: str) -> None:
    import yaml

    from ragctl.cli.output import data_console

    console = data_console()
    text = yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    console.print(
        f"# with every default filled in; recipe {recipe[:12]}\n{text}", markup=False, soft_wrap=True, end=""
    )
