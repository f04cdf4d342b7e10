"""What a kind of DAG says of itself, for the file to be put together from."""

from __future__ import annotations

from dataclasses import dataclass

from ragctl.export.imports import Imports
from ragctl.export.options import ExportOptions
from ragctl.export.python_text import Value
from ragctl.export.steps import Step
from ragctl.spec.model import Spec


@dataclass(frozen=True, slots=True)
class DagParts:
    """A DAG, without what is the same for all kinds.

    Attributes:
        does: what it does, in a few words; ends the head's first line.
        steps: its tasks; a task that only tells Airflow something is not among them.
        arguments: of the `@dag` decorator, without `dag_id`, `tags` and `doc_md`.
        body: lines of the DAG's function, not indented.
        constants: lines that stand before it.
        imports: those that the lines and arguments need.
    """

    does: str
    steps: list[Step]
    arguments: dict[str, Value]
    body: list[str]
    constants: list[str]
    imports: Imports


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a DAG is made of: the spec, and what was chosen."""

    spec: Spec
    options: ExportOptions
