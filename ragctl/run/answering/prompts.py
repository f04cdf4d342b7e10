"""The prompts of a spec: ragctl's own, or those of its files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING

from ragctl.errors import SpecError
from ragctl.run.answering.chat_choice import section_at
from ragctl.spec.prompt_files import read_prompt
from ragctl.stages.answer import ANSWER_PLACES, COMBINE_PLACES
from ragctl.stages.grade import GRADE_PLACES
from ragctl.stages.prompt import Prompt
from ragctl.stages.rephrase import REPHRASE_PLACES, STAND_ALONE_PLACES
from ragctl.stages.verify import VERIFY_PLACES

if TYPE_CHECKING:
    from ragctl.run.composition import Composition

_PLACES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "rephrase": ("ask.rephrase", "prompt", REPHRASE_PLACES),
    "stand_alone": ("ask.rephrase", "stand_alone_prompt", STAND_ALONE_PLACES),
    "grade": ("ask.rank", "prompt", GRADE_PLACES),
    "verify": ("ask.verify", "prompt", VERIFY_PLACES),
    "answer": ("ask.answer", "prompt", ANSWER_PLACES),
    "combine": ("ask.answer", "combine_prompt", COMBINE_PLACES),
}
"""Name → section, its key, and the places that the prompt must have."""


def load_prompts(composition: Composition) -> Mapping[str, Prompt]:
    """Every prompt, by its name; ragctl's own where the spec names no file.

    Raises:
        SpecError: a file cannot be read, or is no such prompt; every mistake with its place.
    """
    made: dict[str, Prompt] = {}
    mistakes: list[str] = []
    for name, (key, setting, places) in _PLACES.items():
        file = getattr(section_at(composition, key), setting, None)
        if file is None:
            made[name] = own_prompt(name, places)
            continue
        try:
            made[name] = Prompt.parse(read_prompt(composition.loaded, file), places=places)
        except ValueError as error:
            where = f"{key}.{setting}"
            mistakes.append(f"{composition.loaded.where(where)}: {where}: {file}: {error}")
    if mistakes:
        raise SpecError("a prompt is not what it should be", mistakes=mistakes)
    return made


def own_prompt(name: str, places: tuple[str, ...]) -> Prompt:
    """The prompt of that name which comes with ragctl."""
    file = resources.files("ragctl").joinpath("prompts", f"{name}.md")
    return Prompt.parse(file.read_text(encoding="utf-8"), places=places)
