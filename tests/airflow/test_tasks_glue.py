"""`ragctl.airflow.tasks` in tasks of a real Airflow: context, connections, other runs, errors and retries.

What the stages themselves do is tested elsewhere: here a function of the test's own stands in their place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow_runs import RunOutcome, TaskRun
from psycopg.conninfo import conninfo_to_dict

import ragctl.run.tasks
from ragctl.errors import (
    DeletionRefused,
    IncompleteIngest,
    MissingPackage,
    RagctlError,
    RunInProgress,
    SpecError,
    Unavailable,
)

if TYPE_CHECKING:
    from airflow.sdk import DAG

DAG_FILE = """
from __future__ import annotations

from airflow.sdk import dag, task

SPEC = {spec!r}


@dag(dag_id={dag_id!r}, schedule=None, default_args={{"retries": 1}})
def glue():
    @task(multiple_outputs=False)
    def publish():
        from ragctl.airflow.tasks import run_stage

        return run_stage("store", "publish", spec=SPEC, given={{"from": "before"}})

    publish()


glue()
"""

PUBLISH = TaskRun("publish")


class Stage:
    """Stands in for the stages: keeps what it is called with, and returns or raises what a test wants."""

    def __init__(self, spec: Path, airflow_section: dict[str, Any]) -> None:
        from ragctl.spec.airflow_settings import AirflowSettings

        self.spec = {"path": str(spec), "sha256": "00"}
        self.settings = AirflowSettings.model_validate(airflow_section)
        self.calls: list[dict[str, Any]] = []
        self.does: Callable[[dict[str, Any]], Any] = lambda call: {"done": True}

    def load(self, spec: dict[str, Any]) -> Any:
        assert spec == self.spec
        return SimpleNamespace(spec=SimpleNamespace(airflow=self.settings))

    def __call__(self, *stages: str, **given: Any) -> Any:
        call = {"stages": stages, **given}
        self.calls.append(call)
        return self.does(call)


@pytest.fixture
def run(
    dag_of: Callable[[str], DAG],
    run_dag: Callable[..., RunOutcome],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Callable[..., tuple[Stage, RunOutcome]]:
    """`run(does, conf, airflow={…})`: one DAG run of one task whose stage does that."""

    def once(
        does: Callable[[dict[str, Any]], Any] | None = None,
        conf: dict[str, Any] | None = None,
        airflow: dict[str, Any] | None = None,
    ) -> tuple[Stage, RunOutcome]:
        stage = Stage(tmp_path / "spec.yaml", airflow or {})
        stage.does = does or stage.does
        monkeypatch.setattr(ragctl.run.tasks, "run_stage", stage)
        monkeypatch.setattr(ragctl.run.tasks, "load_exported_spec", stage.load)
        name = "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
        return stage, run_dag(dag_of(DAG_FILE.format(spec=stage.spec, dag_id=name)), conf)

    return once


def raising(error: BaseException) -> Callable[[dict[str, Any]], Any]:
    def does(call: dict[str, Any]) -> Any:
        raise error

    return does


Run = Callable[..., tuple[Stage, RunOutcome]]


def test_the_stage_is_told_run_conf_and_what_the_task_before_returned(run: Run) -> None:
    stage, outcome = run(conf={"max_cost": 0.5})
    [call] = stage.calls
    assert call["stages"] == ("store", "publish")
    assert call["given"] == {"from": "before"}
    assert call["conf"] == {"max_cost": 0.5}
    assert call["run"].endswith(f"/{outcome.run_id}")
    assert call["run"].startswith("test_the_stage_is_told")
    assert outcome.state == "success"
    assert outcome.returned("publish") == {"done": True}


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (Unavailable("the database does not answer", hint="start it"), 2),
        (RunInProgress("another run holds the index"), 2),
        (MissingPackage("no httpx", hint="pip install httpx"), 1),
        (DeletionRefused("40 of 50 documents would go", where="sources", hint="--allow-delete"), 1),
        (SpecError("2 mistakes", mistakes=["a.yaml:1:1: wrong", "a.yaml:2:1: wrong too"]), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_may_mend_itself_is_tried_again(run: Run, error: RagctlError, tries: int) -> None:
    stage, outcome = run(raising(error))
    assert outcome.state == "failed"
    assert outcome.states[PUBLISH] == "failed"
    assert len(stage.calls) == tries
    assert outcome.xcoms[PUBLISH] == {"ragctl_error": error.as_json()}


def test_a_bug_is_tried_again_and_leaves_no_error_of_ragctl(run: Run) -> None:
    stage, outcome = run(raising(ZeroDivisionError("a bug")))
    assert (outcome.state, len(stage.calls)) == ("failed", 2)
    assert PUBLISH not in outcome.xcoms


def test_an_error_of_the_first_try_is_not_left_beside_the_result_of_the_second(run: Run) -> None:
    tries = []

    def does(call: dict[str, Any]) -> Any:
        tries.append(call)
        if len(tries) == 1:
            raise Unavailable("not yet")
        return {"done": True}

    _, outcome = run(does)
    assert outcome.state == "success"
    assert outcome.xcoms[PUBLISH] == {"return_value": {"done": True}}


def test_the_report_of_an_incomplete_ingest_is_left_as_the_result(run: Run) -> None:
    report = {"schema_version": 1, "failures": [{"document": "ä.md"}], "published": True}
    error = IncompleteIngest("1 document failed", where="max_failures", hint="look", report=report)
    stage, outcome = run(raising(error))
    assert (outcome.state, len(stage.calls)) == ("failed", 1)
    assert outcome.xcoms[PUBLISH] == {"ragctl_error": error.as_json(), "return_value": report}


def test_failures_that_the_spec_lets_pass_are_a_warning(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="ragctl"):
        _, outcome = run(lambda call: {"failures": [{"document": "a.md"}, {"document": "b.md"}]})
    assert outcome.state == "success"
    assert "2 documents failed" in caplog.text


def test_connections_take_the_place_of_environment_variables(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_RAG_PG",
        "postgres://us%40er:p%27a%20s%5Cs@db.example:5433/search?sslmode=require&connect_timeout=7&cursor=x",
    )
    monkeypatch.setenv(
        "AIRFLOW_CONN_RAG_API", '{"conn_type": "http", "host": "models.example/v1", "password": "k3y"}'
    )
    monkeypatch.setenv("RAG_DSN", "host=elsewhere")
    monkeypatch.setenv("UNTOUCHED", "stays")
    stage, outcome = run(
        airflow={
            "connections": {
                "rag_pg": {"dsn": "RAG_DSN"},
                "rag_api": {"key": "RAG_KEY", "base_url": "RAG_URL"},
            }
        }
    )
    assert outcome.state == "success"
    environment = stage.calls[0]["environment"]
    assert conninfo_to_dict(environment["RAG_DSN"]) == {
        "host": "db.example",
        "port": "5433",
        "user": "us@er",
        "password": "p'a s\\s",
        "dbname": "search",
        "sslmode": "require",
        "connect_timeout": "7",
    }
    assert environment["RAG_KEY"] == "k3y"
    assert environment["RAG_URL"] == "https://models.example/v1"
    assert environment["UNTOUCHED"] == "stays"


def test_a_connection_that_is_not_there_is_named_with_the_way_to_make_it(run: Run) -> None:
    stage, outcome = run(airflow={"connections": {"rag_pg": {"dsn": "RAG_DSN"}}})
    assert (outcome.state, stage.calls) == ("failed", [])
    error = outcome.xcoms[PUBLISH]["ragctl_error"]
    assert error["where"] == "airflow.connections.rag_pg"
    assert "'rag_pg'" in error["message"]
    assert "airflow connections add rag_pg" in error["hint"]


def test_a_connection_without_a_password_is_no_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_RAG_API", '{"conn_type": "http", "host": "models.example"}')
    _, outcome = run(airflow={"connections": {"rag_api": {"key": "RAG_KEY"}}})
    error = outcome.xcoms[PUBLISH]["ragctl_error"]
    assert (error["code"], error["where"]) == (2, "airflow.connections.rag_api.key")
    assert error["message"] == "the connection 'rag_api' has no password"


def test_no_secret_of_a_connection_is_in_what_a_failed_task_says(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "s3cr3t-of-the-connection"
    monkeypatch.setenv("AIRFLOW_CONN_RAG_PG", f"postgres://u:{secret}@db.example/x")
    monkeypatch.setenv(
        "AIRFLOW_CONN_RAG_API",
        f'{{"conn_type": "http", "host": "https://h:no{secret}/v1", "port": 1, "password": "{secret}"}}',
    )
    connections = {"rag_pg": {"dsn": "RAG_DSN"}, "rag_api": {"base_url": "RAG_URL"}}
    _, outcome = run(airflow={"connections": connections})
    assert outcome.xcoms[PUBLISH]["ragctl_error"]["where"] == "airflow.connections.rag_api"
    assert secret not in str(outcome.xcoms) + caplog.text


def test_whether_another_run_is_over(run: Run) -> None:
    """A run that has ended or is not known is over; the one that asks is not, nor is a foreign name."""
    _, before = run()

    def does(call: dict[str, Any]) -> Any:
        is_over, dag_id = call["is_over"], call["run"].partition("/")[0]
        return {
            "ended": is_over(f"{dag_id}/{before.run_id}"),
            "itself": is_over(call["run"]),
            "unknown": is_over(f"{dag_id}/manual__2020-01-01T00:00:00+00:00"),
            "unknown dag": is_over("no_such_dag/manual__2020-01-01T00:00:00+00:00"),
            "of the command line": is_over("20261122T170116-16eba3"),
        }

    _, outcome = run(does)
    assert outcome.returned("publish") == {
        "ended": True,
        "itself": False,
        "unknown": True,
        "unknown dag": True,
        "of the command line": False,
    }


@pytest.mark.parametrize(("status", "over"), [(404, True), (503, False), (None, False)])
def test_what_a_worker_hears_of_a_run_that_airflow_does_not_tell_of(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int | None,
    over: bool,
) -> None:
    """A worker's supervisor gives the API's errors another form than `dag.test()` does."""
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    def unanswered(dag_id: str, run_id: str) -> str:
        detail = {"status_code": status, "message": "no answer"}
        raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail))

    monkeypatch.setattr(RuntimeTaskInstance, "get_dagrun_state", staticmethod(unanswered))
    with caplog.at_level(logging.WARNING, logger="ragctl"):
        _, outcome = run(lambda call: call["is_over"]("a_dag/a_run"))
    assert outcome.returned("publish") is over
    assert ("a_dag/a_run" in caplog.text) is not over
