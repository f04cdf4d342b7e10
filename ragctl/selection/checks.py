"""The criteria, one at a time: does an option meet it, and by which number?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragctl.selection.cost_levels import is_within, level_of
from ragctl.selection.privacy import place_of
from ragctl.selection.terms import Check, CheckName, Criteria, Facts, Option


def checks_without_gpu(option: Option, criteria: Criteria, facts: Facts) -> Iterator[Check]:
    """Every criterion but the GPU's, in the order in which they are shown."""
    yield _privacy(option, criteria, facts)
    yield _cost(option, criteria)
    yield _max_cost(option, criteria, facts)
    yield _min_quality(option, criteria)
    yield _max_minutes(option, criteria, facts)


def gpu_check(option: Option, criteria: Criteria, facts: Facts, others: Sequence[Option]) -> Check:
    """A GPU is used only if there is one, if it may be, and if it is necessary.

    Args:
        others: options that need no GPU and meet every other criterion.
    """
    if not option.use_gpu:
        return Check("gpu", "not asked", "needs none")
    if not facts.gpu:
        return Check("gpu", "fail", "there is none" + (f": {facts.gpu_reason}" if facts.gpu_reason else ""))
    if not criteria.use_gpu_if_necessary:
        return Check("gpu", "fail", "use_gpu_if_necessary is false")
    if criteria.max_minutes is None:
        others = [one for one in others if one.dearest <= option.dearest]
        enough = "is no dearer and needs none"
    else:
        enough = f"takes no more than {criteria.max_minutes:g} minutes without one"
    if others:
        return Check("gpu", "fail", f"is not necessary: {others[0].name} {enough}")
    return Check("gpu", "pass", "is necessary" + (f": {facts.gpu_reason}" if facts.gpu_reason else ""))


def notes_on(option: Option) -> Iterator[str]:
    """What the spec says of an option that does not agree with what is known."""
    known = option.usd_per_million_tokens
    if known is None or option.cost is None:
        return
    if isinstance(option.cost, str):
        if option.cost != level_of(known):
            yield f"the spec says `cost: {option.cost}`, and {_usd(known)} is {level_of(known)}"
    elif option.cost != known:
        yield f"the spec says {_usd(option.cost)}, and the known price is {_usd(known)}"


def _privacy(option: Option, criteria: Criteria, facts: Facts) -> Check:
    place = place_of(option.endpoint, criteria.allowed_hosts)
    where = {
        "process": "stays in this process",
        "loopback": f"stays on this machine ({option.endpoint})",
        "allowed": f"goes to {option.endpoint}, which is in allowed_hosts",
        "other": f"goes to {option.endpoint}",
    }[place]
    if not (criteria.privacy_sensitive or facts.sensitive_text):
        return Check("privacy", "not asked", where)
    if place == "other":
        return Check("privacy", "fail", f"{where}, which is not in allowed_hosts")
    return Check("privacy", "pass", where)


def _cost(option: Option, criteria: Criteria) -> Check:
    threshold, text = criteria.cost_threshold, _cost_text(option)
    if threshold is None:
        return Check("cost", "not asked", text)
    if isinstance(threshold, str):
        met = option.level is not None and is_within(option.level, threshold)
        return _judged("cost", met, text, threshold)
    return _judged("cost", option.dearest <= threshold, text, _usd(threshold))


def _max_cost(option: Option, criteria: Criteria, facts: Facts) -> Check:
    limit = criteria.max_cost_usd
    if option.price == 0:
        return Check("max_cost_usd", "not asked" if limit is None else "pass", "costs nothing")
    if option.price is None or facts.tokens is None:
        missing = "the price" if option.price is None else "the number of tokens"
        return Check("max_cost_usd", "not asked" if limit is None else "fail", f"{missing} is not known")
    cost = option.price * facts.tokens / 1e6
    text = f"{_money(cost)} for {facts.tokens:,} tokens"
    if limit is None:
        return Check("max_cost_usd", "not asked", text)
    return _judged("max_cost_usd", cost <= limit, text, _money(limit))


def _min_quality(option: Option, criteria: Criteria) -> Check:
    text = "is not known" if option.quality is None else f"{option.quality:g}"
    if criteria.min_quality is None:
        return Check("min_quality", "not asked", text)
    met = option.quality is not None and option.quality >= criteria.min_quality
    return Check("min_quality", "pass" if met else "fail", f"{text}; at least {criteria.min_quality:g}")


def _max_minutes(option: Option, criteria: Criteria, facts: Facts) -> Check:
    limit = criteria.max_minutes
    if not option.tokens_per_second or facts.tokens is None:
        missing = "the number of tokens" if option.tokens_per_second else "its speed"
        return Check("max_minutes", "not asked" if limit is None else "fail", f"{missing} is not known")
    minutes = facts.tokens / option.tokens_per_second / 60
    source = f", {option.rate_source}" if option.rate_source else ""
    text = f"{minutes:.3g} minutes at {option.tokens_per_second:,.0f} tokens a second{source}"
    if limit is None:
        return Check("max_minutes", "not asked", text)
    return _judged("max_minutes", minutes <= limit, text, f"{limit:g} minutes")


def _judged(name: CheckName, met: bool, text: str, limit: str) -> Check:
    return Check(name, "pass" if met else "fail", f"{text}; at most {limit}")


def _cost_text(option: Option) -> str:
    """`0.02 USD per million tokens (low)`, with the level where the spec gives one."""
    if option.price is None:
        return "the price is not known" if option.level is None else f"{option.level}, as the spec says"
    return (
        f"{_usd(option.price)} ({option.level}{', as the spec says' if isinstance(option.cost, str) else ''})"
    )


def _usd(price: float) -> str:
    return f"{price:g} USD per million tokens"


def _money(amount: float) -> str:
    """Cents where they say something, and more places where they do not."""
    return f"{amount:,.2f} USD" if amount >= 0.1 or amount == 0 else f"{amount:.2g} USD"
