"""Which documents failed, where, why, how often and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.ingesting.ignored_failures import IgnoredFailures
from ragctl.state.ledger import Ledger

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class FailedItem:
    """One document whose last try failed.

    Attributes:
        generation: number of the generation that it was meant for.
        active: that is the one that is queried; else it is being built.
        retryable: every ingest tries it again; else only with `retry_failed`, or when it changes.
        attempts: tries since it last went well.
        first_failed_at, failed_at: the first and the last of these.
        stored: the version before it is still in the index.
        ignored: the spec's `ignore` names it.
    """

    generation: int
    active: bool
    source: str
    document: str
    stage: str
    error: str
    message: str
    retryable: bool
    attempts: int
    first_failed_at: datetime
    failed_at: datetime
    stored: bool
    ignored: bool

    def as_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in values.items()
        }


@dataclass(frozen=True, slots=True)
class FailedItems:
    """Those of an index, by generation, source and path."""

    index: str
    items: list[FailedItem]

    def as_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "index": self.index,
            "failed": [item.as_json() for item in self.items],
        }


def failed_items(loaded: LoadedSpec) -> FailedItems:
    """The failed documents of the active generation and of one that is being built.

    Raises:
        NothingPublished: no ingest has run yet.
    """
    with Composition(loaded) as composition, database_errors():
        connection = composition.connect_to_existing()
        ignored = IgnoredFailures(composition.spec.ignore)
        generations = [one for one in composition.generations().all() if one.status in ("active", "building")]
        if not generations:
            raise composition.nothing_published()
        items = {
            (generation.id, row["source"], row["failure"]["document"]): _item(
                row, generation.number, generation.status == "active", ignored
            )
            for generation in generations
            for row in Ledger(connection, generation.id).overview()
            if row["failure"]
        }
        return FailedItems(composition.index, list(items.values()))


def _item(row: dict[str, Any], generation: int, active: bool, ignored: IgnoredFailures) -> FailedItem:
    failure = row["failure"]
    return FailedItem(
        generation=generation,
        active=active,
        source=row["source"],
        document=failure["document"],  # the item, where it failed as one and has several documents
        stage=failure["stage"],
        error=failure["error"],
        message=failure["message"],
        retryable=failure["retryable"],
        attempts=row["attempts"],
        first_failed_at=row["first_failed_at"],
        failed_at=row["failed_at"],
        stored=row["stored"],
        ignored=ignored.names(row["source"], failure["document"]),
    )
