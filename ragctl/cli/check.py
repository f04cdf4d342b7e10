"""ragctl check."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, load
from ragctl.errors import SpecError

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

_LOCK = {
    "missing": "it has no lock yet, an ingest writes {}",
    "current": "{} fits",
    "outdated": "the next ingest will bring {} up to date with it",
}

_PINNED = {
    "lock": "which the lock pins",
    "index": "which the index was built with",
    None: "which the criteria choose now; an ingest pins it",
}


def register(app: typer.Typer) -> None:
    app.command(
        "check", short_help="Validate a spec and show its defaults.", epilog="Example: ragctl check docs.yaml"
    )(check)


def check(spec: SpecArgument, output: FormatOption = Format.TABLE, overrides: SetOption = None) -> None:
    """Validate a spec and its lock, and say what it amounts to. Reads no document and starts nothing."""
    from ragctl.cli.output import print_json, talk
    from ragctl.run.answering.prompts import load_prompts
    from ragctl.run.composition import Composition
    from ragctl.run.models.locking import check_lock

    loaded = load(spec, overrides)
    missing = list(_missing(loaded))
    if missing:
        raise SpecError("a source is not there", mistakes=missing)
    with Composition(loaded) as composition:
        load_prompts(composition)
        lock = check_lock(composition)
        recipe, choice = composition.recipe, composition.choice
        resolved = loaded.spec.model_dump(mode="json")
        if output is Format.JSON:
            print_json(
                {
                    "schema_version": 1,
                    "ok": True,
                    "recipe": recipe.digest,
                    "lock": lock.as_json(),
                    "embedder": {
                        "provider": choice.settings.provider,
                        "model": choice.settings.model,
                        "pinned_by": choice.pinned_by,
                    },
                    "spec": resolved,
                }
            )
            return
        talk(f"{spec}: the spec is valid; {_LOCK[lock.state].format(lock.path.name)}")
        if choice.number is not None:
            talk(f"embedder: {choice.name}, {_PINNED[choice.pinned_by]}")
        _print_resolved(resolved, recipe.digest)


def _missing(loaded: LoadedSpec) -> Iterator[str]:
    """A line about each source whose path is not what it should be."""
    for number, source in enumerate(loaded.spec.sources):
        path, key = loaded.resolve(source.path), f"sources.{number}.path"
        if source.type == "directory":
            what, found = "a directory", os.path.isdir(path)  # noqa: PTH112  (Path.is_dir may raise)
        else:
            what, found = "a file", os.path.isfile(path)  # noqa: PTH113
        if not found:
            yield f"{loaded.where(key)}: {key}: {source.path} is not {what}"


def _print_resolved(resolved: dict[str, object], recipe: str) -> None:
    import yaml

    from ragctl.cli.output import data_console

    console = data_console()
    text = yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    console.print(
        f"# with every default filled in; recipe {recipe[:12]}\n{text}", markup=False, soft_wrap=True, end=""
    )
