"""What came of an experiment: its variants side by side, and what they shared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragctl.errors import UsageError
from ragctl.evaluate.compare import compare
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.evaluating.comparison import compared_facts, comparison_json
from ragctl.run.evaluating.kept import in_order, kept_evaluations
from ragctl.run.experimenting.plan import Experiment
from ragctl.run.experimenting.variant_runs import COMMAND, ingest_counts
from ragctl.state.evaluations import questions_of
from ragctl.state.runs import RunRow, Runs

SCHEMA_VERSION = 1
_ID = re.compile(r"[0-9a-f]{10}")  # a run's name has a T in it


@dataclass(frozen=True, slots=True)
class Found:
    """What is kept of one experiment's variants, by name: the newest result, and the newest failure since."""

    results: Mapping[str, dict[str, Any]]
    failures: Mapping[str, dict[str, Any]]


def found_variants(composition: Composition, experiment: str) -> Found:
    """What is kept of an experiment.

    Raises:
        NothingPublished: nothing has run here yet.
    """
    results: dict[str, dict[str, Any]] = {}
    failures: dict[str, dict[str, Any]] = {}
    for row in _rows(composition):
        result, record = row.record.get("evaluation"), row.record
        if result is not None and result.get("experiment") == experiment and row.status == "done":
            results.setdefault(result["name"], in_order(result))
        elif row.command == COMMAND and record.get("experiment") == experiment:
            name = record["variant"]
            if name not in results:
                failures.setdefault(name, {"run": row.id, **record["error"]})
    return Found(results, failures)


def experiment_json(experiment: Experiment) -> dict[str, Any]:
    """The document that `ragctl experiment SPEC show --format json` prints.

    `variants`: each in order with `status` (`done`, `failed`, or `missing`: it has not been run to its end),
    `values`, `spec_diff`, `run`, `generation`, `metrics`, `latency_ms`, costs, `index_facts`, and `error`;
    `comparison`: see `comparison_json`, of the variants that are done; `winner`: the name
    of the one that is best by the first metric; `sharing`: what the ingests of all variants read, found and
    embedded.
    """
    with Composition(experiment.base, experiment.environment) as composition, database_errors():
        found = found_variants(composition, experiment.id)
        connection = composition.connect()
        names = [one.name for one in experiment.variants]
        done = [found.results[name] for name in names if name in found.results]
        whole = [{**one, "per_question": questions_of(connection, one["run"])} for one in done]
        sharing = _sharing(composition, done)
    return {
        "schema_version": SCHEMA_VERSION,
        "experiment": experiment.id,
        "index": experiment.base.spec.store.index,
        "queries": experiment.queries.name,
        "questions": len(experiment.questions.questions),
        "baseline": experiment.baseline,
        "variants": [_variant(experiment, name, found) for name in names],
        **_compared(whole, experiment.baseline),
        "sharing": {"variants": len(names), **sharing},
    }


def _variant(experiment: Experiment, name: str, found: Found) -> dict[str, Any]:
    variant, result = experiment.variant(name), found.results.get(name)
    failure = found.failures.get(name)
    said: dict[str, Any] = {
        "name": name,
        "values": dict(variant.values),
        "spec_diff": [list(one) for one in experiment.difference(variant)],
        "status": "failed" if failure else "missing" if result is None else "done",
        "error": failure,
    }
    if result is not None:
        kept = ("run", "generation", "started", "metrics", "latency_ms", "cost_usd", "cost_usd_per_question")
        said |= {key: result[key] for key in (*kept, "index_facts", "provenance", "failures")}
    return said


def _compared(results: Sequence[dict[str, Any]], baseline: str) -> dict[str, Any]:
    if not results:
        return {"metric": None, "winner": None, "comparison": None}
    metric = next(iter(results[0]["metrics"]), None)
    if metric is None:
        return {"metric": None, "winner": None, "comparison": None}
    names = [one["name"] for one in results]
    at = names.index(baseline) if baseline in names else 0
    comparison = compare(results, metric, baseline=at)
    best = max(results, key=lambda one: float(one["metrics"][metric]["mean"]))
    facts = compared_facts(results, metric)
    return {"metric": metric, "winner": best["name"], "comparison": comparison_json(comparison, facts)}


def _sharing(composition: Composition, results: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Of all ingests into the generations that these results are of."""
    generations = {one["generation"] for one in results}
    total = dict.fromkeys(("texts_read", "texts_found", "chunks", "embedded", "cached"), 0)
    for row in Runs(composition.connect(), composition.index).latest():
        if row.command == "ingest" and row.record.get("generation") in generations:
            for name, count in ingest_counts(row.record).items():
                total[name] += count
    return {"generations": len(generations), **total}


def listed_experiments(composition: Composition) -> list[dict[str, Any]]:
    """Every experiment of the index of which something is kept, the newest first.

    Of each `experiment`, `started` (of its first variant), `variants` and `failed`, counted by name, the
    `metric` that decides, and the `best` variant with its `mean`.

    Raises:
        NothingPublished: nothing has run here yet.
    """
    with database_errors():
        kept = list(dict.fromkeys(_experiments(composition)))
        found = [(name, found_variants(composition, name)) for name in kept]
    return [_listed(name, one) for name, one in found]


def _experiments(composition: Composition) -> Iterator[str]:
    for row in _rows(composition):
        record = row.record.get("evaluation") or row.record
        name = record.get("experiment")
        if isinstance(name, str):
            yield name


def _listed(name: str, found: Found) -> dict[str, Any]:
    results = sorted(found.results.values(), key=lambda one: str(one["started"]))
    metric = next(iter(results[0]["metrics"]), None) if results else None
    best = max(results, key=lambda one: float(one["metrics"][metric]["mean"])) if metric else None
    return {
        "experiment": name,
        "started": min((one["started"] for one in results), default=None),
        "variants": len(results),
        "failed": len(found.failures),
        "metric": metric,
        "best": best and best["name"],
        "mean": best and best["metrics"][metric]["mean"],
    }


def named_runs(composition: Composition, names: Sequence[str]) -> list[str]:
    """The runs named, with the runs of its variants in the place of an experiment's id.

    Raises:
        UsageError: there is no such experiment.
        NothingPublished: nothing has run here yet.
    """
    return [run for name in names for run in (_runs_of(composition, name) if _ID.fullmatch(name) else [name])]


def _runs_of(composition: Composition, experiment: str) -> list[str]:
    with database_errors():
        found = found_variants(composition, experiment)
    if not found.results:
        raise UsageError(
            f"there is no experiment {experiment!r}", hint=composition.command("experiment", "list")
        )
    return [one["run"] for one in reversed(list(found.results.values()))]


def _rows(composition: Composition) -> list[RunRow]:
    """Results and failures of all experiments, the newest first."""
    evaluations = {one.id: one for one in kept_evaluations(composition)}
    runs = Runs(composition.connect(), composition.index).latest()
    return [evaluations.get(one.id, one) for one in runs if one.id in evaluations or one.command == COMMAND]
