"""The tables of docs/choosing-an-embedder.md are those of the tests' own cases."""

from __future__ import annotations

from selection.decision_cases import CASES
from selection.page import PAGE, page_text


def test_the_page_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page_text(text) == text, "PYTHONPATH=tests python -m selection.page"
    assert len(CASES) >= 40
