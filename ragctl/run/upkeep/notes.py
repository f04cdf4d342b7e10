"""The note that each generation's tables carry of what made them: what a lost state is rebuilt from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch
from ragctl.state.generations import Generation
from ragctl.state.ledger_repair import LedgerRepair

if TYPE_CHECKING:
    from ragctl.run.composition import Composition

NOTE_VERSION = 1


def note_of(generation: Generation, pipeline: str) -> dict[str, Any]:
    """The generation's row in the state and the pipeline that it belongs to, as JSON values."""
    return {
        "ragctl": NOTE_VERSION,
        "pipeline": pipeline,
        "index": generation.index,
        "number": generation.number,
        "recipe": generation.recipe,
        "recipe_parts": dict(generation.recipe_parts),
        "settings": dict(generation.settings),
        "embedder": generation.embedder,
        "dimension": generation.dimension,
        "status": generation.status,
        "created_at": _text(generation.created_at),
        "published_at": _text(generation.published_at),
    }


def generation_of(
    note: Mapping[str, Any], *, pipeline: str, index: str, number: int, store: str = "pgvector"
) -> Generation:
    """The generation that a note on the tables of `index`'s generation `number` tells of; without an `id`.

    Raises:
        Mismatch: there is no note, a newer ragctl wrote it, or it tells of another pipeline's or
            another index's tables.
    """
    place = f"generation {number} of {index!r}"
    if not note:
        raise Mismatch(
            "the tables carry no note of what made them (the first release wrote none, or it was removed)",
            where=place,
            hint="bring back a backup of the schema ragctl, or give the spec a new store.index",
        )
    if note["ragctl"] != NOTE_VERSION:
        raise Mismatch(
            f"the note on the tables has version {note['ragctl']}, this ragctl knows version {NOTE_VERSION}",
            where=place,
            hint="a newer ragctl wrote it: install that version or a later one",
        )
    if (note["pipeline"], note["index"], note["number"]) != (pipeline, index, number):
        raise Mismatch(
            f"the tables are generation {note['number']} of the index {note['index']!r} and belong to the "
            f"pipeline {note['pipeline']!r}, not to {pipeline!r}",
            where=place,
            hint="use that pipeline's spec, or give this one an index of its own (store.index)",
        )
    return Generation(
        id=0,
        index=index,
        number=number,
        recipe=note["recipe"],
        recipe_parts=note["recipe_parts"],
        embedder=note["embedder"],
        dimension=note["dimension"],
        status=note["status"],
        settings=note["settings"],
        created_at=_time(note["created_at"]),
        published_at=_time(note["published_at"]),
        store=store,
    )


def stale_notes(composition: Composition) -> list[Generation]:
    """Generations whose note is missing or does not say what the state says."""
    catalog = composition.catalog(composition.connect())
    notes = {one.number: one.note for one in catalog.found(composition.index) if one.whole}
    return [
        one
        for one in composition.generations().all()
        if one.number in notes and notes[one.number] != note_of(one, composition.spec.name)
    ]


def write_notes(composition: Composition) -> int:
    """Brings the notes up to the state; call it in the transaction that changes the state of a generation.

    Documents that an earlier release stored also get what their rows lack. Returns how many notes
    were not as they should be.
    """
    connection = composition.connect()
    stale = stale_notes(composition)
    for generation in stale:
        composition.catalog(connection).write_note(
            generation.table_prefix, note_of(generation, composition.spec.name)
        )
        describe_documents(composition, generation)
    return len(stale)


def describe_documents(composition: Composition, generation: Generation) -> int:
    """Writes item, reader and fingerprint beside documents that have none; returns how many."""
    survey = composition.survey_of(generation)
    if not survey.without_record():
        return 0
    survey.create()  # the columns
    return survey.describe(list(LedgerRepair(composition.connect(), generation.id).records().values()))


def _text(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat() if time else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
