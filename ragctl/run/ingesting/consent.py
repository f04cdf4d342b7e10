"""Nothing is spent before it is shown: who has agreed to what an ingest will cost."""

from __future__ import annotations

from collections.abc import Callable

from ragctl.errors import OverBudget
from ragctl.run.composition import Composition
from ragctl.run.ingesting.draft import Draft
from ragctl.run.ingesting.planning import PlanReport, report_on
from ragctl.run.progress import Progress

Agree = Callable[[PlanReport], bool]
"""Shown what an ingest would do; says whether it may."""


def guard_cost(
    composition: Composition,
    draft: Draft,
    *,
    max_cost_usd: float | None,
    agreed: bool,
    agree: Agree | None,
    progress: Progress,
) -> None:
    """Sees that somebody has agreed to the cost, before anything is written.

    A model that costs nothing needs nobody's consent. With a limit nothing is counted beforehand: each
    request is reserved from it. Only a price that is not known cannot be held to one.

    Args:
        agreed: somebody has, whatever it costs.
        agree: asked otherwise.

    Raises:
        OverBudget: nobody has; or there is a limit, and the price is not known.
    """
    price = composition.embedder.usd_per_million_tokens
    if price == 0 or agreed or (max_cost_usd is not None and price is not None):
        return
    report = report_on(composition, draft, progress)
    if report.cost_usd == 0:
        return
    if max_cost_usd is not None:
        key = _price_key(composition)
        raise OverBudget(
            f"the price of {composition.embed_settings.model} is not known, so --max-cost cannot be kept; "
            "nothing was written",
            where=composition.loaded.where(key),
            hint=f"{key} in the spec names it (0: it costs nothing)",
        )
    if agree is None or not agree(report):
        raise _not_agreed(composition, report, asked=agree is not None)


def _not_agreed(composition: Composition, report: PlanReport, *, asked: bool) -> OverBudget:
    tokens = f"{report.estimate.total('tokens'):,} tokens by {composition.embed_settings.model}"
    cost = "an amount that is not known" if report.cost_usd is None else f"${report.cost_usd:,.4f}"
    nobody = "and that was not agreed to" if asked else "and nobody was there to agree to it"
    options = "--yes agrees to it, --max-cost USD limits it"
    plan = composition.command("plan", "--out", "FILE")
    known = (
        ""
        if report.cost_usd is not None
        else f"; {composition.choice.key}.usd_per_million_tokens names a price"
    )
    return OverBudget(
        f"embedding {tokens} costs {cost}, {nobody}; nothing was written",
        where=str(composition.loaded.path),
        hint=f"{options}; {plan} shows it, and ingest --plan FILE does it{known}",
    )


def _price_key(composition: Composition) -> str:
    return f"{composition.choice.key}.usd_per_million_tokens"
