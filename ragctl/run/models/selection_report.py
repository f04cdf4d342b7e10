"""How the embedder of a spec with `provider: auto` was chosen, as reports show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.run.models.choice import Choice, select_now, switch_note
from ragctl.selection.decision import Selection

if TYPE_CHECKING:
    from ragctl.run.composition import Composition


@dataclass(frozen=True, slots=True)
class SelectionReport:
    """What is used, and what the criteria say now.

    Attributes:
        tokens_are: `counted`, `estimated` from the sizes of what is listed, or `unknown`: nothing asks for
            them.
        note: a sentence, where the criteria would now choose otherwise.
    """

    choice: Choice
    now: Selection
    tokens_are: str
    note: str | None

    @property
    def sentence(self) -> str:
        """The choice in one sentence."""
        if self.choice.pinned_by is None:
            return self.now.sentence
        by = "the lock pins it" if self.choice.pinned_by == "lock" else "the index was built with it"
        agrees = "" if self.note else ", and the criteria would choose it again"
        return f"{self.choice.name} is used: {by}{agrees}"

    def as_json(self) -> dict[str, Any]:
        """Under the key `selection` of a plan and an ingest's report; fields may be added, none changed."""
        used = {
            "number": self.choice.number,
            "provider": self.choice.settings.provider,
            "model": self.choice.settings.model,
            "pinned_by": self.choice.pinned_by,
        }
        now = self.now.as_json()
        return {
            "used": used,
            "sentence": self.sentence,
            "note": self.note,
            "tokens_are": self.tokens_are,
            "now": {"chosen": now["chosen"], "sentence": now["sentence"]},
            "options": now["options"],
        }


def report_selection(
    composition: Composition, *, count: bool = False, tokens: int | None = None
) -> SelectionReport | None:
    """None where the spec names its embedder alone.

    Args:
        count: estimate the number of tokens even if no criterion asks for it.
        tokens: that were counted, in the place of an estimate.
    """
    embed, choice = composition.spec.embed, composition.choice
    if embed.provider != "auto":
        return None
    now = select_now(composition, count=count, tokens=tokens)
    criteria = embed.selection_criteria
    asked = criteria.max_cost_usd is not None or criteria.max_minutes is not None
    tokens_are = "counted" if tokens is not None else "estimated" if count or asked else "unknown"
    return SelectionReport(choice, now, tokens_are, switch_note(composition, now))
