"""One variant of an experiment: ingested apart from the live index, measured, and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ragctl.errors import RagctlError
from ragctl.evaluate.experiment_matrix import Variant
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.evaluating.eval_run import file_json
from ragctl.run.evaluating.evaluation import Evaluated, evaluate
from ragctl.run.evaluating.kept import kept_evaluations
from ragctl.run.experimenting.plan import Experiment, digest
from ragctl.run.ingesting.consent import Agree
from ragctl.run.ingesting.ingest import IngestOptions, ingest
from ragctl.run.progress import Progress, Silent
from ragctl.state.runs import Runs, new_run_id

COMMAND = "experiment"
"""What the run of a variant that failed is called in the list of runs."""


@dataclass(frozen=True, slots=True)
class VariantOptions:
    """What the caller allows.

    Attributes:
        max_cost_usd: the most that ingesting, and then asking, may each cost.
        yes, agree: who has agreed to what an ingest may cost, see `IngestOptions`.
        parallel: how many questions are asked at the same time; latencies grow with it.
    """

    max_cost_usd: float | None = None
    yes: bool = False
    agree: Agree | None = None
    parallel: int = 1


@dataclass(frozen=True, slots=True)
class VariantOutcome:
    """What became of a variant.

    Attributes:
        status: `done`; `found`: it was done before, with the same documents, settings and questions;
            `failed`.
        run: of its evaluation, or of its failure.
        generation: number of the generation that it asks; None if there is none.
        metrics: means by name.
        cost_usd: of asking; 0 where it is not known.
        counts: of its ingest: `texts_read`, `texts_found`, `chunks`, `embedded`, `cached`.
        error: `kind`, `message`, `where` and `hint` of a failure.
    """

    name: str
    status: str
    run: str
    generation: int | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    cost_usd: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "status": self.status,
            "run": self.run,
            "generation": self.generation,
            "metrics": dict(self.metrics),
            "cost_usd": self.cost_usd,
            "counts": dict(self.counts),
            "error": None if self.error is None else dict(self.error),
        }


@dataclass(frozen=True, slots=True)
class Ingested:
    """The generation of a variant, up to date. `counts` as of `VariantOutcome`; `cost_usd`: 0 if unknown."""

    generation: int
    counts: Mapping[str, int] = field(default_factory=dict)
    cost_usd: float = 0.0


def run_variant(
    experiment: Experiment,
    name: str,
    options: VariantOptions | None = None,
    *,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_question: Callable[[int], None] = lambda done: None,
) -> VariantOutcome:
    """Ingests and measures one variant. A failure is recorded as a run and returned.

    The live index is not touched: its pointer, its generations and its lock stay as they are. Variants that
    agree in all that makes an index share a generation. One ingest at a time writes to an index, so those of
    others are waited for.

    Args:
        stop: asked now and then; once true, what is in hand is finished and the run ends.

    Raises:
        KeyboardInterrupt: `stop` said so. The next run goes on from there.
        UsageError: there is no such variant.
    """
    variant, chosen = experiment.variant(name), options or VariantOptions()
    try:
        ingested = ingest_variant(experiment, variant, chosen, progress=progress, stop=stop)
        return measure_variant(experiment, variant, ingested, chosen, stop=stop, on_question=on_question)
    except RagctlError as error:
        return failed_variant(experiment, variant, error)


def ingest_variant(
    experiment: Experiment,
    variant: Variant,
    options: VariantOptions,
    *,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Ingested:
    """Brings the variant's generation up to date with the sources.

    Raises:
        KeyboardInterrupt: `stop` said so.
        RagctlError: see `ragctl.run.ingesting.ingest.ingest`; or too many documents failed.
    """
    loaded = experiment.spec_of(variant)
    chosen = IngestOptions(
        trial=True, wait=True, max_cost=options.max_cost_usd, yes=options.yes, agree=options.agree
    )
    report = ingest(
        loaded, chosen, progress=progress or Silent(), stop=stop, environment=experiment.environment
    )
    if report.interrupted:
        raise KeyboardInterrupt
    verdict = report.verdict(loaded.spec.max_failures, lambda command: f"ragctl {command} SPEC")
    if verdict is not None:
        raise verdict
    return Ingested(report.generation, ingest_counts(report.as_json()), report.cost_usd or 0.0)


def measure_variant(
    experiment: Experiment,
    variant: Variant,
    ingested: Ingested,
    options: VariantOptions,
    *,
    stop: Callable[[], bool] = lambda: False,
    on_question: Callable[[int], None] = lambda done: None,
) -> VariantOutcome:
    """Asks the experiment's questions of the variant's generation, unless that was done before.

    Raises:
        KeyboardInterrupt: `stop` said so.
        RagctlError: see `ragctl.run.evaluating.evaluation.evaluate`.
    """

    def asked(done: int) -> None:
        on_question(done)
        if stop():
            raise KeyboardInterrupt

    loaded, number = experiment.spec_of(variant), ingested.generation
    with Composition(loaded, experiment.environment, generation=number) as composition:
        key = _key(experiment, composition)
        result = _found(composition, experiment.id, variant.name, key)
        status = "done" if result is None else "found"
        if result is None:
            wanted = Evaluated(
                experiment.questions,
                experiment.queries,
                experiment.qrels,
                experiment.metrics,
                name=variant.name,
                values=variant.values,
                spec_diff=experiment.difference(variant),
                more={"experiment": experiment.id, "variant_key": key},
            )
            result = evaluate(
                composition,
                wanted,
                parallel=options.parallel,
                max_cost_usd=options.max_cost_usd,
                on_question=asked,
            )
    return VariantOutcome(
        variant.name,
        status,
        result["run"],
        number,
        {name: found["mean"] for name, found in result["metrics"].items()},
        result["cost_usd"] or 0.0,
        dict(ingested.counts),
    )


def ingest_counts(document: Mapping[str, Any]) -> dict[str, int]:
    """What an ingest read, found, and embedded; of its report's JSON, or of its run's record."""
    counts = document.get("counts", {})
    return {
        "texts_read": sum(row["read"] for row in document.get("formats", ())),
        "texts_found": document.get("texts_found", 0),
        **{name: counts.get(name, 0) for name in ("chunks", "embedded", "cached")},
    }


def failed_variant(experiment: Experiment, variant: Variant, error: RagctlError) -> VariantOutcome:
    """Keeps the failure as a run of the index, where there is a database to keep it in."""
    run = new_run_id()
    told = {**error.as_json(), "variant": variant.name}
    loaded = experiment.spec_of(variant)
    with suppress(RagctlError), Composition(loaded, experiment.environment) as composition, database_errors():
        runs = Runs(composition.connect(), composition.index)
        record = {"experiment": experiment.id, "variant": variant.name, "error": told, "seconds": 0.0}
        runs.start(run, pipeline=composition.spec.name, command=COMMAND, record=record)
        runs.finish(run, "failed", record)
    return VariantOutcome(variant.name, "failed", run, None, error=told)


def _key(experiment: Experiment, composition: Composition) -> str:
    """Of all that decides what is measured: equal keys, equal results."""
    generation = composition.active_generation()
    spec = composition.spec.model_dump(mode="json")
    files = [file for file in (experiment.queries, experiment.qrels) if file is not None]
    return digest(
        {
            "recipe": generation.recipe,
            "documents": composition.generations().documents_digest(generation),
            "ask": spec["ask"],
            "eval": spec["eval"],
            "files": [file_json(file)["sha256"] for file in files],
            "metrics": experiment.metrics,
        }
    )


def _found(composition: Composition, experiment: str, name: str, key: str) -> Mapping[str, Any] | None:
    """The newest result of this variant, if nothing that it rests on has changed, and nothing failed."""
    for row in kept_evaluations(composition):
        result: Mapping[str, Any] = row.record["evaluation"]
        if result.get("experiment") == experiment and result["name"] == name and row.status == "done":
            return result if result.get("variant_key") == key and not result["failures"] else None
    return None
