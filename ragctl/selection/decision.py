"""The choice of one model among several, by criteria. docs/choosing-an-embedder.md has it as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ragctl.selection.checks import checks_without_gpu, gpu_check, notes_on
from ragctl.selection.terms import Check, Criteria, Facts, Option, Selection, Verdict

__all__ = ["Check", "Criteria", "Facts", "Option", "Selection", "Verdict", "select"]


def select(options: Sequence[Option], criteria: Criteria, facts: Facts) -> Selection:
    """Judges every option by every criterion and takes the best of those that meet them all.

    That is the cheapest, of equally cheap ones the fastest, of these the first in the spec. A price or speed
    that is not known comes last, and meets no criterion that asks for it. A GPU is used only where it is
    necessary: with `max_minutes`, if no option without one meets all criteria; else if none that is as cheap
    or cheaper does.
    """
    before = [tuple(checks_without_gpu(option, criteria, facts)) for option in options]
    without_gpu = [
        option for option, checks in zip(options, before, strict=True) if not option.use_gpu and _met(checks)
    ]
    verdicts = tuple(
        Verdict(option, (*checks, gpu_check(option, criteria, facts, without_gpu)), tuple(notes_on(option)))
        for option, checks in zip(options, before, strict=True)
    )
    ranked = sorted((one.option for one in verdicts if one.passes), key=_rank)
    if not ranked:
        failed = "; ".join(verdict.sentence for verdict in verdicts)
        return Selection(verdicts, None, f"no option meets the criteria: {failed}")
    gpu = "; no option without a GPU would do as well" if ranked[0].use_gpu and len(options) > 1 else ""
    return Selection(verdicts, ranked[0], f"{ranked[0].name} is chosen: {_why(ranked, len(options))}{gpu}")


def _met(checks: Sequence[Check]) -> bool:
    return all(check.outcome != "fail" for check in checks)


def _rank(option: Option) -> tuple[float, float, int]:
    return (*_merits(option), option.number)


def _merits(option: Option) -> tuple[float, float]:
    """Cheapest first, then fastest."""
    return option.dearest, -(option.tokens_per_second or -math.inf)


def _why(ranked: Sequence[Option], of: int) -> str:
    best = ranked[0]
    if of == 1:
        return "it is the only option, and meets the criteria"
    if len(ranked) == 1:
        return f"it is the only one of {of} options that meets the criteria"
    second, pool = ranked[1], f"of the {len(ranked)} options that meet the criteria"
    if best.dearest < second.dearest:
        return f"{pool} it is the cheapest ({_price(best)})"
    if _merits(best) < _merits(second):
        return f"{pool} it is as cheap as any ({_price(best)}) and the fastest ({_speed(best)})"
    return f"{pool} none is cheaper ({_price(best)}) or faster, and it stands first"


def _price(option: Option) -> str:
    if option.price is not None:
        return f"{option.price:g} USD per million tokens"
    return "its price is not known" if option.level is None else f"`cost: {option.level}`"


def _speed(option: Option) -> str:
    return f"{option.tokens_per_second:,.0f} tokens a second"
