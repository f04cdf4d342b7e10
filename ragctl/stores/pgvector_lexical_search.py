"""BM25 in PostgreSQL: questions to hits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragctl.conditions import Condition
from ragctl.errors import Mismatch
from ragctl.stores.lexical_question import COUNT_BOUNDS, K1, B, Search, Term, plan_search
from ragctl.stores.pgvector_filter import count_kept, document_filter
from ragctl.stores.pgvector_lexical import PgVectorLexical
from ragctl.stores.pgvector_rows import lexical_hit
from ragctl.types import Hit

if TYPE_CHECKING:
    from psycopg import sql

FEW_KEPT = 100_000
"""Where a filter keeps more chunks, those that have the words are found first, and the filter then applied.

Up to so many, what it keeps is found first: of 100,000 chunks that took as long where 66 % were kept, and
half as long where 10 % were. It takes the longer the more are kept, the other way the longer the fewer of all
chunks are, which is why this is a number and no share.
"""

# The sum over terms of w * tf / (tf + norm) is the sum of w less norm * the sum of w / (tf + norm), which
# takes fewer steps a term. Chunks of equal score are all there when they are put in order.
_BEST = """
    SELECT b.score, d.source, d.path, d.uri, d.title, d.metadata,
           c.span_start, c.span_end, c.text, c.headings, c.line, c.page, c.sheet
    FROM (
        SELECT document, ordinal,
               %(total)s::float8 - norm * (
                   SELECT sum(weight / (norm + width_bucket(ts_rank(lexemes, term), %(bounds)s::float8[])))
                   FROM unnest(%(terms)s::text[]::tsquery[], %(weights)s::float8[]) AS t (term, weight)
               ) AS score
        FROM (
            SELECT document, ordinal, lexemes, %(fixed)s::float8 + %(by_length)s::float8 * length AS norm
            FROM {lexical} f WHERE {kept} AND lexemes @@ %(candidates)s::text::tsquery LIMIT %(limit)s
        ) candidates
        ORDER BY score DESC FETCH FIRST (%(k)s) ROWS WITH TIES
    ) b
    JOIN {chunks} c ON c.document = b.document AND c.ordinal = b.ordinal
    JOIN {documents} d ON d.id = b.document
    ORDER BY b.score DESC, d.source, d.path, c.ordinal LIMIT %(k)s
"""


@dataclass(frozen=True, slots=True)
class _Filtered:
    """A filter: how many chunks it keeps, and what is true of a row `f` of one of them."""

    chunks: int
    condition: sql.Composed
    parameters: Mapping[str, object]


class PgVectorLexicalSearch(PgVectorLexical):
    """Searches of a generation's text."""

    def search(self, questions: Sequence[str], *, k: int, where: Sequence[Condition] = ()) -> list[list[Hit]]:
        """See `PgVectorStore.search_text`."""
        with _made_by_an_ingest():
            row = self._execute("SELECT chunks, occurrences FROM {terms} WHERE term = ''").fetchone()
            if row is None:
                raise _not_ready()
            chunks, occurrences = row
            terms = self._terms(questions)
            filtered = self._filtered(where) if where else None
            kept = filtered.chunks if filtered else None
            return [
                self._search_one(plan_search(one, chunks, kept), occurrences / max(chunks, 1), k, filtered)
                for one in terms
            ]

    def _filtered(self, where: Sequence[Condition]) -> _Filtered:
        composed = document_filter(where, self._tables["documents"])
        kept = count_kept(self._connection, composed, self._tables["chunks"])
        return _Filtered(
            chunks=kept,
            condition=composed.documents_first() if kept <= FEW_KEPT else composed.chunks_first(),
            parameters=composed.parameters,
        )

    def ready(self) -> bool:
        """Has an ingest filled the tables, and counted what is in them?"""
        if not self.exists():
            return False
        return self._execute("SELECT FROM {terms} WHERE term = ''").fetchone() is not None

    def _terms(self, questions: Sequence[str]) -> list[list[Term]]:
        """The terms of each question. One that no more than one chunk had is not in the table."""
        found: list[list[Term]] = [[] for _ in questions]
        rows = self._execute(
            f"""
            SELECT q.number, u.lexeme, cardinality(u.positions),
                   (SELECT t.chunks FROM {{terms}} t WHERE t.term = u.lexeme)
            FROM (SELECT number, {self._analysis} AS lexemes
                  FROM unnest(%s::text[]) WITH ORDINALITY AS t (text, number)) q, unnest(q.lexemes) u
            """,
            ([self._prepared(question) for question in questions],),
        )
        for number, lexeme, count, chunks in rows:
            found[number - 1].append(Term(lexeme, count, chunks or 1))
        return found

    def _search_one(
        self, search: Search | None, average_length: float, k: int, filtered: _Filtered | None
    ) -> list[Hit]:
        from psycopg import sql

        if search is None or not average_length:
            return []
        rows = self._execute(
            _BEST,
            {
                "total": sum(search.weights),
                "terms": search.terms,
                "weights": search.weights,
                "bounds": COUNT_BOUNDS,
                "fixed": K1 * (1 - B),
                "by_length": K1 * B / average_length,
                "candidates": search.candidates,
                "limit": search.limit,
                "k": k,
                **(filtered.parameters if filtered else {}),
            },
            kept=filtered.condition if filtered else sql.SQL("true"),
        )
        return [lexical_hit(number, row) for number, row in enumerate(rows, start=1)]


def _not_ready() -> Mismatch:
    return Mismatch(
        "the index holds nothing yet that words could be looked up in",
        where="store",
        hint="`ragctl ingest SPEC` adds it and embeds nothing again; until then, ask with mode dense",
    )


@contextmanager
def _made_by_an_ingest() -> Iterator[None]:
    """Tables that are not there were not made by the release that made the index, or removed by hand."""
    from psycopg.errors import UndefinedColumn, UndefinedTable

    try:
        yield
    except (UndefinedTable, UndefinedColumn) as error:
        raise _not_ready() from error
