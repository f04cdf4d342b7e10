"""Questions as a run: what is kept of it in the index's record of runs, and what it may cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ragctl.errors import OverBudget, PrivacyRefused, UsageError
from ragctl.run.answering.asked import AskResult, Unanswered
from ragctl.run.database_errors import database_errors
from ragctl.run.run_record import error_of, record_at_start
from ragctl.run.usage import total_usage, usage_json
from ragctl.state.asking import close_dead, hold, may_be_recorded, release
from ragctl.state.runs import Runs, new_run_id
from ragctl.state.spending import close_budget
from ragctl.types import Failure, Usage

if TYPE_CHECKING:
    from ragctl.run.answering.asker import AnyAsker
    from ragctl.run.composition import Composition

MOST_FAILURES = 100
"""Failures that are kept by number and reason; `counts` has how many there were."""
_STEPS = ("rephrase", "query", "dedupe", "rank", "verify", "answer")


class AskRun:
    """A record from the first question to the last, which is closed whatever happens in between.

    Beside those of every run (`record_at_start`), its keys are `generation`, `models` and `prompts` by step,
    `counts`, `failures`, `usage`, `seconds`, `timings` (of all questions, by step), and where something is
    paid for `spending`. No question gets in, and no answer.

    Args:
        asked: the numbers, from 1, of the questions that are asked; None: it is a conversation, and nobody
            knows how many.
        before: how many others have their results already.
        max_cost_usd: the most that models may cost; None: any amount.

    Attributes:
        id: its name.
        command: what the record calls it, one of those that `state.asking` knows.
        failed, refused: questions that failed; those of them that are sensitive and went nowhere.
    """

    command = "ask"

    def __init__(
        self,
        composition: Composition,
        asker: AnyAsker,
        *,
        asked: Sequence[int] | None,
        before: int = 0,
        max_cost_usd: float | None = None,
    ) -> None:
        self._composition, self._asker = composition, asker
        self._numbers, self._before = asked, before
        self._max_cost_usd = max_cost_usd
        self.id = new_run_id()
        self.failed = self.refused = 0
        self._asked = 0
        self._statuses: Counter[str] = Counter()
        self._failures: list[Failure] = []
        self._usage: dict[str, Usage] = {}
        self._tokens = 0
        self._took: dict[str, float] = {}
        self._start: dict[str, Any] = {}
        self._recorded = True
        self._begun = time.perf_counter()

    def __enter__(self) -> Self:
        """
        Raises:
            OverBudget: there is a limit, and the price of a model is not known.
            UsageError: there is a limit, and the database role may not write.
            RagctlError: see `Asker.prepare`.
        """
        self._asker.prepare()
        if self._max_cost_usd is not None:
            self._refuse_unknown_prices()
        composition = self._composition
        with database_errors():
            connection = composition.connect()
            self._recorded = may_be_recorded(connection)
            if not self._recorded:
                self._go_on_without_record()
                return self
            runs = Runs(connection, composition.index)
            close_dead(connection, runs)
            self._start = {
                **record_at_start(composition, connection),
                **self._asker.record,
            }
            hold(connection, self.id)
            runs.start(self.id, pipeline=composition.spec.name, command=self.command, record=self._start)
            composition.budget.open(self.id, self._max_cost_usd)
        return self

    def _go_on_without_record(self) -> None:
        if self._max_cost_usd is not None:
            raise UsageError(
                "the database role may only read, so nothing can be kept of what is spent",
                where=self._composition.loaded.where("store.dsn_env"),
                hint="ask without --max-cost, or by a role that may write",
            )
        self._composition.tell("the database role may only read: no record of this run is kept")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._recorded:
            return
        with database_errors():
            connection = self._composition.connect()
            spent = close_budget(connection, self.id)
            record = {
                **self._record(),
                **self.more_record(),
                **({"spending": asdict(spent)} if spent is not None and self._is_paid else {}),
            }
            found = error_of(error, interrupted=False)
            if found is not None:
                record["error"] = found
            runs = Runs(connection, self._composition.index)
            runs.finish(self.id, _status(error), record)
            release(connection, self.id)

    def more_record(self) -> dict[str, Any]:
        """What another kind of run adds to its record when it ends."""
        return {}

    def counting(self, results: Iterable[AskResult | Unanswered]) -> Iterator[AskResult | Unanswered]:
        """The results, each counted as it passes."""
        for result in results:
            self.count(result)
            yield result

    def count(self, result: AskResult | Unanswered) -> None:
        """One more result."""
        self._asked += 1
        if isinstance(result, Unanswered):
            self._count_failure(result)
        else:
            self._count_answer(result)

    def refuse_if_all_were(self) -> None:
        """
        Raises:
            PrivacyRefused: every question was refused as sensitive.
        """
        if self._asked and self.refused == self._asked and not self._before:
            first = self._failures[0]
            raise PrivacyRefused(f"all of {self._asked:,} questions were refused; the first: {first.message}")

    def _count_answer(self, result: AskResult) -> None:
        self._statuses[result.status] += 1
        self._tokens += result.usage.tokens
        self._add(result.stages)
        for step in _STEPS:
            self._took[step] = self._took.get(step, 0.0) + result.timings.get(f"{step}_ms", 0.0)

    def _count_failure(self, result: Unanswered) -> None:
        self.failed += 1
        self._add(result.stages)
        error = result.error
        self.refused += isinstance(error, PrivacyRefused)
        if len(self._failures) < MOST_FAILURES:
            number = str(self._asked if self._numbers is None else self._numbers[self._asked - 1])
            self._failures.append(
                Failure("questions", number, self.command, error.kind, error.message, error.may_pass)
            )

    def _add(self, stages: Mapping[str, Usage]) -> None:
        for stage, usage in stages.items():
            self._usage[stage] = self._usage.get(stage, Usage()) + usage

    def _record(self) -> dict[str, Any]:
        total = total_usage(self._usage)
        known = self._asked if self._numbers is None else len(self._numbers)
        counts = {
            "questions": self._before + known,
            "before": self._before,
            "asked": self._asked,
            "failed": self.failed,
            **self._statuses,
        }
        return {
            **self._start,
            "counts": {name: count for name, count in counts.items() if count or name == "questions"},
            "failures": [asdict(one) for one in self._failures],
            "usage": usage_json(self._usage, tokens=self._tokens, cost_usd=total.cost_usd),
            "seconds": round(time.perf_counter() - self._begun, 3),
            "timings": {step: round(ms / 1000, 3) for step, ms in self._took.items() if ms},
        }

    @property
    def _is_paid(self) -> bool:
        cost = total_usage(self._usage).cost_usd
        return self._max_cost_usd is not None or cost is None or cost > 0

    def _refuse_unknown_prices(self) -> None:
        for model, key in self._asker.unpriced:
            raise OverBudget(
                f"the price of {model} is not known, so --max-cost cannot be kept; nothing was asked",
                where=self._composition.loaded.where(key),
                hint=f"{key} in the spec takes it: usd_per_million_tokens, and of a chat model "
                "usd_per_million_output_tokens (0: it costs nothing)",
            )


def _status(error: BaseException | None) -> str:
    if error is None:
        return "done"
    return "interrupted" if isinstance(error, KeyboardInterrupt | GeneratorExit | SystemExit) else "failed"
