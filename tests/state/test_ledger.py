"""The ledger: what is stored, what failed, what was left out, for one generation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from contracts.stored import embedded

from ragctl.state.generations import Generation
from ragctl.state.ledger import Ledger
from ragctl.types import Failure, Item, LedgerItem

FAILURE = Failure("docs", "a.md", "extract", "malformed", "it is broken", retryable=False)


@pytest.fixture
def ledger(connection: psycopg.Connection[Any], create: Callable[[], Generation]) -> Ledger:
    return Ledger(connection, create().id)


def item(path: str = "a.md", fingerprint: str = "f1", *, source: str = "docs", settled: bool = True) -> Item:
    return Item(source, path, f"file:///{path}", fingerprint, settled=settled)


def store(ledger: Ledger, *items: Item, chunks: int = 2, digest: str = "d1", run: str = "run1") -> None:
    documents = [embedded(one.path, ["text"] * chunks, source=one.source, digest=digest) for one in items]
    ledger.record_stored(documents, {(one.source, one.path): one for one in items}, run)


def test_it_begins_empty(ledger: Ledger) -> None:
    assert ledger.items() == {}
    assert ledger.counts() == (0, 0)
    assert ledger.overview() == []
    assert ledger.document("a.md") == []
    assert ledger.documents_of([("docs", "a.md")]) == []


def test_what_was_stored_is_known(ledger: Ledger) -> None:
    store(ledger, item("a.md", "fa"), item("b.md", "fb"), item("a.md", "fc", source="more"))
    assert ledger.items() == {
        ("docs", "a.md"): LedgerItem("fa", "d1", stored=True),
        ("docs", "b.md"): LedgerItem("fb", "d1", stored=True),
        ("more", "a.md"): LedgerItem("fc", "d1", stored=True),
    }
    assert ledger.counts() == (3, 6)


def test_storing_again_replaces_the_row(ledger: Ledger) -> None:
    store(ledger, item(fingerprint="f1"), item("b.md"))
    store(ledger, item(fingerprint="f2"), chunks=5, digest="d2", run="run2")
    assert ledger.items()["docs", "a.md"] == LedgerItem("f2", "d2", stored=True)
    assert ledger.counts() == (2, 7)
    [row] = ledger.document("a.md")
    assert (row["chunks"], row["digest"], row["run"]) == (5, "d2", "run2")


def test_the_fingerprint_of_an_unsettled_item_is_not_kept(ledger: Ledger) -> None:
    unsettled = item(fingerprint="racy", settled=False)
    store(ledger, unsettled)
    assert ledger.items()["docs", "a.md"] == LedgerItem("", "d1", stored=True)
    ledger.record_failure(FAILURE, unsettled)
    assert ledger.items()["docs", "a.md"].fingerprint == ""
    ledger.record_skipped(unsettled, "no reader")
    assert ledger.items()["docs", "a.md"].fingerprint == ""
    ledger.record_unchanged(unsettled, "d1")
    assert ledger.items()["docs", "a.md"].fingerprint == ""


def test_a_failure_is_known_from_then_on(ledger: Ledger) -> None:
    ledger.record_failure(FAILURE, item(fingerprint="f9"))
    assert ledger.items() == {
        ("docs", "a.md"): LedgerItem("f9", "", stored=False, failure=replace(FAILURE, known=True))
    }
    assert ledger.counts() == (0, 0)
    retryable = replace(FAILURE, error="unreadable", retryable=True)
    ledger.record_failure(retryable, item(fingerprint="f9"))
    assert ledger.items()["docs", "a.md"].failure == replace(retryable, known=True)
    [row] = ledger.document("a.md")
    assert (row["attempts"], row["stored"], row["chunks"]) == (2, False, None)
    assert row["failed_at"].tzinfo is not None


def test_a_failure_leaves_the_old_version_known(ledger: Ledger) -> None:
    store(ledger, item(fingerprint="f1"))
    ledger.record_failure(FAILURE, item(fingerprint="f2"))
    known = ledger.items()["docs", "a.md"]
    assert known == LedgerItem("f2", "d1", stored=True, failure=replace(FAILURE, known=True))
    assert ledger.counts() == (1, 2)
    assert ledger.documents_of([("docs", "a.md")]) == [("docs", "a.md")]


@pytest.mark.parametrize("heal", ["stored", "unchanged", "skipped"])
def test_whatever_comes_after_a_failure_clears_it(ledger: Ledger, heal: str) -> None:
    ledger.record_failure(FAILURE, item(fingerprint="f1"))
    if heal == "stored":
        store(ledger, item(fingerprint="f2"))
    elif heal == "unchanged":
        ledger.record_unchanged(item(fingerprint="f2"), "d1")
    else:
        ledger.record_skipped(item(fingerprint="f2"), "no reader")
    known = ledger.items()["docs", "a.md"]
    assert (known.fingerprint, known.failure) == ("f2", None)
    assert known.skipped == ("no reader" if heal == "skipped" else None)
    [row] = ledger.document("a.md")
    assert (row["attempts"], row["failed_at"]) == (0, None)


def test_a_skipped_item_is_stored_or_fails_later(ledger: Ledger) -> None:
    ledger.record_skipped(item(), "no reader for .md")
    assert ledger.items() == {("docs", "a.md"): LedgerItem("f1", skipped="no reader for .md")}
    ledger.record_failure(FAILURE, item())
    assert ledger.items()["docs", "a.md"].skipped is None
    ledger.record_skipped(item(), "no reader for .md")
    store(ledger, item())
    assert ledger.items()["docs", "a.md"] == LedgerItem("f1", "d1", stored=True)


def test_unchanged_bytes_move_only_the_fingerprint(ledger: Ledger) -> None:
    store(ledger, item(fingerprint="f1"), run="run1")
    before = ledger.document("a.md")
    ledger.record_unchanged(item(fingerprint="f2"), "d1")
    assert ledger.items()["docs", "a.md"] == LedgerItem("f2", "d1", stored=True)
    assert ledger.document("a.md") == before


@pytest.mark.parametrize(
    "message", ["a NUL \0 in it", "half \ud83d a pair", 'quotes " \\ and \\u0000', "👩‍👩‍👧 \u2028", "%s {0}"]
)
def test_any_message_can_be_kept(ledger: Ledger, message: str) -> None:
    ledger.record_failure(replace(FAILURE, message=message), item())
    failure = ledger.items()["docs", "a.md"].failure
    assert failure is not None
    assert failure.message == message.replace("\0", "\ufffd").replace("\ud83d", "\ufffd")


@pytest.mark.parametrize("path", ["it's.md", 'a "b".md', "back\\slash", "%s", "a,b", "{a}", "👩‍👧/ä.md", " "])
def test_any_path_is_a_key(ledger: Ledger, path: str) -> None:
    store(ledger, item(path), item("other.md"))
    assert set(ledger.items()) == {("docs", path), ("docs", "other.md")}
    assert ledger.documents_of([("docs", path)]) == [("docs", path)]
    assert [row["path"] for row in ledger.document(path)] == [path]
    ledger.forget([("docs", path)])
    assert set(ledger.items()) == {("docs", "other.md")}
    assert ledger.counts() == (1, 2)


def test_forget_takes_those_and_no_others(ledger: Ledger) -> None:
    store(ledger, item("a.md"), item("b.md"), item("a.md", source="more"))
    ledger.record_failure(replace(FAILURE, document="c.md"), item("c.md"))
    ledger.forget([("docs", "a.md"), ("docs", "c.md"), ("more", "b.md")])
    assert set(ledger.items()) == {("docs", "b.md"), ("more", "a.md")}
    assert ledger.counts() == (2, 4)
    ledger.forget([])
    assert len(ledger.items()) == 2


def test_an_item_may_give_several_documents(ledger: Ledger) -> None:
    archive = item("a.zip")
    parts = [embedded(f"a.zip!/{name}", ["x"] * 3, item="a.zip", digest="d1") for name in ("one", "two")]
    ledger.record_stored(parts, {("docs", "a.zip"): archive}, "run")
    assert set(ledger.items()) == {("docs", "a.zip")}
    assert sorted(ledger.documents_of([("docs", "a.zip")])) == [
        ("docs", "a.zip!/one"),
        ("docs", "a.zip!/two"),
    ]
    assert ledger.counts() == (2, 6)
    assert [row["path"] for row in ledger.document("a.zip!/two")] == ["a.zip!/two"]
    ledger.forget([("docs", "a.zip")])
    assert ledger.counts() == (0, 0)


def test_a_document_is_shown_by_path_and_source(ledger: Ledger) -> None:
    store(ledger, item("a.md"), item("a.md", source="more"))
    assert [row["source"] for row in ledger.document("a.md")] == ["docs", "more"]
    [row] = ledger.document("a.md", "more")
    assert {key: row[key] for key in ("source", "path", "stored", "skipped", "failure", "chunks")} == {
        "source": "more",
        "path": "a.md",
        "stored": True,
        "skipped": None,
        "failure": None,
        "chunks": 2,
    }
    assert row["reader"] == "plain_text@1"
    assert row["stored_at"].tzinfo is not None
    assert ledger.document("a.md", "unknown") == []


def test_the_overview_is_sorted_and_has_every_state(ledger: Ledger) -> None:
    store(ledger, item("b.md"), item("a.md"))
    ledger.record_skipped(item("z.bin", source="assets"), "no reader")
    ledger.record_failure(replace(FAILURE, document="c.md"), item("c.md"))
    rows = ledger.overview()
    assert [(row["source"], row["path"]) for row in rows] == [
        ("assets", "z.bin"),
        ("docs", "a.md"),
        ("docs", "b.md"),
        ("docs", "c.md"),
    ]
    assert [row["skipped"] for row in rows] == ["no reader", None, None, None]
    assert [row["chunks"] for row in rows] == [None, 2, 2, None]
    assert rows[3]["failure"]["message"] == FAILURE.message


def test_generations_are_apart(connection: psycopg.Connection[Any], create: Callable[[], Generation]) -> None:
    one, two = (Ledger(connection, create().id) for _ in range(2))
    store(one, item())
    assert two.items() == {}
    store(two, item(fingerprint="f2"), chunks=7)
    two.forget([("docs", "a.md")])
    assert one.items() == {("docs", "a.md"): LedgerItem("f1", "d1", stored=True)}
    assert one.counts() == (1, 2)


def test_writes_join_the_callers_transaction(ledger: Ledger, connection: psycopg.Connection[Any]) -> None:
    store(ledger, item("a.md"))

    class Rollback(Exception):
        pass

    with suppress(Rollback), connection.transaction():
        store(ledger, item("b.md"))
        ledger.forget([("docs", "a.md")])
        ledger.record_failure(replace(FAILURE, document="c.md"), item("c.md"))
        assert set(ledger.items()) == {("docs", "b.md"), ("docs", "c.md")}
        raise Rollback
    assert set(ledger.items()) == {("docs", "a.md")}
    assert ledger.counts() == (1, 2)


def test_many_at_once(ledger: Ledger) -> None:
    every = [item(f"{number:04}.md") for number in range(2000)]
    store(ledger, *every, chunks=1)
    assert ledger.counts() == (2000, 2000)
    keys = [(one.source, one.path) for one in every]
    assert sorted(ledger.documents_of(keys)) == keys
    ledger.forget(keys[:1999])
    assert list(ledger.items()) == keys[1999:]
