"""doctor: is everything there, and do index, state and spec fit one another?"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ragctl import __version__
from ragctl.errors import ListingFailed, NothingPublished, RagctlError
from ragctl.run.composition import Composition, database_errors
from ragctl.state.ledger import Ledger

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec
    from ragctl.state.generations import Generation

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `fix` is what mends it, a command where there is one."""

    check: str
    ok: bool
    detail: str
    fix: str | None = None


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """The document that `ragctl doctor --format json` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": all(finding.ok for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }


def examine(loaded: LoadedSpec) -> list[Finding]:
    """Every check that can be made, in order; a failed one does not keep the others from being made.

    It starts the embedded server if there is a data directory, and changes nothing.
    """
    with Composition(loaded) as composition:
        findings = [
            Finding("ragctl", True, f"{__version__}, Python {platform.python_version()} on {sys.platform}")
        ]
        findings += [_check(f"source {source.name}", _listing(source)) for source in composition.sources]
        findings.append(_check("embedder", lambda: _embed(composition)))
        findings.append(_check("server", lambda: _server(composition)))
        findings += _index(composition)
        return findings


def _check(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except NothingPublished as error:
        return Finding(name, True, error.message, error.hint)
    except RagctlError as error:
        return Finding(name, False, str(error), error.hint)


def _listing(source: Any) -> Callable[[], str]:
    def look() -> str:
        items = sum(1 for _ in source.items())
        if not items:
            raise ListingFailed("it lists nothing", hint="look at path, include and exclude in the spec")
        return f"lists {items:,} items"

    return look


def _embed(composition: Composition) -> str:
    embedder = composition.embedder
    vector = embedder.embed_queries(["a question to see that the model runs"])[0]
    return f"{composition.spec.embed.model}, {len(vector)} dimensions, reads {embedder.max_tokens} tokens"


def _server(composition: Composition) -> str:
    if composition.server is None:
        with database_errors():
            return f"PostgreSQL {composition.connect_to_existing().info.server_version // 10000}"
    composition.connect_to_existing()
    status = composition.server.status()
    return f"embedded PostgreSQL {status.version}, data in {status.data}"


def _index(composition: Composition) -> Iterator[Finding]:
    try:
        with database_errors():
            generation = composition.active_generation()
            yield Finding("index", True, f"{composition.index}, generation {generation.number} is active")
            yield _recipe(composition, generation)
            yield _counts(composition, generation)
    except NothingPublished as error:
        yield Finding("index", True, error.message, error.hint)
    except RagctlError as error:
        yield Finding("index", False, str(error), error.hint)


def _recipe(composition: Composition, generation: Generation) -> Finding:
    if generation.recipe == composition.recipe.digest:
        return Finding("recipe", True, f"{generation.recipe[:12]}, as the spec says")
    parts = {
        "extract": composition.recipe.extract,
        "chunk": composition.recipe.chunk,
        "embed": composition.recipe.embed,
    }
    moved = [name for name, digest in parts.items() if generation.recipe_parts.get(name) != digest]
    return Finding(
        "recipe",
        False,
        f"the spec's {' and '.join(moved)} settings are not those that made the active generation",
        "ragctl ingest builds a new generation and then makes it the active one",
    )


def _counts(composition: Composition, generation: Generation) -> Finding:
    stored = composition.store_of(generation).counts()
    ledger = Ledger(composition.connect(), generation.id).counts()
    if stored == ledger:
        return Finding("contents", True, f"{stored[0]:,} documents, {stored[1]:,} chunks, as the ledger says")
    return Finding(
        "contents",
        False,
        f"{stored[0]:,} documents and {stored[1]:,} chunks stored, "
        f"the ledger says {ledger[0]:,} and {ledger[1]:,}",
        "give the spec a new store.index and ingest again",
    )


def stop_server(loaded: LoadedSpec) -> bool:
    """Stops the embedded server; True if it ran."""
    with Composition(loaded) as composition:
        return composition.server.stop() if composition.server is not None else False
