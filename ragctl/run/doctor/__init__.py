"""doctor: is everything there, and do index, state and spec fit one another?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragctl.run.composition import Composition
from ragctl.run.doctor.environment import look_at_environment
from ragctl.run.doctor.finding import Finding, as_json
from ragctl.run.doctor.index import look_at_index

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

__all__ = ["Finding", "as_json", "examine", "stop_server"]


def examine(loaded: LoadedSpec) -> list[Finding]:
    """Every check that can be made, in order; a failed one does not keep the others from being made.

    It starts the embedded server if there is a data directory. It changes nothing, but that a state
    of an earlier release is brought up to this one's schema.
    """
    with Composition(loaded) as composition:
        return [*look_at_environment(composition), *look_at_index(composition)]


def stop_server(loaded: LoadedSpec) -> bool:
    """Stops the embedded server; True if it ran."""
    with Composition(loaded) as composition:
        return composition.server.stop() if composition.server is not None else False
