"""A question's words made into what the database is asked: weights, and which chunks to look at.

BM25 in Lucene's variant (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, without
the factor k1 + 1 that changes no order). The score of a chunk is the sum over the question's terms of

    count * idf * tf / (tf + k1 * (1 - b + b * length / average length))
    idf = ln(1 + (N - n + 0.5) / (n + 0.5))

N chunks, n of them with the term, tf times in this one; `count` times in the question.

Not every chunk with any of the words is scored, because a common word is in most of them. Looked at are
the chunks with one of the rarest words, then those with two of the others, pairs of the highest weight
first, as long as about so many chunks are expected as the budget allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

K1, B = 0.9, 0.4
"""Fixed on SciFact's training split, checked on XQuAD; docs/lexical-search.md has the figures."""

# Chunks, as expected from the frequencies. With these, at 100,000 chunks more than 99 in 100 of the ten
# best and of the fifty best are found (benchmarks/lexical.py).
_RARE_BUDGET = 1000
_BUDGET = 2500
_MOST_PAIRS = 128
_PAIRED_TERMS = 64  # the rarest of those that are paired
# Chunks that are scored at most, whatever the frequencies said: about so many lookups of a term in a chunk.
_LOOKUPS = 40_000
_LEAST_LIMIT = 4000

MOST_TERMS = 256
"""Different terms of a question that are scored: those with the highest weight."""

# ts_rank of a query of one lexeme is 0.1 * (1 + 1/4 + … + 1/tf²) / (pi²/6), which grows with tf: the
# way to read tf out of a tsvector without unpacking it. These are the bounds between its values.
_LIMIT_OF_SUM = 1.64493406685
_MOST_COUNTED = 255


def _bounds() -> Iterator[float]:
    total = 0.0
    for count in range(1, _MOST_COUNTED + 1):
        step = 1 / count**2
        yield 0.1 * (total + step / 2) / _LIMIT_OF_SUM
        total += step


COUNT_BOUNDS = list(_bounds())
"""`width_bucket(ts_rank(lexemes, term), COUNT_BOUNDS)` is how often the chunk has the term, 255 at most."""


@dataclass(frozen=True, slots=True)
class Term:
    """A lexeme of a question: how often it is in it, and how many chunks have it as far as is known."""

    lexeme: str
    count: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Search:
    """What to ask the database.

    Attributes:
        terms: each as a tsquery of one lexeme.
        weights: of `terms`: count * idf.
        candidates: tsquery of the chunks to score.
        limit: chunks to score at most.
    """

    terms: list[str]
    weights: list[float]
    candidates: str
    limit: int


def plan_search(terms: Sequence[Term], chunks: int, kept: int | None = None) -> Search | None:
    """How to search for `terms` among so many chunks; None if there is nothing to search for.

    Args:
        kept: by a filter, of these chunks; None: all. How much a word weighs does not depend on it.
    """
    if not terms or not chunks:
        return None
    weights = {term.lexeme: term.count * _idf(term.chunks, chunks) for term in terms}
    heaviest = sorted(terms, key=lambda term: (-weights[term.lexeme], term.lexeme))[:MOST_TERMS]
    limit = max(_LEAST_LIMIT, _LOOKUPS // len(heaviest))
    return Search(
        terms=[_quoted(term.lexeme) for term in heaviest],
        weights=[weights[term.lexeme] for term in heaviest],
        candidates=_candidates_of(heaviest, weights, chunks, limit, kept),
        limit=limit,
    )


def _idf(having: int, chunks: int) -> float:
    having = min(having, chunks)
    return math.log(1 + (chunks - having + 0.5) / (having + 0.5))


def _candidates_of(
    terms: Sequence[Term], weights: dict[str, float], chunks: int, limit: int, kept: int | None
) -> str:
    if kept is not None and kept <= _LEAST_LIMIT:  # few enough to score every one that has any of the words
        return " | ".join(_quoted(term.lexeme) for term in terms)
    if kept is not None and kept < chunks:  # words are expected to be as common in what is kept
        terms = [replace(term, chunks=max(1, round(term.chunks * kept / chunks))) for term in terms]
        chunks = kept
    rarest_first = sorted(terms, key=lambda term: (term.chunks, term.lexeme))
    return _candidates(rarest_first, weights, chunks, limit)


def _candidates(terms: Sequence[Term], weights: dict[str, float], chunks: int, limit: int) -> str:
    expected = 0
    rare: list[Term] = []
    for term in terms:
        if expected + term.chunks > _RARE_BUDGET:
            break
        expected += term.chunks
        rare.append(term)
    pairs = _pairs(terms[len(rare) :][:_PAIRED_TERMS], weights)
    taken = _affordable(pairs, _BUDGET - expected, chunks)
    if not rare and not taken:  # every word is common
        taken = _affordable(pairs, limit, chunks)
        if not taken or terms[0].chunks <= limit // 2:
            rare = [terms[0]]
    partners: dict[str, list[str]] = {}
    for one, other in taken:
        partners.setdefault(one.lexeme, []).append(_quoted(other.lexeme))
    both = [f"{_quoted(one)} & ({' | '.join(others)})" for one, others in partners.items()]
    return " | ".join([*(_quoted(term.lexeme) for term in rare), *both])


def _pairs(terms: Sequence[Term], weights: dict[str, float]) -> list[tuple[Term, Term]]:
    return sorted(
        combinations(terms, 2), key=lambda pair: -(weights[pair[0].lexeme] + weights[pair[1].lexeme])
    )


def _affordable(pairs: Sequence[tuple[Term, Term]], budget: float, chunks: int) -> list[tuple[Term, Term]]:
    """The first of them; how many chunks have both is expected as if words were independent."""
    taken = []
    for one, other in pairs[:_MOST_PAIRS]:
        budget -= one.chunks * other.chunks / chunks
        if budget < 0:
            break
        taken.append((one, other))
    return taken


def _quoted(lexeme: str) -> str:
    """A lexeme in a tsquery."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"
