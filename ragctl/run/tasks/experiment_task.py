"""The tasks of an experiment in a DAG: its variants, each ingested and measured, and their comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ragctl.errors import IncompleteIngest, RagctlError, UsageError
from ragctl.run.experimenting.outcome import experiment_json
from ragctl.run.experimenting.plan import Experiment, planned_experiment
from ragctl.run.experimenting.variant_runs import (
    Ingested,
    VariantOptions,
    failed_variant,
    ingest_variant,
    measure_variant,
)
from ragctl.run.tasks.parameters import experiment_parameters
from ragctl.spec.load import LoadedSpec


def run_experiment_stage(
    loaded: LoadedSpec,
    stages: Sequence[str],
    given: Any,
    conf: Mapping[str, Any] | str | None,
    *,
    environment: Mapping[str, str] | None,
    note: Callable[[str], None],
) -> Any:
    """Carries out one of `stage_task.EXPERIMENT_STAGES`.

    `variants` gives the names; `ingest_variant` takes one, and gives what `evaluate_variant` takes, which
    gives `VariantOutcome` as JSON with `asset`, what the event of the experiment's asset says of it;
    `compare_variants` gives the document of `ragctl experiment SPEC show --format json`, with `asset` too.

    Raises:
        UsageError: the spec has no such experiment, or the file is of another release.
        RagctlError: the variant failed, which is kept as a run.
        IncompleteIngest: one or several variants failed; its report is that document.
    """
    if len(stages) != 1:
        raise UsageError("an experiment's tasks are one stage each", hint="export the DAG again")
    experiment = planned_experiment(loaded, environment)
    if stages[0] == "variants":
        note(f"experiment {experiment.id}: {len(experiment.variants):,} variants")
        return [one.name for one in experiment.variants]
    if stages[0] == "compare_variants":
        return _compared(experiment, note)
    parameters = experiment_parameters(conf)
    options = VariantOptions(max_cost_usd=parameters.max_cost, yes=parameters.max_cost is None)
    if stages[0] == "ingest_variant":
        return _ingested(experiment, str(given), options)
    return _evaluated(experiment, given, options)


def _ingested(experiment: Experiment, name: str, options: VariantOptions) -> dict[str, Any]:
    variant = experiment.variant(name)
    try:
        return {"variant": name, **asdict(ingest_variant(experiment, variant, options))}
    except RagctlError as error:
        failed_variant(experiment, variant, error)
        raise


def _evaluated(experiment: Experiment, given: Mapping[str, Any], options: VariantOptions) -> dict[str, Any]:
    variant = experiment.variant(given["variant"])
    ingested = Ingested(given["generation"], given["counts"], given["cost_usd"])
    try:
        outcome = measure_variant(experiment, variant, ingested, options)
    except RagctlError as error:
        failed_variant(experiment, variant, error)
        raise
    asset = {
        "experiment": experiment.id,
        "variant": variant.name,
        "values": dict(variant.values),
        "index": experiment.base.spec.store.index,
        "generation": outcome.generation,
        "run_id": outcome.run,
        "metrics": dict(outcome.metrics),
    }
    return {**outcome.as_json(), "asset": asset}


def _compared(experiment: Experiment, note: Callable[[str], None]) -> dict[str, Any]:
    document = experiment_json(experiment)
    metric, variants = document["metric"], document["variants"]
    means = {
        one["name"]: one["metrics"][metric]["mean"] for one in variants if metric in one.get("metrics", {})
    }
    for name, mean in sorted(means.items(), key=lambda one: -one[1]):
        note(f"{name}: {metric} {mean:.4f}")
    failed = [one["name"] for one in variants if one["status"] != "done"]
    asset = {
        "experiment": experiment.id,
        "index": document["index"],
        "baseline": document["baseline"],
        "metric": metric,
        "winner": document["winner"],
        "failed": failed,
        "variants": [_told(one, means) for one in variants if one["name"] in means],
    }
    document = {**document, "asset": asset}
    if failed:
        message = f"{len(failed):,} of {len(variants):,} variants failed; the first: {failed[0]}"
        if experiment.base.spec.airflow.on_partial == "fail" or not means:
            raise IncompleteIngest(
                message, where="experiment", hint="its task's log says why", report=document
            )
        note(f"warning: {message}")
    return document


def _told(variant: Mapping[str, Any], means: Mapping[str, float]) -> dict[str, Any]:
    """One variant in the event. Its name is no key: Airflow hides texts under one with `token` in it."""
    return {
        "variant": variant["name"],
        "mean": means[variant["name"]],
        "run_id": variant["run"],
        "generation": variant["generation"],
        "documents": variant["provenance"]["documents"],
    }
