"""State against spec: is the index the spec's, is the state whole, was a run left behind?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from ragctl.errors import NothingPublished, RagctlError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.doctor.bloat import look_at_bloat
from ragctl.run.doctor.contents import look_at_contents
from ragctl.run.doctor.finding import Finding
from ragctl.state.generations import Generation
from ragctl.state.lease import is_held
from ragctl.state.ledger import Ledger
from ragctl.state.runs import Runs


def look_at_index(composition: Composition) -> Iterator[Finding]:
    """Everything about the index that the state and the store can tell."""
    try:
        with database_errors():
            connection = composition.connect_to_existing()
            generations = composition.generations()
            generations.check_owner(composition.spec.name)
            active = generations.active()
            yield _active(composition, active)
            if active is not None:
                yield _embedder(composition, active)
                yield _recipe(composition, active)
                yield from _failures(composition, active)
            yield from _dead_runs(composition)
            with connection.transaction():
                # One view of everything, whatever a run in progress writes meanwhile.
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                yield from look_at_contents(composition)
            yield from look_at_bloat(composition)
    except NothingPublished as error:
        yield Finding("index", True, error.message, error.hint)
    except RagctlError as error:
        yield Finding("state" if error.kind == "state_lost" else "index", False, str(error), error.hint)


def _active(composition: Composition, active: Generation | None) -> Finding:
    if active is None:
        nothing = composition.nothing_published()
        return Finding("index", True, nothing.message, nothing.hint)
    return Finding("index", True, f"{composition.index}, generation {active.number} is active")


def _embedder(composition: Composition, active: Generation) -> Finding:
    identity = composition.embedder.identity
    if active.embedder == identity:
        return Finding("vectors' embedder", True, identity)
    return Finding(
        "vectors' embedder",
        False,
        f"the index was made by {active.embedder!r}, the spec names {identity!r}; it cannot be asked",
        f"name the index's embedder in the spec again; or {composition.command('ingest')} builds a new "
        "generation",
    )


def _recipe(composition: Composition, active: Generation) -> Finding:
    if active.recipe == composition.recipe.digest:
        return Finding("recipe", True, f"{active.recipe[:12]}, as the spec says")
    parts = asdict(composition.recipe)
    moved = [name for name, digest in parts.items() if active.recipe_parts.get(name) != digest]
    return Finding(
        "recipe",
        False,
        f"the spec's {' and '.join(moved)} settings are not those that made the active generation",
        f"{composition.command('ingest')} builds a new generation and then makes it the active one",
    )


def _failures(composition: Composition, active: Generation) -> Iterator[Finding]:
    failed = [row for row in Ledger(composition.connect(), active.id).items().values() if row.failure]
    if failed:
        first = failed[0].failure
        assert first is not None  # that is what was asked for
        yield Finding(
            "failures",
            True,
            f"known: {len(failed):,}, the first is {first.source}:{first.document}: {first.message}",
            f"{composition.command('ingest', '--retry-failed')}, once they have been mended",
            warning=True,
        )


def _dead_runs(composition: Composition) -> Iterator[Finding]:
    connection = composition.connect()
    left = [run for run in Runs(connection, composition.index).latest() if run.status == "running"]
    if left and not is_held(connection, composition.index):
        yield Finding(
            "runs",
            False,
            f"noted as running, and its process is gone: {left[0].id} on {left[0].host}"
            + (f" and {len(left) - 1:,} before it" if len(left) > 1 else ""),
            f"{composition.command('doctor', '--repair')} closes the record; the next ingest does so too",
        )
