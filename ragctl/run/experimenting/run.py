"""All variants of an experiment: ingests one after the other, questions beside one another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from ragctl.errors import RagctlError
from ragctl.evaluate.experiment_matrix import Variant
from ragctl.run.experimenting.plan import Experiment
from ragctl.run.experimenting.variant_runs import (
    Ingested,
    VariantOptions,
    VariantOutcome,
    failed_variant,
    ingest_variant,
    measure_variant,
)
from ragctl.run.progress import Progress


class Told(Protocol):
    """Is told what goes on, from several threads."""

    def ingesting(self, variant: str) -> Progress: ...

    def asking(self, variant: str, done: int) -> None: ...

    def ended(self, outcome: VariantOutcome) -> None: ...


def run_experiment(
    experiment: Experiment,
    options: VariantOptions,
    told: Told,
    *,
    parallel: int = 1,
    stop: Callable[[], bool] = lambda: False,
) -> list[VariantOutcome]:
    """Runs every variant; one that fails stops no other.

    Variants are ingested one after the other, in order, and each kind of index once. With `parallel` above 1
    the questions of as many variants are asked at the same time, beside the next ingest; their latencies
    grow with it.

    Args:
        options: `max_cost_usd` is for all ingests and all questions together. With it no two variants
            spend at the same time, or each might spend what is left; `parallel` does nothing then.

    Raises:
        KeyboardInterrupt: `stop` said so; what is under way has been given up or finished.
    """
    return _ExperimentRun(experiment, options, told, parallel, stop).run()


class _ExperimentRun:
    def __init__(
        self,
        experiment: Experiment,
        options: VariantOptions,
        told: Told,
        parallel: int,
        stop: Callable[[], bool],
    ) -> None:
        self._experiment, self._options, self._told = experiment, options, told
        self._parallel, self._stop = parallel, stop
        self._ready: dict[str, Ingested] = {}
        self._spent = 0.0

    def run(self) -> list[VariantOutcome]:
        if self._parallel <= 1 or self._options.max_cost_usd is not None:
            return [self._one(variant) for variant in self._experiment.variants]
        waiting: list[Future[VariantOutcome]] = []
        pool = ThreadPoolExecutor(self._parallel, thread_name_prefix="variant")
        try:
            for variant in self._experiment.variants:
                ingested = self._ingested(variant)
                waiting.append(pool.submit(self._measured, variant, ingested))
            return [one.result() for one in waiting]
        finally:
            pool.shutdown(cancel_futures=True)

    def _one(self, variant: Variant) -> VariantOutcome:
        return self._measured(variant, self._ingested(variant))

    def _ingested(self, variant: Variant) -> Ingested | RagctlError:
        """Of a variant whose index is another's too, the generation alone: the counts are that one's."""
        if self._stop():
            raise KeyboardInterrupt
        try:
            made_of = self._made_of(variant)
            if made_of in self._ready:
                return Ingested(self._ready[made_of].generation)
            progress = self._told.ingesting(variant.name)
            ingested = ingest_variant(
                self._experiment, variant, self._within_budget(), progress=progress, stop=self._stop
            )
        except RagctlError as error:
            return error
        self._spent += ingested.cost_usd
        self._ready[made_of] = ingested
        return ingested

    def _measured(self, variant: Variant, ingested: Ingested | RagctlError) -> VariantOutcome:
        if isinstance(ingested, RagctlError):
            outcome = failed_variant(self._experiment, variant, ingested)
        else:
            try:
                outcome = measure_variant(
                    self._experiment,
                    variant,
                    ingested,
                    self._within_budget(),
                    stop=self._stop,
                    on_question=lambda done: self._told.asking(variant.name, done),
                )
                self._spent += outcome.cost_usd if outcome.status == "done" else 0.0
            except RagctlError as error:
                outcome = failed_variant(self._experiment, variant, error)
        self._told.ended(outcome)
        return outcome

    def _within_budget(self) -> VariantOptions:
        if self._options.max_cost_usd is None:
            return self._options
        return replace(self._options, max_cost_usd=max(self._options.max_cost_usd - self._spent, 0.0))

    def _made_of(self, variant: Variant) -> str:
        """Equal for variants that differ in how they are asked alone."""
        spec = self._experiment.spec_of(variant).spec.model_dump_json(include={"extract", "chunk", "embed"})
        return str(spec)
