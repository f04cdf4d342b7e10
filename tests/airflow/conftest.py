"""Airflow in this process: a home of its own with SQLite, DAG files in it, and runs by `dag.test()`."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow_runs import RunOutcome, outcome_of

if TYPE_CHECKING:
    from airflow.sdk import DAG


def _prepare() -> Path:
    """Makes the home and settings; Airflow reads them when it is first imported, which a test module may do.

    What the surroundings say about another Airflow is taken away, so that no test can reach its data.
    """
    home = Path(tempfile.mkdtemp(prefix="ragctl-airflow-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    (home / "dags").mkdir()
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "_AIRFLOW"))]:
        del os.environ[name]
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "0",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
    }
    return home


HOME = _prepare()


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """The scratch AIRFLOW_HOME, with a metadata database that the session's runs share."""
    try:
        distribution("apache-airflow-core")
    except PackageNotFoundError:
        pytest.fail("these tests need Airflow: run them with `make airflow-parity`", pytrace=False)
    from airflow.utils.db import initdb

    initdb()
    return HOME


@pytest.fixture
def dags_folder(airflow_home: Path) -> Iterator[Path]:
    """Airflow's DAGs folder; what a test leaves in it is removed after the test."""
    folder = airflow_home / "dags"
    yield folder
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.fixture
def dag_of(dags_folder: Path) -> Callable[[str | Path], DAG]:
    """`dag_of(text or path)`: the one DAG of a file.

    A text is written into the DAGs folder. A path must lie in it (`dags_folder`) already, because
    `dag.test()` takes the DAG's version from the folder's files and an exported file finds its spec
    relative to its own place; AssertionError if it does not, if the file cannot be imported (with
    Airflow's reason), or if it has not exactly one DAG.
    """

    def load(source: str | Path) -> DAG:
        from airflow.dag_processing.dagbag import DagBag

        if isinstance(source, str):
            file = dags_folder / f"dag_{len(list(dags_folder.iterdir()))}.py"
            file.write_text(source, encoding="utf-8")
        else:
            file = source
        assert file.is_relative_to(dags_folder), f"{file} is not in the DAGs folder {dags_folder}"
        bag = DagBag(file, bundle_path=dags_folder, bundle_name="dags-folder")
        assert not bag.import_errors, "\n".join(bag.import_errors.values())
        assert len(bag.dags) == 1, f"{file} has {len(bag.dags)} DAGs"
        [dag] = bag.dags.values()
        return dag

    return load


@pytest.fixture
def run_dag() -> Callable[..., RunOutcome]:
    """`run_dag(dag, conf=None)`: runs a DAG of `dag_of` to its end in this process, and says what came of it.

    What `dag.test()` does, as test_plumbing.py shows:

    - `conf` is validated by the DAG's params first: ParamValidationError, and no run. Keys that are no
      params pass, and are in `dag_run.conf`.
    - A task's failure raises nothing here: it is a state of the outcome. Retries are kept
      (AirflowFailException has none) but do not wait: this fixture sets the delay to 0, and the backoff,
      which would wait a second at least, to none. Without that an emitted delay of minutes is slept through.
    - A mapped copy that fails stops the copies that need it ("upstream_failed"), no others. Mapping over an
      empty list leaves one entry with map index -1, "skipped"; over what never came, "upstream_failed".
    - A task with trigger_rule "all_done" runs after all that, and the run's state is that of its last tasks:
      "success", unless that task fails too.
    - `yield Metadata(asset, {…})` is an asset event of the outcome, if the task succeeds.
    - Tasks run one after another, in this process: what a test replaces (`monkeypatch`, also variables of
      the environment such as AIRFLOW_CONN_…) is replaced for them too. `@task.external_python` starts its
      own Python, with this environment. Queues, pools and executors are ignored.
    - A run's id comes from the time, so a DAG can be run again; every run reads all files of the DAGs folder.
    """

    def run(dag: DAG, conf: Mapping[str, Any] | None = None) -> RunOutcome:
        for task in dag.tasks:
            task.retry_delay = timedelta(0)
            task.retry_exponential_backoff = 0
        return outcome_of(dag.test(run_conf=dict(conf or {})))

    return run
