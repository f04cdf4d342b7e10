"""What a run of a DAG left in Airflow's metadata database, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session


class TaskRun(NamedTuple):
    """A task of a run, or one of the copies that a mapped task came to."""

    task_id: str
    """With the task group's name: `batch.store`."""
    map_index: int = -1
    """0 and up for a mapped task; -1 for another, and for a mapped one that never got a copy."""


@dataclass(frozen=True)
class AssetEvent:
    """What a task told about an asset."""

    name: str
    uri: str
    extra: dict[str, Any]
    task_id: str


@dataclass(frozen=True)
class RunOutcome:
    """A run that has ended.

    Attributes:
        run_id: as in `{{ run_id }}`; unique in the metadata database.
        state: "success" or "failed".
        states: every task's last state ("success", "failed", "upstream_failed", "skipped", …).
        tries: how many times each was started; 0 for one that never was.
        xcoms: what each pushed, by key ("return_value" is what the function returned). A task that is
            tried again starts with none.
        result: the return value of the task that `@result` (or what the DAG's function returned) marks,
            also one that it pushed itself before it failed; None if it is None or was never pushed.
        events: the asset events, in the order in which they were made.
    """

    run_id: str
    state: str
    states: dict[TaskRun, str]
    tries: dict[TaskRun, int]
    xcoms: dict[TaskRun, dict[str, Any]]
    result: Any
    events: list[AssetEvent]

    def returned(self, task_id: str) -> Any:
        """What a task returned; of a mapped one the list by map index, without those that pushed nothing."""
        values = {
            task.map_index: pushed["return_value"]
            for task, pushed in self.xcoms.items()
            if task.task_id == task_id and "return_value" in pushed
        }
        if set(values) == {-1}:
            return values[-1]
        return [values[index] for index in sorted(values)]

    def state_of(self, task_id: str) -> Any:
        """A task's state; of a mapped one the list by map index."""
        found = {task.map_index: state for task, state in self.states.items() if task.task_id == task_id}
        if set(found) == {-1}:
            return found[-1]
        return [found[index] for index in sorted(found)]


def outcome_of(run: DagRun) -> RunOutcome:
    """Reads everything about a run from the metadata database."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        instances = {
            TaskRun(one.task_id, one.map_index): one for one in run.get_task_instances(session=session)
        }
        states = {task: str(one.state) for task, one in instances.items()}
        tries = {task: one.try_number for task, one in instances.items()}
        xcoms: dict[TaskRun, dict[str, Any]] = {}
        result = None
        query = XComModel.get_many(run_id=run.run_id, dag_ids=run.dag_id)
        for row in session.scalars(query.order_by(None)):
            value = XComModel.deserialize_value(row)
            xcoms.setdefault(TaskRun(row.task_id, row.map_index), {})[row.key] = value
            if row.dag_result:
                result = value
        return RunOutcome(run.run_id, str(run.state), states, tries, xcoms, result, _events(session, run))


def _events(session: Session, run: DagRun) -> list[AssetEvent]:
    from airflow.models.asset import AssetEvent as Row
    from airflow.models.asset import AssetModel
    from sqlalchemy import select

    query = (
        select(Row, AssetModel)
        .join(AssetModel, AssetModel.id == Row.asset_id)
        .where(Row.source_dag_id == run.dag_id, Row.source_run_id == run.run_id)
        .order_by(Row.id)
    )
    return [
        AssetEvent(asset.name, asset.uri, dict(event.extra), str(event.source_task_id))
        for event, asset in session.execute(query)
    ]
