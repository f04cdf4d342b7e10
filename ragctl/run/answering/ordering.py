"""rank, in a run: the order of the passages, by a reranker or a chat model, and which of them help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ragctl.errors import OverlongInput, RagctlError, UsageError
from ragctl.ports import Reranker
from ragctl.run.answering.asked import Asked
from ragctl.run.answering.chat_models import ChatModel, each_at_once
from ragctl.run.answering.context import Context
from ragctl.run.models.privacy import PrivacyGate
from ragctl.stages.diversity import diversify
from ragctl.stages.grade import grade, scores
from ragctl.stages.rank import Place, as_ordered, by_scores, place_of, rank, rerank
from ragctl.stages.verify import verify
from ragctl.types import Hit

if TYPE_CHECKING:
    from ragctl.spec.rank_settings import RankSettings


def order(
    asked: Asked,
    context: Context,
    reranker: Reranker | None,
    *,
    top_n: int,
    turn: AbstractContextManager[object],
) -> None:
    """The best `top_n`, in the order of the spec's model, and of those the ones that help.

    Args:
        turn: held while the reranker is asked.

    Raises:
        UsageError: the question is too long for the reranker.
        PrivacyRefused: a passage, or the question, may not go to a model.
        RagctlError: what would fail the same way for every question: a wrong key, an unknown model.
    """
    settings = context.settings.rank
    candidates = max(settings.candidates, top_n)
    with asked.timed("rank"):
        grader = context.models.get("grade")
        if grader is not None and asked.hits:
            _grade(asked, context, grader, candidates=candidates, blend=settings.blend)
        elif reranker is not None:
            with turn:
                score(asked, reranker, candidates=candidates, blend=settings.blend, privacy=context.privacy)
        if grader is not None or reranker is not None:
            asked.by_version = [as_ordered(hits, asked.hits) for hits in asked.by_version]
        asked.by_version = [_best(hits, top_n, settings) for hits in asked.by_version]
        asked.hits = _best(asked.hits, top_n, settings)
    checker = context.models.get("verify")
    if checker is not None and asked.hits:
        with asked.timed("verify"):
            _keep_what_helps(asked, context, checker)


def _best(hits: list[Hit], top_n: int, settings: RankSettings) -> list[Hit]:
    if settings.diversity:
        hits = diversify(hits, count=top_n, diversity=settings.diversity)
    return rank(hits, top_n=top_n)


def score(
    asked: Asked,
    reranker: Reranker,
    *,
    candidates: int,
    blend: float = 0.0,
    privacy: PrivacyGate | None = None,
) -> None:
    """The first `candidates` hits in the order of the reranker.

    Args:
        privacy: asked whether the reranker may read the passages; None: it may.

    Raises:
        UsageError: the question is too long for the reranker.
        PrivacyRefused: it may not read them, or the question.
    """
    if not asked.hits:
        return
    if privacy is not None:
        privacy.passages(asked.hits[:candidates], reranker)
    asked.models["rank"] = str(reranker.provenance.get("model", reranker.identity))
    try:
        with asked.counted("rank", reranker):
            asked.hits = rerank(asked.asks, asked.hits, reranker, candidates=candidates, blend=blend)
    except OverlongInput as error:
        raise UsageError(f"the question is too long: {error.message}", hint="shorten it") from error
    cut = sum(bool(hit.trail["rerank"].get("truncated")) for hit in asked.hits)
    if cut:
        asked.note("rank", f"{cut} of {len(asked.hits)} passages were not read to their end by the reranker")


def _grade(asked: Asked, context: Context, model: ChatModel, *, candidates: int, blend: float) -> None:
    read = asked.hits[:candidates]
    model.privacy.passages(read, model.generator)
    prompt = context.prompt(asked, "grade", model, "rank")
    graded = grade(
        asked.asks,
        read,
        asked.asking("rank", model.generator),
        prompt,
        each_at_once=each_at_once(model.at_once),
    )
    _note_failures(asked, "rank", [one.failure for one in graded], "graded")
    unread = sum(one.grade is None and one.failure is None for one in graded)
    if unread:
        asked.note("rank", f"{unread} of {len(read)} replies hold no grade")
    found = scores(graded)
    if found is None:
        asked.note("rank", "no passage has a grade; they keep the order in which they were found")
        return
    asked.hits = by_scores(read, found, blend=blend)


def _keep_what_helps(asked: Asked, context: Context, model: ChatModel) -> None:
    """Those of which the model does not say that they do not help; also of those of each version."""
    each: dict[Place, Hit] = {}
    for hits in (asked.hits, *asked.by_version):
        for hit in hits:
            each.setdefault(place_of(hit), hit)
    read = list(each.values())
    model.privacy.passages(read, model.generator)
    prompt = context.prompt(asked, "verify", model, "verify")
    judged = verify(
        asked.asks,
        read,
        asked.asking("verify", model.generator),
        prompt,
        each_at_once=each_at_once(model.at_once),
    )
    _note_failures(asked, "verify", [one.failure for one in judged], "judged, and kept")
    asked.left_out = [one.hit for one in judged if one.verdict == "no"]
    helping = {place_of(one.hit): one.hit for one in judged if one.verdict != "no"}
    asked.hits = _of(asked.hits, helping)
    asked.by_version = [_of(hits, helping) for hits in asked.by_version]


def _of(hits: list[Hit], helping: Mapping[Place, Hit]) -> list[Hit]:
    kept = [helping[place] for place in map(place_of, hits) if place in helping]
    return rank(kept, top_n=len(kept))


def _note_failures(asked: Asked, step: str, failures: list[RagctlError | None], done: str) -> None:
    kinds = Counter((one.kind, str(one)) for one in failures if one is not None)
    for (kind, message), count in kinds.items():
        text = f"{count} of {len(failures)} passages could not be {done}: {message}"
        asked.notes.append({"step": step, "kind": kind, "message": text})
