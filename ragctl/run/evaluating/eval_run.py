"""What evaluations of documents and of databases have in common: the run that keeps them, and its files."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.run.answering.ask_run import AskRun
from ragctl.run.answering.asked import AskResult, Unanswered
from ragctl.run.evaluating.judging import Judge, JudgedAnswers
from ragctl.run.usage import total_usage
from ragctl.state.evaluations import keep_questions

if TYPE_CHECKING:
    from ragctl.run.composition import Composition

COMMAND = "eval"


class EvalRun(AskRun):
    """As a run of many questions; its record holds the result besides, but for the single questions.

    Attributes:
        result: set before it ends.
    """

    command = COMMAND
    result: Mapping[str, Any] | None = None

    def judging(self, judge: Judge, answers: Sequence[AskResult | None]) -> JudgedAnswers:
        """What a model says of the answers; its cost is the run's, and no question's."""
        judged = judge.judged(answers)
        self._add({"judge": judged.usage})
        return judged

    def more_record(self) -> dict[str, Any]:
        if self.result is None:
            return {}
        kept = {key: value for key, value in self.result.items() if key != "per_question"}
        keep_questions(self._composition.connect(), self.id, self.result["per_question"])
        return {"evaluation": kept}


def cost_of(result: AskResult) -> float | None:
    """US dollars of all that one question took; None if a price is unknown."""
    cost = total_usage(result.stages).cost_usd
    return None if result.usage.cost_usd is None else cost


def failure_json(identity: str, result: Unanswered) -> dict[str, Any]:
    """A question that failed, as the result's `failures` have it."""
    error = result.error
    return {
        "id": identity,
        "question": result.question,
        "stage": error.where or "ask",
        "message": error.message,
    }


def file_json(file: Path) -> dict[str, Any]:
    """A file's name, and the SHA-256 of its bytes."""
    with file.open("rb") as opened:
        return {"path": file.name, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}


def provenance(
    composition: Composition, *, recipe: str | None, embedder: str | None, documents: str | None = None
) -> dict[str, Any]:
    """What a result rests on, besides its files. `documents`: see `Generations.documents_digest`."""
    from ragctl import __version__

    return {
        "recipe": recipe,
        "embedder": embedder,
        "documents": documents,
        "spec_digest": composition.loaded.digest,
        "versions": {"ragctl": __version__},
        "python": platform.python_version(),
    }
