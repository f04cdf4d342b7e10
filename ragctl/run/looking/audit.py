"""The audit trail of an index: its runs, and one run in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ragctl.errors import UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.ingesting.report import Counts
from ragctl.state.runs import RunRow, Runs

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

SCHEMA_VERSION = 1
LAST = "last"

# The database keeps an object's keys in an order of its own; people are shown this one.
_ORDER = (
    *("run_id", "command", "status", "error", "pipeline", "index", "generation", "published", "interrupted"),
    *("host", "started_at", "finished_at", "seconds", "timings", "counts", "usage", "embed", "still_stored"),
    *("recipe", "recipe_parts", "versions", "spec_path", "spec_digest", "overrides", "failures", "spec"),
)
_ORDERS = {
    "counts": [one.name for one in fields(Counts)],
    "timings": ["wait", "list", "plan", "stream", "delete", "publish", "prune"],
    "recipe_parts": ["extract", "chunk", "embed"],
    "versions": [
        "ragctl",
        "python",
        "platform",
        "postgresql",
        "pgvector",
        "weaviate",
        "embedder",
        "readers",
        "splitters",
    ],
    "spec": ["name", "sources", "extract", "chunk", "embed", "store", "ask"],
}


@dataclass(frozen=True, slots=True)
class RunHistory:
    """Runs on one index, the newest first."""

    index: str
    runs: list[RunRow]

    def as_json(self) -> dict[str, Any]:
        """The document that `ragctl runs SPEC list --format json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "index": self.index,
            "runs": [_short_json(run) for run in self.runs],
        }


@dataclass(frozen=True, slots=True)
class RunView:
    """One run in full.

    `documents` and `chunks` are those of it that are in the index's generations now.
    """

    index: str
    run: RunRow
    documents: int
    chunks: int

    def as_json(self) -> dict[str, Any]:
        """The document that `ragctl runs SPEC show RUN --format json` prints; see run.run_record."""
        document = {
            **self.run.record,
            "index": self.index,
            **_frame(self.run),
            "still_stored": {"documents": self.documents, "chunks": self.chunks},
        }
        for key, order in _ORDERS.items():
            if isinstance(document.get(key), Mapping):
                document[key] = _ordered(document[key], order)
        return {"schema_version": SCHEMA_VERSION, **_ordered(document, _ORDER)}


def _ordered(values: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """These keys first, as far as they are there; then the others."""
    return {**{key: values[key] for key in order if key in values}, **values}


def _frame(run: RunRow) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "pipeline": run.pipeline,
        "command": run.command,
        "host": run.host,
        "status": run.status,
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
    }


def _short_json(run: RunRow) -> dict[str, Any]:
    record = run.record
    kept = ("seconds", "generation", "published", "recipe", "counts", "usage", "error")
    return {
        **_frame(run),
        **{key: record.get(key) for key in kept},
        "failures": len(record.get("failures", ())),
    }


def history(loaded: LoadedSpec, *, last: int | None = None) -> RunHistory:
    """The runs on the spec's index, at most `last` of them.

    Raises:
        NothingPublished: no ingest has ever run here.
    """
    with Composition(loaded) as composition, database_errors():
        runs = Runs(composition.connect_to_existing(), composition.index)
        return RunHistory(composition.index, runs.latest(last))


def show_run(loaded: LoadedSpec, name: str) -> RunView:
    """One run, named as `find_run` takes it.

    Raises:
        UsageError: there is none, or several.
        NothingPublished: no ingest has ever run here.
    """
    with Composition(loaded) as composition, database_errors():
        runs = Runs(composition.connect_to_existing(), composition.index)
        run = find_run(runs, name)
        return RunView(composition.index, run, *runs.contribution(run.id))


def find_run(runs: Runs, name: str) -> RunRow:
    """The run of that name, of a name that begins so, or the newest one for `last`.

    Raises:
        UsageError: there is none, or several.
    """
    found = runs.latest(1) if name == LAST else runs.beginning_with(name)
    if len(found) == 1:
        return found[0]
    exact = [run for run in found if run.id == name]
    if exact:
        return exact[0]
    if found:
        names = ", ".join(run.id for run in found[:3]) + (", …" if len(found) > 3 else "")
        raise UsageError(
            f"{len(found)} runs begin with {name!r}: {names}", hint="give more of the run's name"
        )
    raise UsageError(
        "there are no runs on this index yet" if name == LAST else f"there is no run {name!r} on this index",
        hint="ragctl runs SPEC list shows them all",
    )
