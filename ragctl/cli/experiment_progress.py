"""What `ragctl experiment run` tells on stderr while it goes on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ragctl.cli.output import one_line, talk

if TYPE_CHECKING:
    from ragctl.run.experimenting.plan import Experiment
    from ragctl.run.experimenting.variant_runs import VariantOutcome
    from ragctl.run.progress import Progress

INTERVAL_S = 5.0


class ExperimentProgress:
    """A line for each step; now and then one for the questions that have been asked."""

    def __init__(self, experiment: Experiment, progress: Progress) -> None:
        self._progress = progress
        self._numbers = {one.name: number for number, one in enumerate(experiment.variants, start=1)}
        self._questions = len(experiment.questions.questions)
        self._lock = threading.Lock()
        self._last = time.monotonic()

    def ingesting(self, variant: str) -> Progress:
        """What its ingest tells of itself."""
        talk(f"{self._head(variant)}: ingesting")
        return self._progress

    def asking(self, variant: str, done: int) -> None:
        """So many of its questions have been asked."""
        with self._lock:
            if time.monotonic() - self._last < INTERVAL_S:
                return
            self._last = time.monotonic()
        talk(f"{self._head(variant)}: {done:,} of {self._questions:,} questions")

    def ended(self, outcome: VariantOutcome) -> None:
        """The variant is done, or has failed."""
        if outcome.error is not None:
            talk(f"{self._head(outcome.name)}: failed: {one_line(str(outcome.error.get('message')))}")
            return
        metric = next(iter(outcome.metrics.items()), None)
        figure = "" if metric is None else f": {metric[0]} {metric[1]:.4f}"
        before = " (done before)" if outcome.status == "found" else ""
        talk(f"{self._head(outcome.name)}{figure}{before}")

    def _head(self, variant: str) -> str:
        return f"[{self._numbers[variant]}/{len(self._numbers)}] {variant}"
