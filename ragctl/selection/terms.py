"""The words of a choice: what there is to choose from, what is asked, what is known, what came of it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ragctl.selection.cost_levels import UP_TO, CostLevel, level_of

Outcome = Literal["pass", "fail", "not asked"]
CheckName = Literal["privacy", "cost", "max_cost_usd", "min_quality", "max_minutes", "gpu"]


@dataclass(frozen=True, slots=True)
class Option:
    """A model to choose.

    Attributes:
        number: its place in the spec, from 0.
        use_gpu: it needs a GPU.
        cost: what the spec says of its cost: a level, or US dollars per million tokens; None if nothing.
        endpoint: host that text is sent to; None for a model in this process.
        usd_per_million_tokens: the price that ragctl knows or was told; None if it is not known, 0 if free.
        tokens_per_second: at which it embeds, measured or assumed; None if nobody can say.
        rate_source: where that is from.
        dim: dimensions of its vectors.
        max_tokens: the most that it reads.
        quality: from an evaluation, 0 to 1.
    """

    number: int
    provider: str
    model: str
    use_gpu: bool = False
    cost: CostLevel | float | None = None
    endpoint: str | None = None
    usd_per_million_tokens: float | None = None
    tokens_per_second: float | None = None
    rate_source: str = ""
    dim: int | None = None
    max_tokens: int | None = None
    quality: float | None = None

    @property
    def name(self) -> str:
        """For people: `openai text-embedding-3-small`."""
        return f"{self.provider} {self.model}" + (" on a GPU" if self.use_gpu else "")

    @property
    def price(self) -> float | None:
        """US dollars per million tokens: a number in the spec comes before the one that is known."""
        return self.usd_per_million_tokens if self.cost is None or isinstance(self.cost, str) else self.cost

    @property
    def level(self) -> CostLevel | None:
        """A level that the spec gives counts as given; else that of the price; None if neither is known."""
        if isinstance(self.cost, str):
            return self.cost
        return None if self.price is None else level_of(self.price)

    @property
    def dearest(self) -> float:
        """What to compare prices by: the price, else the highest one of the level, else infinite."""
        if self.price is not None:
            return self.price
        return math.inf if self.level is None else UP_TO[self.level]


@dataclass(frozen=True, slots=True)
class Criteria:
    """`selection_criteria` of the spec; None is not asked."""

    cost_threshold: CostLevel | float | None = None
    use_gpu_if_necessary: bool = True
    privacy_sensitive: bool = False
    max_cost_usd: float | None = None
    max_minutes: float | None = None
    min_quality: float | None = None
    allowed_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the work and of this machine.

    Attributes:
        tokens: that would be embedded, by an estimate; None if there is none, as of a chat model.
        gpu: a GPU can be used here.
        gpu_reason: which one it is, or why there is none.
        sensitive_text: some source or document is sensitive, whatever `privacy_sensitive` says.
    """

    tokens: int | None = None
    gpu: bool = False
    gpu_reason: str = ""
    sensitive_text: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion on one option; `text` has the number that it was judged by."""

    name: CheckName
    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All criteria on one option; `notes` says what is odd about it."""

    option: Option
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        return all(check.outcome != "fail" for check in self.checks)

    @property
    def sentence(self) -> str:
        """Whether it meets the criteria, and what it fails."""
        failed = [f"{check.name} ({check.text})" for check in self.checks if check.outcome == "fail"]
        return f"{self.option.name} " + (f"fails {', '.join(failed)}" if failed else "meets the criteria")


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen, None if nothing passes, and why, in one sentence."""

    verdicts: tuple[Verdict, ...]
    chosen: Option | None
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """JSON values. Numbers that are not known are null."""
        return {
            "chosen": None if self.chosen is None else self.chosen.number,
            "sentence": self.sentence,
            "options": [
                {
                    **asdict(verdict.option),
                    "price": verdict.option.price,
                    "level": verdict.option.level,
                    "passes": verdict.passes,
                    "checks": [asdict(check) for check in verdict.checks],
                    "notes": list(verdict.notes),
                }
                for verdict in self.verdicts
            ],
        }
