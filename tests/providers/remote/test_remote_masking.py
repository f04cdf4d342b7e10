"""What a server says is shown without the key and without the texts."""

from __future__ import annotations

import json

from ragctl.providers.remote.masking import masked

KEY = "sk-proj-a1b2c3d4e5f6g7h8"


def test_the_key_and_pieces_of_it_are_left_out() -> None:
    assert masked(f"Incorrect API key provided: {KEY}.", key=KEY) == "Incorrect API key provided: …."
    shown = masked(f"key {KEY[:9]}****{KEY[-6:]} is wrong", key=KEY)
    assert KEY[:9] not in shown and KEY[-6:] not in shown and shown.endswith(" is wrong")


def test_a_short_key_is_left_out_too() -> None:
    assert masked("the key abc is wrong", key="abc") == "the key … is wrong"


def test_texts_are_left_out_also_where_they_are_escaped_or_cut() -> None:
    text = "The patient, Ms Example,\nwas told on Monday that\tthe operation had gone well."
    for quoted in (text, text[:40], json.dumps(text), repr(text), text.replace("\n", " ")):
        shown = masked(f"Invalid input: {quoted} is not allowed", key=None, texts=["other", text])
        assert shown.startswith("Invalid input: ")
        for piece in ("patient", "Example", "told on Monday", "operation"):
            assert piece not in shown, (quoted, shown)


def test_a_short_text_is_left_out_where_it_is_quoted() -> None:
    assert masked("'bomb' is not a valid input", key=None, texts=["bomb"]) == "… is not a valid input"


def test_the_rest_is_kept_on_one_line_of_bounded_length() -> None:
    assert masked("Rate limit\n  reached: 3 of 3", key=KEY, texts=["a text"]) == "Rate limit reached: 3 of 3"
    assert len(masked("x y " * 1_000, key=None)) == 300
