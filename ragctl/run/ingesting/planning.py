"""plan: what an ingest would do and cost, shown before it is done, and held to afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.errors import PlanOvertaken, UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.ingesting.draft import Draft, make_draft
from ragctl.run.ingesting.estimate import Estimate, Estimator
from ragctl.run.ingesting.ignored_failures import IgnoredFailures
from ragctl.run.models.locking import guard_lock
from ragctl.run.models.privacy import PrivacyGate
from ragctl.run.models.selection_report import SelectionReport, report_selection
from ragctl.run.progress import Progress, Silent
from ragctl.state.generations import Generations
from ragctl.state.runs import Runs
from ragctl.types import Failure, Item, ItemKey

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

SCHEMA_VERSION = 1
DIFFERENCES_NAMED = 5


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What an ingest would do.

    Attributes:
        generation: number of the generation that would be written to; None: a new one.
        cost_usd: of the tokens to embed; None where the price is not known.
        seconds: at the rate of the latest run that embedded with this model; None if none has.
        listing: action and fingerprint of every item that would be touched.
        allow_delete, retry_failed: as the plan was made with; an ingest of it uses them.
        ignored: is this failure one that does not count?
        selection: with `provider: auto`, how the embedder was chosen.
    """

    pipeline: str
    index: str
    recipe: str
    spec_digest: str
    overrides: tuple[str, ...]
    generation: int | None
    estimate: Estimate
    cost_usd: float | None
    seconds: float | None
    listing: Mapping[str, list[str]]
    allow_delete: int | None = None
    retry_failed: bool = False
    ignored: Callable[[Failure], bool] = lambda failure: False
    selection: SelectionReport | None = None

    @property
    def changes(self) -> bool:
        """Is there anything to do?"""
        total = self.estimate.total
        return self.generation is None or bool(total("add") + total("change") + total("delete"))

    def as_json(self) -> dict[str, Any]:
        """The document of `ragctl plan --format json` and of `--out`; `ingest --plan` reads it."""
        names = list(next(iter(self.estimate.sources.values())).__dataclass_fields__)
        return {
            "schema_version": SCHEMA_VERSION,
            "pipeline": self.pipeline,
            "index": self.index,
            "recipe": self.recipe,
            "spec_digest": self.spec_digest,
            "overrides": list(self.overrides),
            "generation": self.generation,
            "changes": self.changes,
            "total": {
                **{name: self.estimate.total(name) for name in names},
                "cost_usd": self.cost_usd,
                "seconds": self.seconds,
            },
            "sources": {name: asdict(one) for name, one in self.estimate.sources.items()},
            "documents": [asdict(one) for one in self.estimate.documents],
            "failures": [{**asdict(one), "ignored": self.ignored(one)} for one in self.estimate.failures],
            "allow_delete": self.allow_delete,
            "retry_failed": self.retry_failed,
            "listing": dict(self.listing),
            "selection": self.selection.as_json() if self.selection is not None else None,
        }


def plan(
    loaded: LoadedSpec,
    *,
    allow_delete: int | None = None,
    retry_failed: bool = False,
    relock: bool = False,
    reselect: bool = False,
    progress: Progress | None = None,
) -> PlanReport:
    """What `ingest` with the same arguments would do. Writes nothing but the extracted texts it keeps.

    Raises:
        GuardRefused: the ingest would be refused.
        LockBroken, LockDrift: so would it be for its lock; not with `relock`.
        Mismatch, Unavailable: see there.
    """
    with Composition(loaded, reselect=reselect) as composition, database_errors():
        PrivacyGate(composition).sources(composition.embedder)
        guard_lock(composition, relock=relock)
        generations = Generations(composition.connect(), composition.index)
        draft = make_draft(composition, generations, allow_delete=allow_delete, retry_failed=retry_failed)
        report = report_on(composition, draft, progress or Silent())
        return replace(report, allow_delete=allow_delete, retry_failed=retry_failed)


def report_on(composition: Composition, draft: Draft, progress: Progress) -> PlanReport:
    """The report on a draft; extracts and chunks what it would read."""
    if draft.plan.to_read:
        progress.start(len(draft.plan.to_read), "documents")
    estimate = Estimator(composition, draft, advance=progress.advance).estimate()
    if draft.plan.to_read:
        progress.done()
    tokens = estimate.total("tokens")
    target = draft.target.existing
    return PlanReport(
        pipeline=composition.spec.name,
        index=composition.index,
        recipe=composition.recipe.digest,
        spec_digest=composition.loaded.digest,
        overrides=composition.loaded.overrides,
        generation=target.number if target else None,
        estimate=estimate,
        cost_usd=cost_usd(composition, tokens),
        seconds=_seconds(composition, tokens),
        listing=listing_of(draft),
        ignored=IgnoredFailures(composition.spec.ignore),
        selection=report_selection(composition, count=True, tokens=_counted(draft, estimate)),
    )


def _counted(draft: Draft, estimate: Estimate) -> int | None:
    """The tokens of the whole corpus, where all of it was counted: nothing is stored or known yet."""
    whole = not draft.stored and estimate.total("embed") == estimate.total("chunks") > 0
    return estimate.total("tokens") if whole else None


def listing_of(draft: Draft) -> dict[str, list[str]]:
    """`source:path` → action and fingerprint, of every item that an ingest of this draft would touch."""
    add = {_name((item.source, item.path)): ["add", item.fingerprint] for item in draft.plan.add}
    change = {_name((item.source, item.path)): ["change", item.fingerprint] for item in draft.plan.change}
    gone = {key for keys in draft.gone.values() for key in keys}
    return add | change | {_name(key): ["delete", ""] for key in sorted(gone)}


def _name(key: ItemKey) -> str:
    return f"{key[0]}:{key[1]}"


def cost_usd(composition: Composition, tokens: int) -> float | None:
    """Of embedding so many tokens; None where the price is not known."""
    price = composition.embedder.usd_per_million_tokens
    return 0.0 if not tokens else None if price is None else price * tokens / 1_000_000


def _seconds(composition: Composition, tokens: int) -> float | None:
    if not tokens:
        return 0.0
    rate = Runs(composition.connect(), composition.index).tokens_per_second(composition.embedder.identity)
    return round(tokens / rate, 1) if rate else None


@dataclass(frozen=True, slots=True)
class AgreedPlan:
    """A plan that was written to a file, to be carried out exactly or not at all."""

    path: Path
    content: Mapping[str, Any]

    @property
    def allow_delete(self) -> int | None:
        value: int | None = self.content["allow_delete"]
        return value

    @property
    def retry_failed(self) -> bool:
        return bool(self.content["retry_failed"])

    def check(self, composition: Composition, draft: Draft) -> None:
        """Sees that an ingest would do now what the plan says.

        Raises:
            PlanOvertaken: naming what is different.
        """
        target = draft.target.existing
        now = {
            "pipeline": composition.spec.name,
            "index": composition.index,
            "recipe": composition.recipe.digest,
            "spec_digest": composition.loaded.digest,
            "overrides": list(composition.loaded.overrides),
            "generation": target.number if target else None,
        }
        moved = [f"{key}: planned {self.content[key]!r}, is {value!r}" for key, value in now.items()
                 if self.content[key] != value]  # fmt: skip
        moved += _differences(self.content["listing"], listing_of(draft))
        if moved:
            more = len(moved) - DIFFERENCES_NAMED
            named = "; ".join(moved[:DIFFERENCES_NAMED]) + (f"; and {more:,} more" if more > 0 else "")
            raise PlanOvertaken(
                f"the world has moved since the plan was made; nothing was written: {named}",
                where=str(self.path),
                hint="make a new plan: ragctl plan SPEC --out FILE",
            )

    def holds(self, item: Item, digest: str) -> bool:
        """Are the item's bytes those that were planned?"""
        planned = self.content["digests"].get(_name((item.source, item.path)))
        return planned is None or planned == digest


def _differences(planned: Mapping[str, list[str]], now: Mapping[str, list[str]]) -> list[str]:
    found = []
    for name in sorted(planned.keys() | now.keys()):
        before, after = planned.get(name), now.get(name)
        if before is None and after is not None:
            found.append(f"{name} would be {_past(after[0])} and is not in the plan")
        elif after is None and before is not None:
            found.append(f"{name} was to be {_past(before[0])} and needs nothing")
        elif before != after:
            found.append(f"{name} has changed since")
    return found


def _past(action: str) -> str:
    return {"add": "added", "change": "changed", "delete": "deleted"}[action]


def write_plan(report: PlanReport, path: Path) -> None:
    """Writes the plan for `read_plan`.

    Raises:
        UsageError: the file cannot be written.
    """
    digests = {_name(key): digest for key, digest in report.estimate.digests.items()}
    content = {**report.as_json(), "digests": digests}
    try:
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the plan: {error.strerror}", where=str(path)) from error


def read_plan(path: Path) -> AgreedPlan:
    """A plan as `write_plan` wrote it.

    Raises:
        UsageError: the file cannot be read, or is no plan.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the plan: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        raise UsageError(f"this is no plan: {error}", where=str(path)) from error
    needed: dict[str, Callable[[Any], bool]] = {
        "listing": lambda value: isinstance(value, dict),
        "digests": lambda value: isinstance(value, dict),
        **dict.fromkeys(("pipeline", "index", "recipe", "spec_digest"), lambda value: isinstance(value, str)),
        "overrides": lambda value: isinstance(value, list),
        **dict.fromkeys(
            ("generation", "allow_delete"), lambda value: value is None or isinstance(value, int)
        ),
        "retry_failed": lambda value: isinstance(value, bool),
        "schema_version": lambda value: value == SCHEMA_VERSION,
    }
    if not isinstance(content, dict) or not all(
        key in content and fits(content[key]) for key, fits in needed.items()
    ):
        raise UsageError(
            "this is no plan that this ragctl can read",
            where=str(path),
            hint="ragctl plan SPEC --out FILE writes one",
        )
    return AgreedPlan(path, content)
