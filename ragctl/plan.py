"""What an ingest would do: listed items × ledger × mode → add, change, delete, unchanged, known. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ragctl.errors import DeletionRefused, UnidentifiedDocument
from ragctl.types import Failure, Item, ItemKey, LedgerItem

Existing = Literal["replace", "skip", "error"]
GUARD_MINIMUM = 10
GUARD_SHARE = 0.10


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
) -> Plan:
    """Sorts every listed and every known item.

    An item whose fingerprint is the ledger's is left alone: unchanged, skipped or known to fail as
    before. Any other is read, and may turn out not to have changed. Unless `existing` is `"replace"`,
    nothing is deleted; nor is anything of a source that is unsure, see `unsure_sources`. With
    `retry_failed`, what failed for good is tried once more.
    """
    add: list[Item] = []
    change: list[Item] = []
    unchanged: list[ItemKey] = []
    skipped: list[ItemKey] = []
    known: list[Failure] = []
    unlisted: list[Failure] = []
    seen: set[ItemKey] = set()
    for item in listing:
        if isinstance(item, Failure):
            unlisted.append(item)
            seen.add((item.source, item.document))
            continue
        key = (item.source, item.path)
        seen.add(key)
        row = ledger.get(key)
        if row is None:
            add.append(item)
        elif (
            not item.fingerprint or row.fingerprint != item.fingerprint or _worth_retrying(row, retry_failed)
        ):
            (change if row.stored else add).append(item)
        elif row.failure is not None:
            known.append(row.failure)
        elif row.skipped is not None:
            skipped.append(key)
        else:
            unchanged.append(key)
    unsure = unsure_sources(unlisted)
    gone = [key for key in ledger if key not in seen and key[0] not in unsure]
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


def unsure_sources(listing: Iterable[Item | Failure]) -> frozenset[str]:
    """Sources that list something which may be any of their documents: none of these is known to be gone."""
    unidentified = UnidentifiedDocument.kind
    return frozenset(one.source for one in listing if isinstance(one, Failure) and one.error == unidentified)


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
