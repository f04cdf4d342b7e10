"""What an ingest did: counts, usage, failures; the JSON of `ragctl ingest`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from ragctl.errors import RagctlError, TooManyFailures
from ragctl.types import Failure, StoredDocument

SCHEMA_VERSION = 1


@dataclass(slots=True)
class Counts:
    """Items by outcome, and chunks. docs/ingest.md says what each counts."""

    listed: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    skipped: int = 0
    failed: int = 0
    chunks: int = 0
    embedded: int = 0
    cached: int = 0
    truncated: int = 0

    def add_stored(self, stored: StoredDocument, *, was_there: bool) -> None:
        if was_there:
            self.changed += 1
        else:
            self.added += 1
        self.chunks += stored.chunks
        self.embedded += stored.embedded
        self.cached += stored.cached


@dataclass(slots=True)
class IngestReport:
    """The outcome of one ingest.

    Attributes:
        generation: number of the generation that was written to.
        published: the generation is the one that is queried.
        interrupted: the run was asked to stop and did so after whole documents.
        skipped: (source, document, reason) of items that have no reader, those of this run only.
        cost_usd: None where a price is unknown.
    """

    run_id: str
    pipeline: str
    index: str
    generation: int
    recipe: str
    started_at: datetime
    seconds: float = 0.0
    counts: Counts = field(default_factory=Counts)
    tokens: int = 0
    cost_usd: float | None = 0.0
    failures: list[Failure] = field(default_factory=list)
    skipped: list[tuple[str, str, str]] = field(default_factory=list)
    published: bool = False
    interrupted: bool = False

    def as_json(self) -> dict[str, Any]:
        """The document that `--format json` prints; fields may be added, none changed."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "index": self.index,
            "generation": self.generation,
            "recipe": self.recipe,
            "started_at": self.started_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "counts": {one.name: getattr(self.counts, one.name) for one in fields(self.counts)},
            "usage": {"tokens": self.tokens, "cost_usd": self.cost_usd},
            "failures": [asdict(failure) for failure in self.failures],
            "published": self.published,
            "interrupted": self.interrupted,
        }

    def verdict(self, max_failures: int, command: Callable[[str], str]) -> RagctlError | None:
        """The error that the exit code comes from, if the run did not end as the spec wants.

        Args:
            max_failures: documents that may fail.
            command: makes a command line for this spec of a command's name, for the hint.
        """
        if len(self.failures) <= max_failures or self.interrupted:
            return None
        plural = "document" if len(self.failures) == 1 else "documents"
        state = "" if self.published else "; the new generation was not published"
        return TooManyFailures(
            f"{len(self.failures)} {plural} failed, the spec allows {max_failures}{state}",
            where="max_failures",
            hint=f"{command('show')} DOCUMENT says more; max_failures in the spec says how many may fail",
        )
