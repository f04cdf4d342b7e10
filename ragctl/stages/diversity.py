"""Diversity: hits that are good and unlike one another come first. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ragctl.stages.near_duplicates import resemblance, shingles
from ragctl.types import Hit


def diversify(hits: Sequence[Hit], *, count: int, diversity: float) -> list[Hit]:
    """`count` of the hits by maximal marginal relevance, the others left out.

    Each next hit has the greatest `(1 - diversity) * score - diversity * resemblance`, the score scaled to 0
    for the worst hit and 1 for the best, the resemblance that of its text to the most alike of those taken
    (J. Carbonell and J. Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
    producing summaries", SIGIR 1998, whose lambda is `1 - diversity`).

    Args:
        hits: best first.
        diversity: from 0, which keeps the order, to 1.
    """
    if not hits:
        return []
    scores = [hit.score for hit in hits]
    worst, spread = min(scores), max(scores) - min(scores)
    relevance = [(score - worst) / spread if spread else 1.0 for score in scores]
    texts = [shingles(hit.text) for hit in hits]
    likeness = [0.0] * len(hits)
    left = list(range(len(hits)))
    taken: list[Hit] = []
    while left and len(taken) < count:
        best = max(left, key=lambda one: ((1 - diversity) * relevance[one] - diversity * likeness[one], -one))
        left.remove(best)
        taken.append(hits[best])
        for one in left:
            likeness[one] = max(likeness[one], resemblance(texts[one], texts[best]))
    return taken
