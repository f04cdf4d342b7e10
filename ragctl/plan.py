"""What an ingest would do: listed items × ledger × mode → add, change, delete, unchanged, known. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ragctl.errors import DeletionRefused, ListingFailed, UnidentifiedDocument
from ragctl.types import Failure, Item, ItemKey, LedgerItem

Existing = Literal["replace", "skip", "error"]
GUARD_MINIMUM = 10
GUARD_SHARE = 0.10
INSIDE = "!/"
"""Between the path of an item and that of a part of it, as in `file.zip!/inner.md`."""
_SEGMENT_END = re.compile(r"#[0-9]+$")


@dataclass(frozen=True, slots=True)
class Plan:
    """The items by what is to become of them. `add` and `change` are read; the rest is not."""

    add: tuple[Item, ...] = ()
    change: tuple[Item, ...] = ()
    unchanged: tuple[ItemKey, ...] = ()
    skipped: tuple[ItemKey, ...] = ()
    known_failures: tuple[Failure, ...] = ()
    delete: tuple[ItemKey, ...] = ()
    listed: int = 0
    unlisted: tuple[Failure, ...] = field(default=())

    @property
    def to_read(self) -> tuple[Item, ...]:
        return self.add + self.change


def make_plan(
    listing: Iterable[Item | Failure],
    ledger: Mapping[ItemKey, LedgerItem],
    *,
    existing: Existing = "replace",
    retry_failed: bool = False,
    still_skipped: Callable[[Item, str], bool] = lambda item, reason: True,
) -> Plan:
    """Sorts every listed and every known item.

    An item whose fingerprint is the ledger's is left alone: unchanged, skipped or known to fail as
    before. Any other is read, and may turn out not to have changed. Unless `existing` is `"replace"`,
    nothing is deleted; nor is anything of a source that is unsure, see `unsure_sources`. With
    `retry_failed`, what failed for good is tried once more.

    A part of an item (`file.zip!/inner.md`) that failed has a row of its own, and is known as long as the
    item is as it was.

    Args:
        still_skipped: is this item to be left out for the reason for which it was?
    """
    add: list[Item] = []
    change: list[Item] = []
    unchanged: list[ItemKey] = []
    skipped: list[ItemKey] = []
    known: list[Failure] = []
    unlisted: list[Failure] = []
    seen: set[ItemKey] = set()
    failed_parts = _failed_parts(ledger)
    for item in listing:
        if isinstance(item, Failure):
            unlisted.append(item)
            seen.add((item.source, item.document))
            continue
        key = (item.source, item.path)
        seen.add(key)
        row = ledger.get(key)
        parts = failed_parts.get(key, [])
        if row is None:
            add.append(item)
        elif (
            not item.fingerprint
            or row.fingerprint != item.fingerprint
            or any(_worth_retrying(one, retry_failed) for one in (row, *parts))
            or (row.skipped is not None and not still_skipped(item, row.skipped))
        ):
            (change if row.stored else add).append(item)
        else:
            known += [one.failure for one in (row, *parts) if one.failure is not None]
            if row.skipped is not None:
                skipped.append(key)
            elif row.failure is None:
                unchanged.append(key)
    unsure = unsure_sources(unlisted)
    gone = [
        key
        for key, row in ledger.items()
        if key not in seen and key[0] not in unsure and not is_part(key, row, seen)
    ]
    return Plan(
        add=tuple(add),
        change=tuple(change),
        unchanged=tuple(unchanged),
        skipped=tuple(skipped),
        known_failures=tuple(known),
        delete=tuple(sorted(gone)) if existing == "replace" else (),
        listed=len(seen),
        unlisted=tuple(unlisted),
    )


def outer_paths(path: str) -> Iterator[str]:
    """The paths of items that a document of this path may be a part or a segment of, the longest first."""
    found = _SEGMENT_END.search(path)
    if found:
        yield path[: found.start()]
    at = path.rfind(INSIDE)
    while at > 0:
        yield path[:at]
        at = path.rfind(INSIDE, 0, at)


def is_part(key: ItemKey, row: LedgerItem, listed: Container[ItemKey]) -> bool:
    """Is it the row of a part that failed, of an item that is listed?"""
    return not row.stored and any((key[0], outer) in listed for outer in outer_paths(key[1]))


def _failed_parts(ledger: Mapping[ItemKey, LedgerItem]) -> dict[ItemKey, list[LedgerItem]]:
    """Rows of parts that failed, by every item that they may be part of."""
    found: dict[ItemKey, list[LedgerItem]] = {}
    for (source, path), row in ledger.items():
        if row.failure is not None and not row.stored:
            for outer in outer_paths(path):
                found.setdefault((source, outer), []).append(row)
    return found


def unsure_sources(listing: Iterable[Item | Failure]) -> frozenset[str]:
    """Sources of whose documents none is known to be gone.

    They list something which may be any of them, or could not be listed to their end.
    """
    unsure = (UnidentifiedDocument.kind, ListingFailed.kind)
    return frozenset(one.source for one in listing if isinstance(one, Failure) and one.error in unsure)


def _worth_retrying(row: LedgerItem, retry_failed: bool) -> bool:
    return row.failure is not None and (row.failure.retryable or retry_failed)


def guard_deletions(
    delete: Sequence[ItemKey], stored: Iterable[ItemKey], *, allow_delete: int | None = None
) -> None:
    """Refuses to lose more than `max(10, 10 %)` of a source or of all, or all of a source.

    Args:
        delete: items that would go.
        stored: items that are in the index now.
        allow_delete: this many may go whatever their share.

    Raises:
        DeletionRefused: naming the count and the option that allows it.
    """
    in_index = set(stored)
    before = Counter(source for source, _ in in_index)
    going = Counter(key[0] for key in delete if key in in_index)
    total = sum(going.values())
    if not total or (allow_delete is not None and total <= allow_delete):
        return
    for source, count in sorted(going.items()):
        if count == before[source]:
            raise _refusal(f"all {count:,} documents of the source {source!r} would be deleted", total)
        if count > _allowed(before[source]):
            raise _refusal(
                f"{count:,} of the {before[source]:,} documents of the source {source!r} would be deleted",
                total,
            )
    if total > _allowed(sum(before.values())):
        raise _refusal(f"{total:,} of all {sum(before.values()):,} documents would be deleted", total)


def _allowed(documents: int) -> float:
    return max(GUARD_MINIMUM, GUARD_SHARE * documents)


def _refusal(message: str, total: int) -> DeletionRefused:
    return DeletionRefused(
        f"{message}; nothing was written",
        hint=f"is the source complete (a mount, a checkout)? If they are to go: --allow-delete {total}",
    )
