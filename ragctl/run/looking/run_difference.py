"""What differs between two runs: spec, recipe, versions, counts, failures, timings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.looking.audit import SCHEMA_VERSION, find_run
from ragctl.state.runs import RunRow, Runs

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same; None where a run has none. `key` is dotted, within `section`."""

    section: str
    key: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs of an index, and everything in which they differ, in the order of the sections."""

    index: str
    a: str
    b: str
    differences: list[Difference]

    def as_json(self) -> dict[str, Any]:
        """The document that `ragctl runs SPEC diff A B --format json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "index": self.index,
            "a": self.a,
            "b": self.b,
            "differences": [asdict(one) for one in self.differences],
        }


def compare_runs(loaded: LoadedSpec, a: str, b: str) -> RunComparison:
    """Compares two runs, each named as `audit.find_run` takes it.

    Raises:
        UsageError: there is no such run, or several.
        NothingPublished: no ingest has ever run here.
    """
    with Composition(loaded) as composition, database_errors():
        runs = Runs(composition.connect_to_existing(), composition.index)
        first, second = find_run(runs, a), find_run(runs, b)
        return RunComparison(composition.index, first.id, second.id, differences(first, second))


def differences(a: RunRow, b: RunRow) -> list[Difference]:
    """Everything in which two runs differ but their names and the times of day."""
    sections_a, sections_b = _sections(a), _sections(b)
    return [
        Difference(section, key, values.get(key), sections_b[section].get(key))
        for section, values in sections_a.items()
        for key in {**values, **sections_b[section]}
        if values.get(key) != sections_b[section].get(key)
    ]


def _sections(run: RunRow) -> dict[str, dict[str, Any]]:
    record = run.record
    frame = {
        "command": run.command,
        "pipeline": run.pipeline,
        "host": run.host,
        "status": run.status,
        "error": (record.get("error") or {}).get("kind"),
        "generation": record.get("generation"),
        "published": record.get("published"),
    }
    plain = {name: dict(_flat(record.get(name))) for name in ("spec", "versions", "counts", "usage")}
    return {
        "run": frame,
        "spec": {**plain["spec"], "(overrides)": " ".join(record.get("overrides") or ()) or None},
        "recipe": dict(_flat(record.get("recipe_parts"))),
        "versions": plain["versions"],
        "counts": plain["counts"],
        "failures": {
            f"{one['source']}:{one['document']}": f"{one['stage']}: {one['message']}"
            for one in record.get("failures") or ()
        },
        "usage": plain["usage"],
        "timings": {**dict(_flat(record.get("timings"))), "total": record.get("seconds")},
    }


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """`("sources.0.path", "docs")` of nested mappings and lists; an empty one stands for itself."""
    if isinstance(value, list):
        value = {str(number): one for number, one in enumerate(value)} or "[]"
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _flat(one, f"{path}.{key}" if path else str(key))
    elif path:
        yield path, value
