"""Texts that are nearly the same, and hits that are unlike one another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ragctl.stages.dedupe import dedupe
from ragctl.stages.diversity import diversify
from ragctl.stages.near_duplicates import NearDuplicates, resemblance, shingles
from ragctl.types import Hit

SENTENCE = "The lease of a run that was killed is taken over by the next one after thirty seconds of silence"


def hits(*texts: str) -> list[Hit]:
    """One search's hits, best first, each in a document of its own."""
    return [
        Hit(1.0 - rank / 10, "docs", f"{rank}", "", "", 0, len(text), text,
            trail={"dense": {"rank": rank, "score": 1.0 - rank / 10}})
        for rank, text in enumerate(texts, start=1)
    ]  # fmt: skip


def test_resemblance_is_the_share_of_common_runs() -> None:
    one, other = shingles("a b c d e"), shingles("a b c d f")
    assert resemblance(one, other) == 2 / 4
    assert resemblance(one, shingles("A b, C d - e!")) == 1.0
    assert resemblance(one, shingles("x y z")) == resemblance(one, shingles("")) == 0.0


def test_chinese_is_compared_by_its_characters() -> None:
    assert len(shingles("长江是中国最长的河流")) == 8
    assert 0.5 < resemblance(shingles("长江是中国最长的河流"), shingles("长江是中国最长的大河流")) < 1


words = st.lists(st.sampled_from("abcdefg"), max_size=30).map(" ".join)


@given(st.lists(words, max_size=12), st.sampled_from([0.3, 0.5, 0.8, 0.95, 1.0]))
def test_what_is_found_is_what_comparing_all_pairs_finds(texts: list[str], threshold: float) -> None:
    found = NearDuplicates(threshold)
    kept: list[str] = []
    for text in texts:
        near = (
            number
            for number, other in enumerate(kept)
            if resemblance(shingles(text), shingles(other)) >= threshold
        )
        expected = next(near, None)
        assert found.add(text) == expected
        if expected is None:
            kept.append(text)


def test_near_duplicates_are_folded_by_choice() -> None:
    found = hits(SENTENCE, SENTENCE.replace("thirty", "forty"), "Something else entirely")
    assert [hit.document for hit in dedupe([found])] == ["1", "2", "3"]
    folded = dedupe([found], near_duplicate=0.6)
    assert [hit.document for hit in folded] == ["1", "3"]
    assert [one["document"] for one in folded[0].duplicates] == ["2"]
    assert [hit.document for hit in dedupe([found], near_duplicate=0.95)] == ["1", "2", "3"]


def test_what_is_far_down_is_not_compared() -> None:
    found = hits("One thing", "Another thing", SENTENCE, SENTENCE.replace("thirty", "forty"))
    assert len(dedupe([found], near_duplicate=0.6, near_within=3)) == 4
    assert len(dedupe([found], near_duplicate=0.6, near_within=4)) == 3


def test_a_chain_of_small_changes_is_no_set_of_duplicates() -> None:
    letters = [" ".join("abcdefghijklmnopqrstuvwxyz"[start : start + 12]) for start in (0, 2, 4)]
    assert [hit.document for hit in dedupe([hits(*letters)], near_duplicate=0.6)] == ["1", "3"]


def test_diversity_brings_what_is_unlike_forward() -> None:
    found = hits(SENTENCE, SENTENCE.replace("thirty", "forty"), "Something else entirely, and no worse")
    assert diversify(found, count=3, diversity=0.0) == found
    assert [hit.document for hit in diversify(found, count=2, diversity=0.7)] == ["1", "3"]
    assert [hit.document for hit in diversify(found, count=3, diversity=0.7)] == ["1", "3", "2"]
    assert diversify([], count=3, diversity=0.5) == []


def test_equal_scores_keep_their_order() -> None:
    flat = [Hit(1.0, "docs", name, "", "", 0, 1, name) for name in "abc"]
    assert [hit.document for hit in diversify(flat, count=3, diversity=0.3)] == ["a", "b", "c"]
