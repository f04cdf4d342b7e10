"""Which words a text has."""

from __future__ import annotations

from typing import get_args

import pytest
from contracts.store_text import STORABLE
from hypothesis import given
from hypothesis import strategies as st

from ragctl.spec.chunk_settings import Language
from ragctl.stores.text_analysis import LANGUAGES, LONGEST_WORD, MOST_BYTES, lexemes, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" .,;:!? \n\t ❤️ 👩‍👩‍👧 — …", []),
        ("“Quoted” — and/or 'single'", ["quoted", "and", "or", "single"]),
        ("dag_id=AIRFLOW__CORE.x-ray(2.10.1)", "dag id airflow core x ray 2 10 1".split()),
        ("Naïve Ünïcode ΣΊΣΥΦΟΣ", ["naïve", "ünïcode", "σίσυφος"]),
        ("ＡＢＣ１２３ ﬁne x² ½", ["abc123", "fine", "x2", "1", "2"]),
        ("cafe\u0301 = café", ["café", "café"]),
        ("soft\u00adhyphen zero\u200bwidth", ["softhyphen", "zero", "width"]),
        ("हिन्दी में किताबें", ["हिन्दी", "में", "किताबें"]),
        ("a a B a", ["a", "a", "b", "a"]),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("茶", {"茶"}),
        ("东京都", {"东", "京", "都", "东京", "京都"}),
        ("东京。京都", {"东", "京", "都", "东京", "京都"}),
        ("用iPhone手机", {"用", "iphone", "手", "机", "手机"}),
        ("第15章", {"第", "15", "章"}),
        ("ｺｰﾋｰ", {"コ", "ー", "ヒ", "コー", "ーヒ", "ヒー"}),
        ("대한민국 서울", {"대", "한", "민", "국", "대한", "한민", "민국", "서", "울", "서울"}),
        ("𠮷野", {"𠮷", "野", "𠮷野"}),
    ],
)
def test_unspaced_text_becomes_characters_and_pairs(text: str, found: set[str]) -> None:
    assert set(words(text)) == found


def test_what_is_too_long_to_be_a_word_is_none() -> None:
    longest = "x" * LONGEST_WORD
    assert words(f"a {longest} {longest}x b") == ["a", longest, "b"]


def test_the_words_of_a_text_fit_a_tsvector() -> None:
    many = " ".join(f"{number:0{LONGEST_WORD}}" for number in range(20_000))
    assert 0.9 * MOST_BYTES < sum(map(len, words(many))) < MOST_BYTES
    assert len(words("word " * 400_000)) > 400_000 * 0.9


def test_lexemes_have_a_position_an_occurrence() -> None:
    assert lexemes("b a b") == "'b':1,2 'a':1"
    assert lexemes("x " * 300) == "'x':" + ",".join(map(str, range(1, 256)))
    assert lexemes("?!") == ""


@given(st.text(STORABLE))
def test_words_need_no_quoting_and_stay_as_they_are(text: str) -> None:
    found = words(text)
    assert not set("".join(found)) & set(" \t\n'\"\\:|&!()<>*")
    spaced = [word for word in found if words(word) == [word]]
    assert words(" ".join(spaced)) == spaced


def test_the_spec_knows_the_same_languages() -> None:
    assert set(get_args(Language)) == LANGUAGES
