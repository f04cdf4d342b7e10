"""What a model puts before questions and passages: the prompts of `config_sentence_transformers.json`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ragctl.errors import UsageError
from ragctl.providers.local.json_files import read_object

SENTENCE_SETTINGS = "config_sentence_transformers.json"
_QUERY = ("query",)
_PASSAGE = ("document", "passage", "corpus")


class Prompts(NamedTuple):
    """Texts that stand before every question and every passage."""

    query: str
    passage: str


def prompts_of(folder: Path, *, query: str | None = None, passage: str | None = None) -> Prompts:
    """The model's own prompts, or those given.

    The first one under the known names that is not empty; the default prompt where a model has none of the
    names, for that a prompt is empty is said on purpose.

    Args:
        query, passage: instead of the model's own; None: those.

    Raises:
        UsageError: the file makes no sense.
    """
    config = read_object(folder / SENTENCE_SETTINGS, missing={})
    found = config.get("prompts") or {}
    if not isinstance(found, dict):
        raise UsageError("the model's prompts are no JSON object", where=str(folder))
    texts = {str(name): text for name, text in found.items() if isinstance(text, str)}
    default = texts.get(str(config.get("default_prompt_name")), "")

    def first(names: tuple[str, ...]) -> str:
        named = [texts[name] for name in names if name in texts]
        return next((text for text in named if text), "") if named else default

    return Prompts(first(_QUERY) if query is None else query, first(_PASSAGE) if passage is None else passage)
