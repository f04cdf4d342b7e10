"""Evaluations as runs of an MLflow tracking server, for teams that keep their numbers there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ragctl.errors import MissingPackage, Unavailable, UsageError
from ragctl.run.composition import Composition
from ragctl.run.evaluating.exported import chosen_results

if TYPE_CHECKING:
    from mlflow import MlflowClient

_RUN_TAG = "ragctl.run"
_LONGEST_VALUE = 500
"""Characters of a parameter that every MLflow from 2.0 on keeps."""
_BEFORE_IMPORT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Its default waits for minutes on a server that is not there.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def track_evaluations(composition: Composition, names: Sequence[str], uri: str) -> tuple[int, int]:
    """Sends the runs named, or all evaluations, oldest first, to the MLflow experiment of the index's name.

    What is sent: metrics with their intervals (`ndcg@10` as `ndcg_at_10`), latencies, costs and facts of the
    index; the variant's values as parameters; index, generation, recipe, embedder and digests of the files
    as tags. No question and no document. A run that is there already, by its tag `ragctl.run`, is left.

    Args:
        uri: as `MLFLOW_TRACKING_URI` takes it; user and password are those of MLflow's own variables.

    Returns:
        How many were sent, and how many were there already.

    Raises:
        UsageError: the URI holds a user or a password, or there is no such evaluation.
        MissingPackage: MLflow is not installed.
        Unavailable: the server cannot be reached, or refuses.
    """
    if "@" in urlsplit(uri).netloc:
        raise UsageError(
            "the address of the MLflow server holds a user or a password",
            where="--mlflow",
            hint="export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
        )
    results = chosen_results(composition, names)
    client = _client(uri)
    from mlflow.exceptions import MlflowException

    try:
        experiment = _experiment(client, composition.index)
        sent = sum(_send(client, experiment, one) for one in results)
    except MlflowException as error:
        raise Unavailable(f"MLflow: {str(error).splitlines()[0]}", where="--mlflow") from error
    return sent, len(results) - sent


def _client(uri: str) -> MlflowClient:
    for name, value in _BEFORE_IMPORT.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ModuleNotFoundError as error:
        raise MissingPackage(
            "--mlflow needs the Python package 'mlflow-skinny' or 'mlflow', which is not installed",
            hint="pip install 'ragctl[mlflow]'",
        ) from error
    try:
        return MlflowClient(tracking_uri=uri)
    except MlflowException as error:
        raise Unavailable(f"MLflow: {str(error).splitlines()[0]}", where="--mlflow") from error


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


def _send(client: MlflowClient, experiment: str, result: Mapping[str, Any]) -> bool:
    """False if it is there already."""
    from mlflow.entities import Metric, Param

    mine = f"tags.`{_RUN_TAG}` = '{result['run']}'"
    there = client.search_runs([experiment], filter_string=mine, max_results=1)
    if there and there[0].info.status == "FINISHED":
        return False
    started = int(datetime.fromisoformat(result["started"]).timestamp() * 1000)
    # One that was cut off is written over: its numbers are the same.
    name = f"{result['name']} {result['run']}"
    run = there[0] if there else client.create_run(experiment, started, tags_of(result), run_name=name)
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(name, value, started, 0) for name, value in numbers_of(result).items()],
        params=[Param(key, str(value)[:_LONGEST_VALUE]) for key, value in result["values"].items()],
    )
    client.set_terminated(run.info.run_id, "FINISHED")
    return True


def numbers_of(result: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a result by names that MLflow takes: letters, digits, underscores and full stops."""
    found: dict[str, float | None] = {}
    for name, metric in result["metrics"].items():
        plain = name.replace("@", "_at_")
        found |= {plain: metric["mean"], f"{plain}.low": metric["low"], f"{plain}.high": metric["high"]}
    found |= {f"latency_ms.{name}": value for name, value in result["latency_ms"].items()}
    found |= {name: result[name] for name in ("cost_usd", "cost_usd_per_question")}
    found |= {f"index.{name}": value for name, value in result["index_facts"].items()}
    found |= {"questions": result["queries"]["count"], "failures": len(result["failures"])}
    return {name: float(value) for name, value in found.items() if value is not None}


def tags_of(result: Mapping[str, Any]) -> dict[str, str]:
    """What a result was made of, by which it can be found again."""
    made = result["provenance"]
    tags = {
        _RUN_TAG: result["run"],
        "ragctl.kind": result["kind"],
        "ragctl.index": result["index"],
        "ragctl.generation": result["generation"],
        "ragctl.recipe": made["recipe"],
        "ragctl.embedder": made["embedder"],
        "ragctl.spec_digest": made["spec_digest"],
        "ragctl.version": made["versions"]["ragctl"],
        "ragctl.queries_sha256": result["queries"]["sha256"],
        "ragctl.judgements_sha256": result["judgements"]["sha256"],
    }
    return {name: str(value) for name, value in tags.items() if value is not None}
