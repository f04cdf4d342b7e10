"""What is kept of a run for good: enough to say later what it did, with what, and how it ended.

No secret gets in: a spec holds the names of environment variables, never their values. No text of
documents gets in but what the message of a failure quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ragctl.errors import RagctlError
from ragctl.run.ingesting.report import IngestReport
from ragctl.run.models.gpu import on_gpu
from ragctl.run.progress import Metered
from ragctl.run.stopwatch import Stopwatch
from ragctl.run.versions import loaded_packages, server_versions, versions_of
from ragctl.state.spending import close_budget

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.run.composition import Composition

SCHEMA_VERSION = 1


def record_at_start(composition: Composition, connection: Connection[Any]) -> dict[str, Any]:
    """What is known before the work begins; all that there will be of a run that is killed."""
    loaded = composition.loaded
    return {
        "schema_version": SCHEMA_VERSION,
        "spec_path": str(loaded.path),
        "spec_digest": loaded.digest,
        "overrides": list(loaded.overrides),
        "spec": loaded.spec.model_dump(mode="json"),
        "recipe": composition.recipe.digest,
        "recipe_parts": asdict(composition.recipe),
        "versions": versions_of(composition, connection),
    }


def record_at_end(
    composition: Composition,
    start: dict[str, Any],
    report: IngestReport,
    watch: Stopwatch,
    meter: Metered | None,
    error: dict[str, Any] | None,
) -> dict[str, Any]:
    """The whole record of an ingest.

    Its keys are those of `ingest --format json` and those of `record_at_start`, and:

    - `timings`: seconds by phase. `stream` is extract, chunk, embed and store, which run as one.
    - `embed`: `inputs`, `tokens`, `seconds` that the run waited for the model, its loading included, and
      what ran it (`model_of`); None if the run failed, because the tokens of what was not stored are not
      known then.
    - `spending`: where the model is paid for: `max_usd`, `spent_usd`, and `unsettled_usd`, which was
      reserved for requests of which nothing is known.
    - `error`: `kind` and `message`, for a run that was not completed.
    """
    measured = None
    if meter is not None and (error is None or report.interrupted):
        counted = {"inputs": meter.inputs, "tokens": report.tokens, "seconds": round(meter.seconds, 3)}
        measured = {**counted, **model_of(composition)}
    return record_of_tasks(composition, start, report, watch.seconds(), measured, error)


def model_of(composition: Composition) -> dict[str, Any]:
    """What embeds: `provider`, `model`, and whether on a `gpu`; its measured speed is found by these."""
    settings = composition.embed_settings
    return {"provider": settings.provider, "model": settings.model, "gpu": on_gpu(settings)}


def record_of_tasks(
    composition: Composition,
    start: Mapping[str, Any],
    report: IngestReport,
    timings: Mapping[str, float],
    measured: Mapping[str, Any] | None,
    error: dict[str, Any] | None,
) -> dict[str, Any]:
    """The same record, of an ingest whose stages were tasks of a DAG: `timings` are sums over its batches."""
    connection = composition.connect()
    spent = close_budget(connection, report.run_id)
    return {
        **start,
        **report.as_json(),
        **({"spending": asdict(spent)} if spent is not None else {}),
        "timings": dict(timings),
        "embed": measured,
        "versions": {
            **start["versions"],
            **server_versions(connection),
            "packages": loaded_packages(),
        },
        **({"error": error} if error else {}),
    }


def error_of(error: BaseException | None, *, interrupted: bool) -> dict[str, Any] | None:
    """Why a run was not completed; None if it was.

    An error that nobody foresaw is kept by its type alone: its message may quote a document.
    """
    if isinstance(error, RagctlError):
        return {"kind": error.kind, "message": error.message, "where": error.where}
    if isinstance(error, KeyboardInterrupt):
        return {"kind": "interrupted", "message": "stopped at once by a second signal"}
    if error is not None:
        lost = _is_database_error(error)
        kind, what = ("unavailable", "the database was lost") if lost else ("bug", "an unforeseen error")
        return {"kind": kind, "message": f"{what} ({type(error).__name__})"}
    if interrupted:
        return {"kind": "interrupted", "message": "asked to stop; the documents in hand were finished"}
    return None


def _is_database_error(error: BaseException) -> bool:
    import psycopg

    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
