"""What takes part in asking: models and prompts by step, and those models of which nobody knows the price."""

from __future__ import annotations

from collections.abc import Iterator

from ragctl.run.answering.context import Context
from ragctl.run.models.prices import is_known, price_of_settings


def models_of(context: Context) -> dict[str, str]:
    """The identity of the model of each step."""
    composition = context.composition
    found: dict[str, str] = {}
    if context.settings.query.mode != "lexical":
        found["query"] = composition.embedder.identity
    if composition.reranker is not None:
        found["rank"] = composition.reranker.identity
    return {**found, **{role: model.generator.identity for role, model in context.chat_models.items()}}


def prompts_of(context: Context) -> dict[str, str]:
    """The version of each prompt that a model may be sent, see `Prompt.version`."""
    names: list[str] = list(context.chat_models)
    if "rephrase" in names:
        names.append("stand_alone")
    if getattr(context.settings.answer, "per_version", False):
        names.append("combine")
    return {name: context.prompts[name].version for name in dict.fromkeys(names)}


def unpriced(context: Context) -> Iterator[tuple[str, str]]:
    """(model, its section in the spec) of each that would be asked, and of which no price is known."""
    composition, settings = context.composition, context.settings
    if settings.query.mode != "lexical" and composition.embedder.usd_per_million_tokens is None:
        yield composition.embed_settings.model, composition.choice.key
    if composition.reranker is not None and not is_known(price_of_settings(settings.rank), "reranker"):
        yield str(settings.rank.model), "ask.rank"
    for model in context.chat_models.values():
        if not model.priced:
            yield model.name, model.key
