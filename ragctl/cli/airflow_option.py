"""`--airflow URL`: the same command, carried out by the exported DAG of an Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragctl.errors import UsageError

if TYPE_CHECKING:
    from ragctl.airflow.dag_runs import DagClient, Outcome
    from ragctl.spec.load import LoadedSpec

FAILURES_SHOWN = 5

AirflowOption = Annotated[
    str | None,
    typer.Option(
        "--airflow",
        metavar="URL",
        help="Have the exported DAG do it, in the Airflow whose API server is there, and wait for it.",
        show_default=False,
    ),
]


def refuse_beside_airflow(options: Mapping[str, object]) -> None:
    """Refuses options that cannot be handed to a DAG.

    Args:
        options: name of the option → its value; falsy if it was not given.

    Raises:
        UsageError: one of them was given.
    """
    given = [name for name, value in options.items() if value]
    if given:
        raise UsageError(
            f"{', '.join(given)} cannot be given together with --airflow",
            hint="the DAG runs the spec that it was exported from, in the surroundings that Airflow has",
        )


@contextmanager
def airflow_at(url: str, loaded: LoadedSpec, say: Callable[[str], None]) -> Iterator[DagClient]:
    """A client for that Airflow, with the credentials whose names stand in the spec.

    Raises:
        UsageError: the URL or the credentials cannot be used.
        MissingPackage: httpx is not installed.
    """
    from ragctl.airflow.address import base_url_of, credentials_of
    from ragctl.airflow.dag_runs import DagClient
    from ragctl.airflow.rest import Api

    with Api(base_url_of(url), credentials_of(loaded.spec.airflow.api)) as api:
        yield DagClient(api, say=say)


def carry_out(
    client: DagClient, dag_id: str, stage: str, conf: dict[str, Any], *, interval_s: float
) -> Outcome:
    """Runs a DAG to its end; what failed in it is told on stderr.

    Ctrl-C ends the waiting, not the run.

    Args:
        stage: whose task returns the result.
        interval_s: seconds between two looks at the run.

    Raises:
        RagctlError: see `DagClient`.
    """
    from ragctl.cli.output import talk

    run = client.new_run(dag_id, stage)
    started = False
    try:
        client.start(run, conf)
        started = True
        client.say(f"started {run.run_id} of {dag_id}: {run.url}")
        outcome = client.wait(run, interval_s=interval_s)
    except KeyboardInterrupt:
        goes_on = "the run goes on in Airflow" if started else "if the run was started, it goes on in Airflow"
        talk(f"stopped waiting; {goes_on}: {run.run_id} of {dag_id}, {run.url}")
        raise
    _tell_failures(outcome)
    return outcome


def _tell_failures(outcome: Outcome) -> None:
    from ragctl.cli.output import talk

    told = [failure for failure in outcome.failures if failure.log]
    told += [failure for failure in outcome.failures if not failure.log][: FAILURES_SHOWN - len(told)]
    for failure in told:
        talk(f"failed in Airflow: {failure.task}" + (", whose log ends with" if failure.log else ""))
        for line in failure.log:
            talk(f"  {line}")
    if outcome.failed > len(told):
        talk(f"failed in Airflow: {outcome.failed - len(told):,} more tasks")
