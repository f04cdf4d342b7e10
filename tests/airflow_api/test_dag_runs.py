"""Runs: started, waited for, lost and found, failed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from fake_airflow import Answer, Dag, Ending, Failed, FakeAirflow

from ragctl.airflow.dag_runs import DagClient, DagRun, Outcome
from ragctl.airflow.faults import AirflowDenied, AirflowRunFailed, AirflowUnavailable, DagMissing, DagPaused
from ragctl.airflow.rest import Api
from ragctl.errors import (
    DeletionRefused,
    GuardRefused,
    NothingPublished,
    TooManyFailures,
    Unavailable,
    UsageError,
)

ApiOf = Callable[..., Api]
STAGES = ("rephrase", "query", "dedupe", "rank", "answer")
RUN_ID = r"manual__\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def client(api_of: ApiOf, said: list[str]) -> DagClient:
    return DagClient(api_of(), patience_s=0.3, say=said.append)


def carry_out(client: DagClient, conf: dict[str, Any] | None = None, *, stage: str = "answer") -> Outcome:
    run = client.new_run("docs_ask" if stage == "answer" else "docs_ingest", stage)
    client.start(run, conf or {})
    return client.wait(run, interval_s=0.02)


def answering(result: object = None, **options: Any) -> Dag:
    ending = Ending(results={"answer": result if result is not None else {"n": 1}})
    return Dag(STAGES, lambda conf: ending, **options)


def failing(
    *failed: Failed, tasks: tuple[str, ...] = STAGES, results: dict[str, object] | None = None
) -> Dag:
    return Dag(tasks, lambda conf: Ending("failed", results or {}, failed))


def test_a_run_is_started_without_a_date_and_its_result_comes_back(
    fake: FakeAirflow, client: DagClient
) -> None:
    fake.dags["docs_ask"] = Dag(STAGES, lambda conf: Ending(results={"answer": {"echo": conf}}), looks=3)
    conf = {"question": "Wo ist \u2028 Ü \U0001f600?"}
    outcome = carry_out(client, conf)
    assert outcome == Outcome({"echo": conf})
    [trigger] = fake.asked("/dagRuns$", "POST")
    assert trigger.body["logical_date"] is None
    assert re.fullmatch(RUN_ID, trigger.body["dag_run_id"])
    [wait] = fake.asked("/wait$")
    assert wait.query == {"interval": ["0.02"], "result": ["answer"]}


@pytest.mark.parametrize(
    ("stage", "tasks", "task"),
    [
        ("answer", STAGES, "answer"),
        ("answer", ("rephrase_query_dedupe_rank_answer",), "rephrase_query_dedupe_rank_answer"),
        ("answer", ("rephrase_query", "dedupe_rank_answer"), "dedupe_rank_answer"),
        ("publish", ("plan", "per_batch.extract_chunk", "per_batch.embed", "publish", "announce"), "publish"),
    ],
)
def test_the_result_is_asked_of_the_task_that_has_the_stage(
    fake: FakeAirflow, client: DagClient, stage: str, tasks: tuple[str, ...], task: str
) -> None:
    dag_id = "docs_ask" if stage == "answer" else "docs_ingest"
    fake.dags[dag_id] = Dag(tasks, lambda conf: Ending(results={task: {"from": task}}))
    assert carry_out(client, stage=stage).result == {"from": task}


def test_a_dag_without_such_a_task_is_not_run(fake: FakeAirflow, client: DagClient) -> None:
    fake.dags["docs_ask"] = Dag(("one", "two"))
    with pytest.raises(DagMissing, match="no task for the stage answer; it has one, two"):
        client.new_run("docs_ask", "answer")


def test_where_airflow_cannot_wait_the_run_is_looked_at_again_and_again(
    fake: FakeAirflow, client: DagClient
) -> None:
    fake.waits = False
    fake.dags["docs_ask"] = answering({"n": 2}, looks=3)
    assert carry_out(client).result == {"n": 2}
    assert len(fake.asked(rf"dagRuns/{RUN_ID}$", "GET")) == 4


@pytest.mark.parametrize(
    "answer",
    [
        Answer(405, {"detail": "Method Not Allowed"}),
        Answer(422, {"detail": "no such parameter"}),
        Answer(502, "<html>Bad Gateway</html>"),
        Answer(200, "<html>cached</html>"),
        Answer(200, ""),
        Answer(200, '{"state": "running"}\n'),
        Answer(200, "[1]\n3\n"),
        Answer(drop=True),
    ],
)
def test_a_wait_that_is_answered_by_something_else(
    fake: FakeAirflow, client: DagClient, answer: Answer
) -> None:
    fake.intercept("/wait$", answer)
    fake.dags["docs_ask"] = answering()
    assert carry_out(client).result == {"n": 1}


def test_a_stream_that_breaks_is_gone_on_with_by_looking(fake: FakeAirflow, client: DagClient) -> None:
    fake.stream_lines = 1
    fake.dags["docs_ask"] = answering(looks=3)
    assert carry_out(client).result == {"n": 1}
    assert len(fake.asked("/wait$")) == 1


def test_an_api_server_that_is_away_for_a_moment(
    fake: FakeAirflow, client: DagClient, said: list[str]
) -> None:
    fake.waits = False
    fake.dags["docs_ask"] = answering()
    fake.intercept(rf"dagRuns/{RUN_ID}$", Answer(drop=True), times=3)
    assert carry_out(client).result == {"n": 1}
    assert len(said) == 1
    assert "trying for another" in said[0]


def test_one_that_stays_away_leaves_the_run_to_airflow(fake: FakeAirflow, client: DagClient) -> None:
    fake.waits = False
    fake.dags["docs_ask"] = answering()
    fake.intercept(rf"dagRuns/{RUN_ID}$", Answer(503, "<html>busy</html>"))
    with pytest.raises(AirflowUnavailable, match="answers 503") as gone:
        carry_out(client)
    [trigger] = fake.asked("/dagRuns$", "POST")
    assert f"the run goes on in Airflow: {trigger.body['dag_run_id']} of docs_ask" in str(gone.value.hint)


def test_a_right_that_is_lost_while_waiting_leaves_the_run_to_airflow(
    fake: FakeAirflow, client: DagClient
) -> None:
    fake.dags["docs_ask"] = answering()
    fake.intercept("/wait$", Answer(403, {"detail": "User is not authorized to read XCom data"}))
    with pytest.raises(AirflowDenied, match="XCom") as denied:
        carry_out(client)
    assert "the run goes on in Airflow" in str(denied.value.hint)


def test_a_run_that_somebody_deletes(fake: FakeAirflow, client: DagClient) -> None:
    fake.dags["docs_ask"] = answering()
    run = client.new_run("docs_ask", "answer")
    client.start(run, {})
    fake.runs.clear()
    with pytest.raises(AirflowRunFailed, match="somebody deleted it"):
        client.wait(run, interval_s=0.02)


def test_a_trigger_whose_answer_gets_lost_starts_one_run(fake: FakeAirflow, client: DagClient) -> None:
    fake.dags["docs_ask"] = answering()

    def lost(request: Any) -> Answer | None:
        if request.method != "POST":
            return None
        dag = fake.dags["docs_ask"]
        fake.interceptors.clear()
        fake.runs["docs_ask", request.body["dag_run_id"]] = started(dag)
        return Answer(drop=True)

    fake.interceptors.append(lost)
    assert carry_out(client).result == {"n": 1}
    assert len(fake.asked("/dagRuns$", "POST")) == 1


def started(dag: Dag) -> Any:
    from fake_airflow import _Run

    return _Run(dag, dag.ends({}), 1)


def test_a_trigger_that_is_not_answered_names_the_run_that_may_be_there(
    fake: FakeAirflow, client: DagClient
) -> None:
    fake.dags["docs_ask"] = answering()
    fake.intercept("/dagRuns", Answer(drop=True))
    with pytest.raises(AirflowUnavailable) as lost:
        carry_out(client)
    assert re.search(rf"if it was started all the same, it is {RUN_ID} of docs_ask", str(lost.value.hint))


@pytest.mark.parametrize(
    ("status", "kind"), [(400, UsageError), (403, AirflowDenied), (409, GuardRefused), (404, DagMissing)]
)
def test_a_trigger_that_is_refused(
    fake: FakeAirflow, client: DagClient, status: int, kind: type[Exception]
) -> None:
    fake.dags["docs_ask"] = answering()
    schema = "Invalid input for param top_n: 5000 is greater than the maximum of 1000"
    fake.intercept("/dagRuns$", Answer(status, {"detail": schema}))
    with pytest.raises(kind) as refused:
        carry_out(client)
    assert type(refused.value) is kind
    assert status == 404 or schema in str(refused.value)
    assert not fake.asked("/wait$")


def test_a_paused_dag_is_not_run(fake: FakeAirflow, client: DagClient) -> None:
    fake.dags["docs_ask"] = answering(is_paused=True)
    with pytest.raises(DagPaused, match="'docs_ask' is paused") as paused:
        carry_out(client)
    assert (paused.value.exit_code, paused.value.kind) == (4, "airflow_dag_paused")
    assert "airflow dags unpause docs_ask" in str(paused.value.hint)
    assert fake.confs == []


@pytest.mark.parametrize("dag", [None, answering(is_stale=True), answering(has_import_errors=True)])
def test_a_dag_that_is_not_there_is_missing_with_what_may_be_the_reason(
    fake: FakeAirflow, client: DagClient, dag: Dag | None
) -> None:
    if dag is not None:
        fake.dags["docs_ask"] = dag
    trace = "Traceback:\n  File \"x\", line 1\nModuleNotFoundError: No module named 'ragctl'\n"
    fake.import_errors = [
        *({"filename": f"other{n}.py", "stack_trace": "SyntaxError: no"} for n in range(5)),
        {"filename": "rag/docs_ask.py", "stack_trace": trace},
    ]
    with pytest.raises(DagMissing, match="has no DAG 'docs_ask'") as missing:
        carry_out(client)
    message = missing.value.message
    assert "cannot import: rag/docs_ask.py: ModuleNotFoundError: No module named 'ragctl'; other0" in message
    assert message.endswith("and 3 more")
    assert "ragctl export-dag SPEC --kind ask" in str(missing.value.hint)
    assert missing.value.exit_code == 6


def test_import_errors_that_may_not_be_read_change_nothing(fake: FakeAirflow, client: DagClient) -> None:
    fake.intercept("importErrors", Answer(403, {"detail": "Forbidden"}))
    with pytest.raises(DagMissing, match=r"has no DAG 'docs_ask'$"):
        carry_out(client)


REFUSED = DeletionRefused("40 of 50 would go", where="sources", hint="--allow-delete").as_json()
LOG = (
    {"event": "::group::Pre Execute", "timestamp": "2026-11-22T19:00:00.1Z", "level": "info"},
    *(
        {"event": f"line {n}\u2028ü", "timestamp": "2026-11-22T19:00:00.1Z", "level": "info"}
        for n in range(50)
    ),
    "not JSON at all",
    {
        "event": "Task failed with exception",
        "timestamp": "2026-11-22T19:00:01.5Z",
        "level": "error",
        "error_detail": [{"exc_type": "ValueError", "exc_value": "a bug\nin two lines", "frames": []}],
    },
)


def test_a_failed_run_gives_the_error_that_ragctl_raised_and_the_end_of_the_log(
    fake: FakeAirflow, client: DagClient
) -> None:
    nothing = NothingPublished("nothing yet", where="index", hint="ragctl ingest").as_json()
    fake.dags["docs_ask"] = failing(Failed("query", xcoms={"ragctl_error": nothing}, log=LOG, try_number=3))
    outcome = carry_out(client)
    assert isinstance(outcome.error, NothingPublished)
    assert outcome.error.as_json() == nothing
    [failure] = outcome.failures
    assert (failure.task, outcome.failed) == ("query", 1)
    assert len(failure.log) == 30
    assert failure.log[-4:] == (
        "not JSON at all",
        "2026-11-22 19:00:01 ERROR Task failed with exception",
        "ValueError: a bug",
        "in two lines",
    )


def test_the_task_that_sums_up_decides_over_the_batch_that_failed_first(
    fake: FakeAirflow, client: DagClient
) -> None:
    report = {"failures": [], "counts": {}}
    verdict = TooManyFailures("1 document failed", where="max_failures").as_json()
    fake.dags["docs_ingest"] = failing(
        Failed("publish", xcoms={"ragctl_error": verdict}, log=("p",)),
        Failed("per_batch.extract", 3, {"ragctl_error": Unavailable("no store").as_json()}, ("e",)),
        Failed("per_batch.extract", 5),
        tasks=("plan", "per_batch.extract", "publish"),
        results={"publish": report},
    )
    outcome = carry_out(client, stage="publish")
    assert isinstance(outcome.error, TooManyFailures)
    assert outcome.result == report
    assert [(one.task, one.log) for one in outcome.failures] == [
        ("per_batch.extract [3]", ("e",)),
        ("per_batch.extract [5]", ()),
        ("publish", ("p",)),
    ]


def test_else_the_first_one_that_ragctl_knows_of_decides(fake: FakeAirflow, client: DagClient) -> None:
    fake.dags["docs_ingest"] = failing(
        Failed("per_batch.extract", 0, log=("killed",)),
        Failed("per_batch.extract", 1, {"ragctl_error": REFUSED}, ("refused",)),
        Failed("publish", log=("unknown",)),
        tasks=("plan", "per_batch.extract", "publish"),
    )
    outcome = carry_out(client, stage="publish")
    assert isinstance(outcome.error, DeletionRefused)
    assert [one.log for one in outcome.failures] == [("killed",), ("refused",), ()]


def test_an_error_that_a_task_without_airflow_left_in_its_log(fake: FakeAirflow, client: DagClient) -> None:
    logged = {"event": f"[base] ragctl_error: {json.dumps(REFUSED)} and so on", "level": "info"}
    traceback = tuple({"event": f"frame {n}", "level": "info"} for n in range(60))
    fake.dags["docs_ask"] = failing(Failed("query", log=(logged, *traceback, {"event": "ragctl_error: {"})))
    outcome = carry_out(client)
    assert outcome.error is not None
    assert outcome.error.as_json() == REFUSED


def test_a_task_that_failed_without_an_error_of_ragctl(fake: FakeAirflow, client: DagClient) -> None:
    fake.dags["docs_ask"] = failing(Failed("query", xcoms={"ragctl_error": "text"}, log=LOG), Failed("rank"))
    error = carry_out(client).error
    assert isinstance(error, AirflowRunFailed)
    assert error.message.startswith("the task query and 1 more of 'docs_ask' failed")
    assert (error.exit_code, error.kind) == (6, "airflow_run_failed")


def test_a_run_that_failed_with_no_failed_task(fake: FakeAirflow, client: DagClient) -> None:
    fake.dags["docs_ask"] = failing()
    outcome = carry_out(client)
    assert isinstance(outcome.error, AirflowRunFailed)
    assert "none of its tasks did" in outcome.error.message
    assert outcome.failures == ()


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_log_that_cannot_be_read_does_not_hide_the_error(
    fake: FakeAirflow, client: DagClient, status: int
) -> None:
    fake.dags["docs_ask"] = failing(Failed("query", xcoms={"ragctl_error": REFUSED}, log=LOG))
    fake.intercept("/logs/", Answer(status, {"detail": "no log for you"}))
    outcome = carry_out(client)
    assert isinstance(outcome.error, DeletionRefused)
    [line] = outcome.failures[0].log
    assert line.startswith("(its log cannot be read: ")


def test_a_long_line_of_a_log_is_cut(fake: FakeAirflow, client: DagClient) -> None:
    fake.dags["docs_ask"] = failing(Failed("query", log=("x" * 1_000_000,)))
    [failure] = carry_out(client).failures
    assert [len(line) for line in failure.log] == [1000]


def test_of_very_many_failed_tasks_a_few_are_asked(fake: FakeAirflow, client: DagClient) -> None:
    batches = [Failed("per_batch.extract", n) for n in range(300)]
    fake.dags["docs_ingest"] = failing(*batches, tasks=("per_batch.extract", "publish"))
    outcome = carry_out(client, stage="publish")
    assert outcome.failed == 300
    assert outcome.failures[0].task == "per_batch.extract [0]"
    assert len(fake.asked("/xcomEntries/ragctl_error")) == len(outcome.failures) == 20


def test_a_run_that_returned_nothing(fake: FakeAirflow, client: DagClient) -> None:
    fake.dags["docs_ask"] = Dag(STAGES)
    assert carry_out(client) == Outcome(None)


def test_ids_are_quoted_in_paths() -> None:
    run = DagRun("a_ask", "manual__2026-11-22T19:00:00.000001+00:00", "", "answer")
    assert run.path == "/dags/a_ask/dagRuns/manual__2026-11-22T19%3A00%3A00.000001%2B00%3A00"
