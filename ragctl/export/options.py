"""What can be chosen of an exported DAG, and how the file itself says what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal


class Kind(StrEnum):
    """What the DAG does."""

    INGEST = "ingest"
    ASK = "ask"
    EXPERIMENT = "experiment"


Base = Literal["file", "worker"]
"""Where the path of the spec is seen from: the folder of the DAG file, or the workers' root."""


class Layout(StrEnum):
    """How stages become tasks: one each, or neighbours with the same settings in one."""

    STAGES = "stages"
    FUSED = "fused"


class AirflowVersion(StrEnum):
    """The oldest Airflow that the file is for."""

    V3_1 = "3.1"
    V3_2 = "3.2"
    V3_3 = "3.3"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What was chosen.

    Attributes:
        spec: where the spec lies: as seen from the folder of the DAG file, with / between its parts
            (`base` is "file"), or the path that it has on the workers (`base` is "worker").
        overrides: those that the embedded spec was made with; none unless `embed_spec`.
    """

    spec: str
    base: Base = "file"
    kind: Kind = Kind.INGEST
    layout: Layout = Layout.STAGES
    airflow_version: AirflowVersion = AirflowVersion.V3_3
    embed_spec: bool = False
    overrides: tuple[str, ...] = ()

    def as_constant(self) -> dict[str, Any]:
        """JSON values, for the constant in the file."""
        return {
            "spec": self.spec,
            "base": self.base,
            "kind": str(self.kind),
            "layout": str(self.layout),
            "airflow_version": str(self.airflow_version),
            "embed_spec": self.embed_spec,
            "overrides": list(self.overrides),
        }

    @classmethod
    def from_constant(cls, constant: Mapping[str, Any]) -> ExportOptions:
        """What `as_constant` gave.

        Raises:
            ValueError: it is not of that shape.
        """
        try:
            options = cls(
                spec=constant["spec"],
                base=constant["base"],
                kind=Kind(constant["kind"]),
                layout=Layout(constant["layout"]),
                airflow_version=AirflowVersion(constant["airflow_version"]),
                embed_spec=constant["embed_spec"],
                overrides=tuple(constant["overrides"]),
            )
            sound = options.base in ("file", "worker") and isinstance(options.embed_spec, bool)
            texts = all(isinstance(one, str) for one in (options.spec, *options.overrides))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no options of an export: {error}") from error
        if not sound or not texts:
            raise ValueError("no options of an export")
        return options
