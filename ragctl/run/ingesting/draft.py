"""The draft of an ingest: what is listed, where it goes, what is to be done and what is refused.

`ragctl plan` shows it and `ragctl ingest` carries it out; both make it here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ragctl.errors import GuardRefused, ListingFailed
from ragctl.plan import Plan, guard_deletions, is_part, make_plan, unsure_sources
from ragctl.ports import Source
from ragctl.run.composition import Composition
from ragctl.run.ingesting.reading import digest_of
from ragctl.run.stopwatch import Stopwatch
from ragctl.run.upkeep.generation_choice import Target, choose_target
from ragctl.state.generations import Generations
from ragctl.types import Failure, Item, ItemKey, LedgerItem

# An identity is the key of tables, and PostgreSQL's index entries end at 2,704 bytes.
LONGEST_PATH_BYTES = 2000
TELL_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Draft:
    """Nothing of it has been done yet.

    Attributes:
        ledger: what is known of the items in the generation that is written to.
        gone: items that are not listed any more, by the id of the generation that has them.
        deleted: those of them that are stored in the active generation or in the one written to.
        stored: items that are stored in the active generation or in the one written to.
    """

    plan: Plan
    target: Target
    ledger: dict[ItemKey, LedgerItem]
    gone: dict[int, list[ItemKey]]
    deleted: frozenset[ItemKey]
    stored: frozenset[ItemKey]


def make_draft(
    composition: Composition,
    generations: Generations,
    *,
    allow_delete: int | None = None,
    retry_failed: bool = False,
    watch: Stopwatch | None = None,
    into: int | None = None,
    undo_rollback: bool = False,
    trial: bool = False,
) -> Draft:
    """Lists the sources and sorts what they list. Writes nothing.

    Args:
        allow_delete: this many documents may be deleted whatever their share.
        retry_failed: try again what failed for good, too.
        watch: told of the phases `list` and `plan`.
        into, undo_rollback, trial: see `choose_target`.

    Raises:
        GuardRefused: no source can be listed, one lists nothing, or too much would be deleted.
    """
    watch = watch or Stopwatch()
    generations.check_owner(composition.spec.name)
    with watch.phase("list"):
        listing = _list(composition, allow_delete)
    with watch.phase("plan"):
        target = choose_target(composition, generations, into=into, undo_rollback=undo_rollback, trial=trial)
        return _draft(composition, target, listing, allow_delete, retry_failed)


def _draft(
    composition: Composition,
    target: Target,
    listing: list[Item | Failure],
    allow_delete: int | None,
    retry_failed: bool,
) -> Draft:
    existing = composition.spec.store.existing
    ledger = target.ledger_items()
    readers = composition.document_readers
    plan = make_plan(
        listing,
        ledger,
        existing=existing,
        retry_failed=retry_failed,
        still_skipped=readers.still_skips,
    )
    if existing == "error":
        _guard_existing(composition, plan, ledger)
    broken = [one for one in listing if isinstance(one, Failure) and one.error == ListingFailed.kind]
    # what may be deleted says nothing about sources that could not be listed
    unsure = unsure_sources(listing if allow_delete is None else broken)
    gone, stored = _gone(target, listing, unsure)
    listed = _keys(listing)
    deleted = frozenset(key for key in stored if key not in listed and key[0] not in unsure)
    if existing != "replace":
        gone, deleted = {}, frozenset()
    if not target.trial:  # which nobody asks but the experiment that it is brought up to date for
        guard_deletions(sorted(deleted), stored, allow_delete=allow_delete)
    return Draft(plan, target, ledger, gone, deleted, frozenset(stored))


def _guard_existing(composition: Composition, plan: Plan, ledger: Mapping[ItemKey, LedgerItem]) -> None:
    """With `existing: error`, refuses to touch what is stored already.

    Raises:
        GuardRefused: naming the first of the changed documents.
    """
    changed = [
        item for item in plan.change if digest_of(composition, item) != ledger[item.source, item.path].digest
    ]
    if changed:
        verb = "is stored already and has" if len(changed) == 1 else "are stored already and have"
        raise GuardRefused(
            f"{len(changed):,} of the documents {verb} changed, "
            f"the first is {changed[0].source}:{changed[0].path}; nothing was written",
            where="store.existing: error",
            hint="`existing: replace` replaces them, `existing: skip` leaves them as they are",
        )


def _list(composition: Composition, allow_delete: int | None) -> list[Item | Failure]:
    listing: list[Item | Failure] = []
    broken: list[ListingFailed] = []
    for source in composition.sources:
        before = len(listing)
        try:
            listing.extend(_storable(item) for item in _told(source, composition.tell))
        except ListingFailed as error:  # of what it listed nothing is lost, and the others go on
            broken.append(error)
            listing.append(_unlisted(source.name, error))
            continue
        if len(listing) == before and allow_delete is None:
            raise ListingFailed(
                f"the source {source.name!r} lists nothing; nothing was written",
                hint="look at its path, include and exclude; if it is to be empty: --allow-delete N",
            )
    if len(broken) == len(composition.sources):
        raise broken[0]
    return listing


def _told(source: Source, tell: Callable[[str], None]) -> Iterator[Item | Failure]:
    """The source's listing, with a sentence now and then where it takes long."""
    told = time.monotonic()
    for count, item in enumerate(source.items(), start=1):
        if time.monotonic() - told >= TELL_EVERY_S:
            told = time.monotonic()
            tell(f"listing {source.name!r}: {count:,} so far")
        yield item


def _unlisted(source: str, error: ListingFailed) -> Failure:
    """A source that could not be listed to its end. What it listed before that is taken."""
    return Failure(source, error.where or source, "list", error.kind, error.message, retryable=True)


def _storable(item: Item | Failure) -> Item | Failure:
    if isinstance(item, Item) and len(item.path.encode("utf-8")) > LONGEST_PATH_BYTES:
        message = f"its path is longer than {LONGEST_PATH_BYTES:,} bytes"
        return Failure(item.source, item.path, "list", "malformed", message, retryable=False)
    return item


def _keys(listing: Sequence[Item | Failure]) -> set[ItemKey]:
    return {(one.source, one.document if isinstance(one, Failure) else one.path) for one in listing}


def _gone(
    target: Target, listing: Sequence[Item | Failure], unsure: Container[str]
) -> tuple[dict[int, list[ItemKey]], set[ItemKey]]:
    """What each generation has that is not listed, and what is stored now in those that matter.

    Args:
        unsure: sources of which nothing that is stored is taken for gone.
    """
    listed = _keys(listing)
    gone: dict[int, list[ItemKey]] = {}
    stored: set[ItemKey] = set()
    for generation, rows in target.known_items():
        gone[generation.id] = sorted(
            key
            for key, row in rows.items()
            if key not in listed and not (row.stored and key[0] in unsure) and not is_part(key, row, listed)
        )
        if generation in (target.active, target.existing):
            stored.update(key for key, row in rows.items() if row.stored)
    return gone, stored
