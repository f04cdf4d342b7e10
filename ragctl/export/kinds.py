"""The kinds of DAG that a spec can become. A further one is a member of `Kind` and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ragctl.export.ask_dag import ask_parts
from ragctl.export.dag_parts import DagParts, Wanted
from ragctl.export.experiment_dag import experiment_parts
from ragctl.export.ingest_dag import ingest_parts
from ragctl.export.options import Kind

# Where an ask of another type has other tasks, `ask_parts` is the place that looks at the spec's type.
PARTS: Mapping[Kind, Callable[[Wanted], DagParts]] = {
    Kind.INGEST: ingest_parts,
    Kind.ASK: ask_parts,
    Kind.EXPERIMENT: experiment_parts,
}


def dag_id(name: str, kind: Kind) -> str:
    """The id of a pipeline's DAG of this kind."""
    return f"{name}_{kind}"


def parts_of(wanted: Wanted) -> DagParts:
    """The DAG of the kind that was chosen."""
    return PARTS[wanted.options.kind](wanted)
