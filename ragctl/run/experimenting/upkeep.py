"""After an experiment: its generations dropped, or one of them made the active one by a spec of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from ragctl.errors import TooManyFailures, UsageError
from ragctl.evaluate.experiment_matrix import Variant
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.experimenting.plan import Experiment
from ragctl.run.ingesting.ingest import Ingest, IngestOptions
from ragctl.run.models.locking import keep_lock
from ragctl.run.progress import Progress, Silent
from ragctl.run.upkeep.exclusive import exclusive_run
from ragctl.run.upkeep.generation_choice import drop_generations
from ragctl.spec.load import LoadedSpec, load_spec, read_overridden
from ragctl.spec.mistakes import Place, parsed
from ragctl.spec.overrides import put
from ragctl.state.generations import Generation
from ragctl.state.lease import Lease

PROMOTE = "promote"


@dataclass(frozen=True, slots=True)
class DroppedTrial:
    """A generation that went, and what was in it."""

    number: int
    documents: int
    chunks: int
    bytes: int | None


def prune_trials(loaded: LoadedSpec, *, wait: bool = False) -> list[DroppedTrial]:
    """Drops the generations of all experiments of the index. Their results are kept, and so are vectors.

    Raises:
        RunInProgress: another run is writing to the index; nothing was dropped.
        NothingPublished: nothing has run here yet.
    """
    with Composition(loaded) as composition, database_errors():
        composition.connect_to_existing()
        with exclusive_run(composition, "prune", wait=wait) as (lease, record):
            dropped = _drop(composition, lease)
            record.update(generations=[asdict(one) for one in dropped])
        return dropped


def _drop(composition: Composition, lease: Lease) -> list[DroppedTrial]:
    generations = composition.generations()
    trials = [one for one in generations.all() if one.status == "trial"]
    dropped = [_described(composition, one) for one in trials]
    drop_generations(composition, generations, trials, lease)
    return dropped


def _described(composition: Composition, one: Generation) -> DroppedTrial:
    store = composition.store_of(one)
    counts = store.counts() if store.exists() else (0, 0)
    return DroppedTrial(one.number, *counts, store.size_bytes())


@dataclass(frozen=True, slots=True)
class Promoted:
    """A variant that became the spec: the file, the generation that is active now, and what it cost."""

    variant: str
    spec: Path
    generation: int
    embedded: int
    cached: int


def promote(
    experiment: Experiment,
    variant: Variant,
    out: Path,
    *,
    wait: bool = False,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Promoted:
    """Writes the variant as a spec with a lock, and makes its generation the active one.

    The generation is brought up to date first; what has not changed since the experiment is neither read
    nor embedded again. The generation that was active is kept, to go back to.

    Raises:
        UsageError: the file is there, lies in another folder, or the variant has no generation (any more).
        TooManyFailures: the generation lacks documents that the active one has; nothing was published.
        RunInProgress: another run is writing to the index.
        KeyboardInterrupt: `stop` said so; nothing was published.
    """
    base = experiment.base
    if out.parent.resolve() != base.base:
        raise UsageError(
            "the new spec has to lie beside the old one, since paths in it are relative",
            where=str(out),
            hint=f"-o {base.path.parent / out.name}",
        )
    if out.exists():
        raise UsageError("it is there already", where=str(out), hint="name another file")
    number = _generation_of(experiment, variant)
    _write(experiment, variant, out)
    try:
        promoted = _publish(experiment, variant, load_spec(out), number, wait, progress, stop)
    except BaseException:
        out.unlink()
        raise
    return replace(promoted, spec=out)


def _publish(
    experiment: Experiment,
    variant: Variant,
    loaded: LoadedSpec,
    number: int,
    wait: bool,
    progress: Progress | None,
    stop: Callable[[], bool],
) -> Promoted:
    chosen = progress or Silent()
    with Composition(loaded) as composition, database_errors():
        options = IngestOptions(wait=wait, into=number, into_command=PROMOTE)
        report = Ingest(composition, options, chosen, stop).run()
        if report.interrupted:
            raise KeyboardInterrupt
        if not report.published:
            raise TooManyFailures(
                f"the generation of {variant.name} lacks {report.lacking:,} documents of the active one; "
                "nothing was published",
                where=f"generation {number}",
                hint=f"ragctl experiment {composition.loaded.as_argument} run  says which failed",
            )
        keep_lock(composition, relock=True, note=chosen.note)
    return Promoted(variant.name, loaded.path, number, report.counts.embedded, report.counts.cached)


def _generation_of(experiment: Experiment, variant: Variant) -> int:
    with Composition(experiment.spec_of(variant)) as composition, database_errors():
        composition.connect_to_existing()
        recipe = composition.recipe.digest
        found = [
            one for one in composition.generations().all() if one.status == "trial" and one.recipe == recipe
        ]
        if not found:
            raise UsageError(
                f"the variant {variant.name} has no generation (any more)",
                hint=f"{experiment_command(experiment.base, 'run')} makes it; vectors that are kept are not "
                "embedded again",
            )
        return found[-1].number


def experiment_command(loaded: LoadedSpec, action: str) -> str:
    """The command line that does `action` with this spec's experiments."""
    return f"ragctl experiment {loaded.as_argument} {action}"


def _write(experiment: Experiment, variant: Variant, out: Path) -> None:
    base = experiment.base
    plain, _ = read_overridden(base.path, base.overrides)
    data: Any = plain.data
    for key, value in variant.values.items():
        data = put(data, parsed(key), value, Place(0, 0, 0, key))
    data = {key: value for key, value in data.items() if key != "experiment"}
    head = (
        f"# The variant {variant.name} of the experiment {experiment.id} in {base.path.name}.\n"
        "# ragctl experiment promote wrote it; edit it as you like.\n"
    )
    text = yaml.safe_dump(_listed(data), sort_keys=False, allow_unicode=True, width=100)
    try:
        out.write_text(head + text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"it cannot be written: {error.strerror or error}", where=str(out)) from None


def _listed(value: Any) -> Any:
    """Tuples as lists, which YAML has."""
    if isinstance(value, dict):
        return {key: _listed(one) for key, one in value.items()}
    return [_listed(one) for one in value] if isinstance(value, tuple | list) else value
