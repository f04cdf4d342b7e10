"""What the database is asked for a question: weights, candidates and bounds."""

from __future__ import annotations

import math

import pytest

from ragctl.stores.lexical_question import MOST_TERMS, Search, Term, plan_search


def planned(*terms: tuple[str, int], chunks: int) -> Search:
    search = plan_search([Term(lexeme, 1, having) for lexeme, having in terms], chunks)
    assert search is not None
    return search


def test_nothing_to_search_for() -> None:
    assert plan_search([], 10) is None
    assert plan_search([Term("cat", 1, 1)], 0) is None


def test_a_weight_is_the_idf_times_the_count() -> None:
    search = plan_search([Term("rare", 1, 1), Term("often", 3, 60)], 100)
    assert search is not None
    assert dict(zip(search.terms, search.weights, strict=True)) == {
        "'rare'": pytest.approx(math.log(1 + 99.5 / 1.5)),
        "'often'": pytest.approx(3 * math.log(1 + 40.5 / 60.5)),
    }


def test_frequencies_of_yesterday_break_nothing() -> None:
    assert planned(("grown", 500), chunks=100).weights[0] > 0


def test_in_a_small_index_every_word_counts() -> None:
    assert planned(("a", 400), ("b", 2), ("c", 90), chunks=500).candidates == "'b' | 'c' | 'a'"


def test_common_words_count_in_pairs() -> None:
    search = planned(("rare", 10), ("mid", 3000), ("more", 8000), ("most", 90_000), chunks=100_000)
    assert search.candidates == "'rare' | 'mid' & ('more')"


def test_where_all_words_are_common_chunks_have_two_of_them() -> None:
    search = planned(("one", 30_000), ("two", 40_000), chunks=100_000)
    assert search.candidates == "'one' & ('two')"


def test_the_only_word_counts_however_common() -> None:
    search = planned(("all", 100_000), chunks=100_000)
    assert (search.candidates, search.limit) == ("'all'", 40_000)


def test_a_long_question_looks_at_a_bounded_number_of_chunks_and_terms() -> None:
    search = planned(*((f"w{number}", 20 * number + 20) for number in range(600)), chunks=100_000)
    assert len(search.terms) == len(search.weights) == MOST_TERMS
    assert "'w0'" in search.terms
    assert "'w599'" not in search.terms
    assert search.limit == 4000
    assert len(search.candidates) < 5000


def test_lexemes_are_quoted() -> None:
    search = planned(("it's", 1), ("back\\slash", 2), (":*&!", 3), chunks=10)
    assert search.terms == ["'it''s'", "'back\\\\slash'", "':*&!'"]
