"""What an ingest would do, and what it refuses to do."""

from __future__ import annotations

import pytest

from ragctl.errors import DeletionRefused
from ragctl.plan import guard_deletions, make_plan, unsure_sources
from ragctl.types import Failure, Item, LedgerItem


def item(path: str, fingerprint: str = "now", source: str = "docs") -> Item:
    return Item(source=source, path=path, uri=f"file:///{path}", fingerprint=fingerprint)


def failure(*, retryable: bool) -> Failure:
    return Failure("docs", "a.md", "extract", "malformed", "broken", retryable, known=True)


STORED = LedgerItem(fingerprint="now", digest="d", stored=True)


def test_each_item_goes_where_it_belongs() -> None:
    ledger = {
        ("docs", "same.md"): STORED,
        ("docs", "edited.md"): LedgerItem(fingerprint="before", digest="d", stored=True),
        ("docs", "gone.md"): STORED,
        ("docs", "image.png"): LedgerItem(fingerprint="now", skipped="no reader"),
    }
    listing = [item("same.md"), item("edited.md"), item("new.md"), item("image.png")]
    plan = make_plan(listing, ledger)
    assert [one.path for one in plan.add] == ["new.md"]
    assert [one.path for one in plan.change] == ["edited.md"]
    assert plan.unchanged == (("docs", "same.md"),)
    assert plan.skipped == (("docs", "image.png"),)
    assert plan.delete == (("docs", "gone.md"),)
    assert plan.listed == 4


def test_an_item_that_had_not_settled_is_read_again() -> None:
    ledger = {("docs", "a.md"): LedgerItem(fingerprint="", digest="d", stored=True)}
    assert [one.path for one in make_plan([item("a.md")], ledger).change] == ["a.md"]


def test_a_failure_for_good_is_known_and_another_one_is_tried_again() -> None:
    for_good = {("docs", "a.md"): LedgerItem("now", failure=failure(retryable=False))}
    plan = make_plan([item("a.md")], for_good)
    assert plan.known_failures == (failure(retryable=False),)
    assert not plan.to_read
    passing = {("docs", "a.md"): LedgerItem("now", failure=failure(retryable=True))}
    assert [one.path for one in make_plan([item("a.md")], passing).add] == ["a.md"]


def test_a_failed_document_is_tried_again_when_it_changes() -> None:
    ledger = {
        ("docs", "a.md"): LedgerItem("before", digest="d", stored=True, failure=failure(retryable=False))
    }
    assert [one.path for one in make_plan([item("a.md")], ledger).change] == ["a.md"]


def test_what_cannot_be_listed_is_not_deleted() -> None:
    unlisted = Failure("docs", "a.md", "list", "unreadable", "no permission", True)
    plan = make_plan([unlisted], {("docs", "a.md"): STORED})
    assert plan.delete == ()
    assert plan.unlisted == (unlisted,)


def test_what_cannot_be_told_apart_keeps_all_of_its_source() -> None:
    broken = Failure("notes", "a.jsonl:7", "list", "unidentified", "no JSON", True)
    other = Failure("docs", "b.md", "list", "unreadable", "no permission", True)
    ledger = {("notes", "a.jsonl#1"): STORED, ("docs", "a.md"): STORED}
    assert make_plan([broken, other], ledger).delete == (("docs", "a.md"),)
    assert unsure_sources([broken, other]) == {"notes"}
    assert unsure_sources([other]) == set()


@pytest.mark.parametrize(("mode", "deleted"), [("replace", 1), ("skip", 0), ("error", 0)])
def test_only_replace_deletes(mode: str, deleted: int) -> None:
    ledger = {
        ("docs", "edited.md"): LedgerItem("before", "d", stored=True),
        ("docs", "gone.md"): STORED,
    }
    plan = make_plan([item("edited.md"), item("new.md")], ledger, existing=mode)  # type: ignore[arg-type]
    assert (len(plan.add), len(plan.change), len(plan.delete)) == (1, 1, deleted)


def keys(count: int, source: str = "docs") -> list[tuple[str, str]]:
    return [(source, f"{number}.md") for number in range(count)]


@pytest.mark.parametrize(
    ("stored", "deleted", "refused"),
    [
        (5, 4, False),
        (5, 5, True),  # all of a source
        (1, 1, True),
        (50, 10, False),
        (50, 11, True),
        (1000, 100, False),
        (1000, 101, True),
        (5, 0, False),
    ],
)
def test_the_guard_lets_ten_or_a_tenth_go(stored: int, deleted: int, refused: bool) -> None:
    call = (keys(stored)[:deleted], keys(stored))
    if refused:
        with pytest.raises(DeletionRefused, match="nothing was written"):
            guard_deletions(*call)
    else:
        guard_deletions(*call)


def test_the_guard_looks_at_all_sources_together() -> None:
    sources = [f"s{number}" for number in range(3)]
    stored = [key for source in sources for key in keys(20, source)]
    delete = [key for source in sources for key in keys(5, source)]
    with pytest.raises(DeletionRefused, match="15 of all 60"):
        guard_deletions(delete, stored)


def test_allow_delete_is_a_number_not_a_switch() -> None:
    with pytest.raises(DeletionRefused) as refused:
        guard_deletions(keys(5), keys(5), allow_delete=4)
    assert "--allow-delete 5" in (refused.value.hint or "")
    guard_deletions(keys(5), keys(5), allow_delete=5)


def test_items_that_were_never_stored_do_not_count() -> None:
    guard_deletions(keys(30), keys(30)[:0])


def failed(path: str, *, retryable: bool = False) -> Failure:
    return Failure("docs", path, "extract", "malformed", "broken", retryable)


@pytest.mark.parametrize("part", ["a.zip!/in/b.md", "a.zip!/in.zip!/b.md", "a.zip#3"])
def test_a_part_that_failed_is_known_as_long_as_its_item_is_as_it_was(part: str) -> None:
    rows = {("docs", "a.zip"): STORED, ("docs", part): LedgerItem("now", failure=failed(part))}
    plan = make_plan([item("a.zip")], rows)
    assert [one.document for one in plan.known_failures] == [part]
    assert plan.unchanged == (("docs", "a.zip"),)
    assert plan.delete == ()
    retried = make_plan([item("a.zip")], rows, retry_failed=True)
    assert [one.path for one in retried.change] == ["a.zip"]
    gone = make_plan([item("other.md")], rows)
    assert gone.delete == (("docs", "a.zip"), ("docs", part))


def test_a_part_that_may_do_better_is_tried_again() -> None:
    part = failed("a.zip!/b.md", retryable=True)
    rows = {("docs", "a.zip"): STORED, ("docs", part.document): LedgerItem("now", failure=part)}
    assert [one.path for one in make_plan([item("a.zip")], rows).change] == ["a.zip"]


def test_a_stored_document_of_such_a_name_is_no_part() -> None:
    """A folder may be called `a!`."""
    rows = {("docs", "a"): STORED, ("docs", "a!/b.md"): STORED}
    assert make_plan([item("a")], rows).delete == (("docs", "a!/b.md"),)


def test_what_was_skipped_is_looked_at_again_when_its_reader_is_there() -> None:
    rows = {("docs", "a.pdf"): LedgerItem("now", skipped="no reader for .pdf files")}
    assert make_plan([item("a.pdf")], rows).skipped == (("docs", "a.pdf"),)
    plan = make_plan([item("a.pdf")], rows, still_skipped=lambda item, reason: False)
    assert [one.path for one in plan.add] == ["a.pdf"]
