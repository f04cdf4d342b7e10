"""What an ingest did: counts, usage, failures; the JSON of `ragctl ingest`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from ragctl.errors import ListingFailed, RagctlError, TooManyFailures
from ragctl.run.ingesting.format_tally import FormatTally
from ragctl.run.usage import total_usage, usage_json
from ragctl.types import Failure, StoredDocument, Usage

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
        lacking: documents of the active generation that the new one lacks, if it was not published.
        interrupted: the run was asked to stop and did so after whole documents.
        ignored: is this failure one that does not count?
        skipped: (source, document, reason) of items and parts that have no reader, those of this run only.
        tokens: of what was embedded and stored, as ragctl counts them.
        cost_usd: None where a price is unknown.
        usage: what models were asked for, by stage, as their providers count.
        tally: what was read in this run, by format; and what was not what its name says.
        texts_found: items whose text was kept from an earlier reading.
        trial: it was written to a generation of an experiment, which is not to be queried by others.
        selection: with `provider: auto`, how the embedder was chosen, see `SelectionReport`.
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
    usage: dict[str, Usage] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    skipped: list[tuple[str, str, str]] = field(default_factory=list)
    published: bool = False
    interrupted: bool = False
    lacking: int = 0
    ignored: Callable[[Failure], bool] = lambda failure: False
    selection: Mapping[str, Any] | None = None
    tally: FormatTally = field(default_factory=FormatTally)
    texts_found: int = 0
    trial: bool = False

    def add_usage(self, stage: str, usage: Usage) -> None:
        """Counts what a stage's model was asked for."""
        before = self.usage.get(stage, Usage())
        self.usage[stage] = before + usage
        self.cost_usd = total_usage(self.usage).cost_usd

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
            "usage": usage_json(self.usage, tokens=self.tokens, cost_usd=self.cost_usd),
            "failures": [{**asdict(failure), "ignored": self.ignored(failure)} for failure in self.failures],
            "published": self.published,
            "lacking": self.lacking,
            "interrupted": self.interrupted,
            "selection": self.selection,
            "skipped": [
                {"source": source, "document": document, "reason": reason}
                for source, document, reason in self.skipped
            ],
            "formats": self.tally.as_json(),
            "texts_found": self.texts_found,
            "mislabelled": [
                {"source": source, "document": document, "note": note}
                for source, document, note in self.tally.mislabelled
            ],
        }

    def _unlisted(self) -> ListingFailed | None:
        """The first source that could not be listed, if there is one; no `ignore` makes that right."""
        broken = [failure for failure in self.failures if failure.error == ListingFailed.kind]
        if not broken:
            return None
        others = f", and {len(broken) - 1:,} more" if len(broken) > 1 else ""
        return ListingFailed(
            f"{broken[0].message}{others}; nothing of it was deleted, and the other sources were ingested",
            where=broken[0].document,
            hint="run it again when the source can be listed",
        )

    def verdict(self, max_failures: int, command: Callable[[str], str]) -> RagctlError | None:
        """The error that the exit code comes from, if the run did not end as the spec wants.

        Args:
            max_failures: documents that may fail.
            command: makes a command line for this spec of a command's name, for the hint.
        """
        if not self.interrupted and (unlisted := self._unlisted()):
            return unlisted
        counting = sum(not self.ignored(failure) for failure in self.failures)
        if self.interrupted or (counting <= max_failures and (self.published or self.trial)):
            return None
        if counting > max_failures:
            plural = "document" if counting == 1 else "documents"
            others = f", not counting {len(self.failures) - counting:,} that `ignore` names"
            state = "" if self.published else "; the new generation was not published"
            return TooManyFailures(
                f"{counting:,} {plural} failed{others if counting < len(self.failures) else ''}, "
                f"the spec allows {max_failures:,}{state}",
                where="max_failures",
                hint=f"{command('show')} --failed lists them; in the spec, max_failures says how many may "
                "fail and ignore names those that do not count",
            )
        if self.lacking:
            return TooManyFailures(
                f"the new generation was not published: it lacks {self.lacking:,} "
                f"{'document' if self.lacking == 1 else 'documents'} of the active one",
                hint="--allow-partial publishes without them",
            )
        return TooManyFailures(
            "there is nothing to publish: no document was stored",
            hint=f"{command('show')} says what became of them",
        )
