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
    from ragctl.cli.output import counted, print_json, talk
    from ragctl.run.answering.prompts import load_prompts
    from ragctl.run.composition import Composition
    from ragctl.run.models.locking import check_lock

    loaded = load(spec, overrides, of_documents=False)
    if loaded.spec.asks_database:
        from ragctl.cli.check_database import check_database

        check_database(loaded, output)
        return
    variants = _variants(loaded)
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
        if variants:
            talk(f"experiment: {counted(variants, 'variant')}, all of them valid")
        print_resolved(resolved, f"; recipe {recipe.digest[:12]}")


def _variants(loaded: LoadedSpec) -> int:
    """How many variants the spec's experiment has, each of them valid.

    Raises:
        SpecError, UsageError: one of them is not.
    """
    from ragctl.run.experimenting.plan import planned_variants

    settings = loaded.spec.experiment
    return len(planned_variants(loaded)) if settings.matrix or settings.include else 0


def _missing(loaded: LoadedSpec) -> Iterator[str]:
    """A line about each source whose path is not what it should be."""
    for number, source in enumerate(loaded.spec.sources):
        given = getattr(source, "path", None) if "path" in source.path_keys else None
        if given is None:
            continue
        path, key = loaded.resolve(given), f"sources.{number}.path"
        if source.type in ("directory", "files"):
            what, found = "a directory", os.path.isdir(path)  # noqa: PTH112  (Path.is_dir may raise)
        else:
            what, found = "a file", os.path.isfile(path)  # noqa: PTH113
        if not found:
            yield f"{loaded.where(key)}: {key}: {given} is not {what}"


def print_resolved(resolved: dict[str, object], more: str = "") -> None:
    """The spec as YAML, with `more` after the words of its first line."""
    import yaml

    from ragctl.cli.output import data_console

    console = data_console()
    text = yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    console.print(f"# with every default filled in{more}\n{text}", markup=False, soft_wrap=True, end="")
