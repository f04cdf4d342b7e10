"""How `dag.test()` behaves where an exported DAG depends on it. Small DAGs of this file's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from airflow_runs import AssetEvent, RunOutcome, TaskRun

if TYPE_CHECKING:
    from airflow.sdk import DAG

DagOf = Callable[[str], "DAG"]
RunDag = Callable[..., RunOutcome]

INGEST = """
from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, Metadata, Param, dag, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowException, AirflowFailException

INDEX = Asset(name="ragctl:test:plumbing", uri="x-ragctl://test/plumbing", group="ragctl")


@dag(
    dag_id="plumbing_ingest",
    schedule=None,
    params={"batches": Param(3, type="integer", minimum=0), "bad": Param(None, type=["string", "null"])},
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": 2.0},
)
def ingest():
    @task(multiple_outputs=False)
    def plan():
        params = get_current_context()["params"]
        if params["bad"] == "plan":
            raise AirflowFailException("no listing")
        return [{"batch": n} for n in range(params["batches"])]

    @task(multiple_outputs=False)
    def extract(given):
        context = get_current_context()
        bad = context["params"]["bad"] if given["batch"] == 1 else None
        if bad == "for good":
            context["ti"].xcom_push(key="ragctl_error", value={"message": "broken"})
            raise AirflowFailException("broken")
        if bad == "always" or (bad == "once" and context["ti"].try_number == 1):
            raise AirflowException("unreachable")
        return {**given, "extracted": True}

    @task(multiple_outputs=False)
    def store(given):
        return {**given, "stored": True}

    @task(multiple_outputs=False, outlets=[INDEX], trigger_rule="all_done")
    def publish(run):
        if get_current_context()["params"]["bad"] == "publish":
            get_current_context()["ti"].xcom_push(key="return_value", value={"half": run})
            raise AirflowFailException("too many failures")
        yield Metadata(INDEX, {"generation": 1})
        return {"run": run, "conf": get_current_context()["dag_run"].conf}

    @task_group
    def batch(given):
        return store(extract(given))

    stored = batch.expand(given=plan())
    published = publish("{{ dag.dag_id }}/{{ run_id }}")
    stored >> published
    return published


ingest()
"""


@pytest.fixture
def ingest(dag_of: DagOf) -> DAG:
    return dag_of(INGEST)


def test_mapped_group_runs_and_the_result_is_kept(ingest: DAG, run_dag: RunDag) -> None:
    outcome = run_dag(ingest)
    assert outcome.state == "success"
    assert outcome.returned("plan") == [{"batch": 0}, {"batch": 1}, {"batch": 2}]
    assert outcome.returned("batch.store")[2] == {"batch": 2, "extracted": True, "stored": True}
    assert outcome.xcoms[TaskRun("batch.extract", 1)] == {"return_value": {"batch": 1, "extracted": True}}
    assert outcome.result == {"run": f"plumbing_ingest/{outcome.run_id}", "conf": {}}
    assert outcome.result == outcome.returned("publish")
    assert set(outcome.states.values()) == {"success"}
    assert set(outcome.tries.values()) == {1}
    index = AssetEvent("ragctl:test:plumbing", "x-ragctl://test/plumbing", {"generation": 1}, "publish")
    assert outcome.events == [index]


def test_nothing_to_map_is_skipped_and_publish_still_runs(ingest: DAG, run_dag: RunDag) -> None:
    outcome = run_dag(ingest, {"batches": 0})
    assert outcome.state == "success"
    assert outcome.returned("plan") == []
    assert outcome.state_of("batch.extract") == outcome.state_of("batch.store") == "skipped"
    assert outcome.result["conf"] == {"batches": 0}


def test_what_fails_once_is_tried_again_without_waiting(ingest: DAG, run_dag: RunDag) -> None:
    outcome = run_dag(ingest, {"bad": "once"})
    assert outcome.state == "success"
    assert [outcome.tries[TaskRun("batch.extract", n)] for n in range(3)] == [1, 2, 1]


@pytest.mark.parametrize(("bad", "tries"), [("for good", 1), ("always", 2)])
def test_dead_batch_stops_its_own_branch_alone(ingest: DAG, run_dag: RunDag, bad: str, tries: int) -> None:
    """The run's state is that of its last tasks, so a publish that goes on makes the run a success."""
    outcome = run_dag(ingest, {"bad": bad})
    assert outcome.state_of("batch.extract") == ["success", "failed", "success"]
    assert outcome.state_of("batch.store") == ["success", "upstream_failed", "success"]
    assert outcome.tries[TaskRun("batch.extract", 1)] == tries
    assert outcome.state_of("publish") == "success"
    assert outcome.state == "success"
    error = outcome.xcoms.get(TaskRun("batch.extract", 1), {}).get("ragctl_error")
    assert error == ({"message": "broken"} if bad == "for good" else None)


def test_failing_plan_stops_the_batches_and_not_publish(ingest: DAG, run_dag: RunDag) -> None:
    outcome = run_dag(ingest, {"bad": "plan"})
    assert outcome.state_of("plan") == "failed"
    assert outcome.state_of("batch.extract") == outcome.state_of("batch.store") == "upstream_failed"
    assert outcome.tries[TaskRun("batch.extract")] == 0
    assert outcome.state_of("publish") == outcome.state == "success"


def test_failing_publish_fails_the_run_and_keeps_what_it_pushed(ingest: DAG, run_dag: RunDag) -> None:
    """What it pushes as its return value before it fails is the run's result; it makes no asset event."""
    outcome = run_dag(ingest, {"bad": "publish"})
    assert outcome.state == "failed"
    assert outcome.state_of("publish") == "failed"
    assert outcome.returned("publish") == {"half": f"plumbing_ingest/{outcome.run_id}"}
    assert outcome.result == outcome.returned("publish")
    assert outcome.events == []


@pytest.mark.parametrize("conf", [{"batches": "many"}, {"batches": -1}])
def test_parameters_are_validated(ingest: DAG, run_dag: RunDag, conf: dict[str, object]) -> None:
    """Before the run is made, as a trigger over REST does."""
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError, match="batches"):
        run_dag(ingest, conf)


def test_a_file_that_cannot_be_imported_says_why(dag_of: DagOf) -> None:
    with pytest.raises(AssertionError, match="No module named 'not_there'"):
        dag_of("from airflow.sdk import dag\nimport not_there\n")


def test_unknown_parameters_reach_the_tasks(ingest: DAG, run_dag: RunDag) -> None:
    assert run_dag(ingest, {"unknown": 1}).result["conf"] == {"unknown": 1}
