"""Which text is sensitive, and where it may go: a test for every cell of the precedence table."""

from __future__ import annotations

import itertools

import pytest
from selection.privacy_cases import ALLOWED_HOSTS, MAY_GO, PLACES, ROWS, Row

from ragctl.selection.privacy import is_sensitive, may_be_sent, place_of

ENDPOINTS = (None, "localhost:8000", "models.example", "api.openai.com")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(str(level) for level in row[:4]))
@pytest.mark.parametrize("place", range(len(ENDPOINTS)), ids=["process", "loopback", "allowed", "other"])
def test_a_cell_of_the_table(row: Row, place: int) -> None:
    sensitive = is_sensitive(spec=row.spec, source=row.source, document=row.document, question=row.question)
    assert sensitive is row.sensitive
    may = may_be_sent(sensitive=sensitive, endpoint=ENDPOINTS[place], allowed_hosts=ALLOWED_HOSTS)
    assert may is MAY_GO[row.sensitive][place]


def test_the_table_has_every_combination_once() -> None:
    levels = (None, "public", "sensitive")
    combinations = set(itertools.product((False, True), levels, levels, (None, "sensitive")))
    assert len(ROWS) == len(combinations)
    assert {row[:4] for row in ROWS} == combinations


@pytest.mark.parametrize("level", ["source", "document", "question"])
@pytest.mark.parametrize("said", ["Sensitive", "confidential", "secret", "PUBLIC", ""])
def test_what_is_neither_public_nor_unset_is_sensitive(level: str, said: str) -> None:
    assert is_sensitive(**{level: said})  # type: ignore[arg-type]


@pytest.mark.parametrize(("endpoint", "place"), PLACES.items(), ids=map(str, PLACES))
def test_where_an_endpoint_is(endpoint: str | None, place: str) -> None:
    assert place_of(endpoint, ALLOWED_HOSTS) == place
    assert may_be_sent(sensitive=True, endpoint=endpoint, allowed_hosts=ALLOWED_HOSTS) == (place != "other")
    assert may_be_sent(sensitive=False, endpoint=endpoint)


def test_no_host_is_allowed_unless_it_is_named() -> None:
    assert place_of("models.example") == "other"
    assert place_of("[2001:db8::1]:8000", ["2001:db8::1"]) == "allowed"
    assert place_of("[2001:db8::2]:8000", ["2001:db8::1"]) == "other"
