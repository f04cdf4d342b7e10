"""What is in an index: its documents, and one document with its chunks and failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.errors import UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.state.ledger import Ledger

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class IndexOverview:
    """Every item of the active generation and its state."""

    index: str
    generation: int
    items: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "index": self.index,
            "generation": self.generation,
            "documents": [_item_json(row) for row in self.items],
        }


@dataclass(frozen=True, slots=True)
class DocumentView:
    """One document: what the ledger says, and its chunks in order."""

    index: str
    generation: int
    row: dict[str, Any]
    chunks: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "index": self.index,
            "generation": self.generation,
            **_item_json(self.row),
            "chunks": self.chunks,
        }


def item_state(row: dict[str, Any]) -> str:
    """stored, skipped, failed, or `old version` (it failed, and the version before is still there)."""
    if row["failure"]:
        return "old version" if row["stored"] else "failed"
    return "skipped" if row["skipped"] else "stored"


def _item_json(row: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in row.items() if not key.endswith("_at")}
    times = {key: value.isoformat() if value else None for key, value in row.items() if key.endswith("_at")}
    shown["document"] = shown.pop("path")
    if isinstance(shown.get("chunks"), int):
        shown["chunk_count"] = shown.pop("chunks")
    return {"state": item_state(row), **shown, **times}


def overview(loaded: LoadedSpec) -> IndexOverview:
    """All documents of the spec's index.

    Raises:
        NothingPublished: there is nothing yet.
    """
    with Composition(loaded) as composition, database_errors():
        generation = composition.active_generation()
        rows = Ledger(composition.connect(), generation.id).overview()
        return IndexOverview(composition.index, generation.number, rows)


def show_document(loaded: LoadedSpec, name: str) -> DocumentView:
    """One document, named by its path or `source:path`.

    Raises:
        UsageError: there is none of that name, or more than one source has it.
        NothingPublished: there is nothing yet.
    """
    with Composition(loaded) as composition, database_errors():
        generation = composition.active_generation()
        ledger = Ledger(composition.connect(), generation.id)
        row = _find(ledger, name, [source.name for source in composition.spec.sources])
        chunks = composition.store_of(generation).chunks_of(row["source"], row["path"])
        return DocumentView(composition.index, generation.number, row, chunks)


def _find(ledger: Ledger, name: str, sources: list[str]) -> dict[str, Any]:
    rows = ledger.document(name)
    prefix, _, rest = name.partition(":")
    if not rows and prefix in sources:
        rows = ledger.document(rest, prefix)
    if len(rows) > 1:
        options = ", ".join(f"{row['source']}:{row['path']}" for row in rows)
        raise UsageError(f"several sources have a document {name!r}", hint=f"name one of {options}")
    if not rows:
        raise UsageError(f"there is no document {name!r} in the index", hint=_nearest(ledger, name))
    return rows[0]


def _nearest(ledger: Ledger, name: str) -> str | None:
    from difflib import get_close_matches

    paths = [row["path"] for row in ledger.overview()]
    ending = [path for path in paths if path.endswith(f"/{name}")]
    close = ending or get_close_matches(name, paths, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(map(repr, close[:3]))}?" if close else None
