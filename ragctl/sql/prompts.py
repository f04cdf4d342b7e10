"""The prompts of the SQL assistant: ragctl's own, where nobody gives others."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from ragctl.sql.conclude import CONCLUDE_PLACES
from ragctl.sql.query import QUERY_PLACES, REPAIR_PLACES
from ragctl.stages.prompt import Prompt
from ragctl.stages.rephrase import REPHRASE_PLACES

PLACES: dict[str, tuple[str, ...]] = {
    "rephrase": REPHRASE_PLACES,
    "sql": QUERY_PLACES,
    "sql_repair": REPAIR_PLACES,
    "sql_conclude": CONCLUDE_PLACES,
}
"""Name of the file in ragctl/prompts → the places that it must have."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """One for each call."""

    rephrase: Prompt
    sql: Prompt
    sql_repair: Prompt
    sql_conclude: Prompt


def own_prompts() -> Prompts:
    """Those that come with ragctl."""
    return Prompts(**{name: _own(name) for name in PLACES})


def _own(name: str) -> Prompt:
    file = resources.files("ragctl").joinpath("prompts", f"{name}.md")
    return Prompt.parse(file.read_text(encoding="utf-8"), places=PLACES[name])
