"""A whole Airflow on loopback for as long as a `with` block lasts."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.error import URLError

from airflow_live.api import Api, Refused
from airflow_live.metadata import metadata_database
from airflow_live.processes import Component, kill_marked, stop_all
from airflow_live.worker_name import VARIABLE
from ragctl.embedded.layout import SHARED_VARIABLE

STARTS_S = 180.0
APPEARS_S = 60.0
PARALLELISM = 8
HEALTHY_PARTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
IDLE_SLEEP_S = 0.1
HEARTBEATS_LOST_S = 15
"""After how many seconds without a sign of life a task or a scheduler counts as dead. Airflow's defaults
are 300 and 30 s: shorter here, so that the faults take minutes and not hours."""


class Unusable(Exception):
    """The environment, or a program, that a deployment needs is missing; the text says how to get it."""


def free_port() -> int:
    """A port of loopback that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Layout:
    """What a deployment is made of.

    Attributes:
        python: the interpreter of the environment that has Airflow and ragctl.
        celery: tasks run in Celery workers behind Redis, one worker for each of these queues; none:
            LocalExecutor.
        ahead: workers load what tasks need when they start, as docs/airflow.md advises.
    """

    python: Path
    celery: tuple[str, ...] = ()
    ahead: bool = False

    def check(self) -> None:
        """
        Raises:
            Unusable: something is missing.
        """
        if not self.python.is_file():
            raise Unusable(f"{self.python} is missing: name the Python that has Airflow with --python")
        wanted = ["airflow", "ragctl", "asyncpg", "psycopg2", *(["celery", "redis"] if self.celery else [])]
        code = "import sys, importlib.util as u; print(*[n for n in sys.argv[1:] if not u.find_spec(n)])"
        found = subprocess.run(
            [str(self.python), "-c", code, *wanted], stdout=subprocess.PIPE, encoding="utf-8", check=True
        )
        if missing := found.stdout.split():
            raise Unusable(
                f"{self.python} lacks {', '.join(missing)}: "
                f"{self.python} -m pip install 'apache-airflow[celery,redis,postgres]==3.3.2'"
            )
        if self.celery and shutil.which("redis-server") is None:
            raise Unusable("redis-server is missing: apt-get install redis-server (or run with --install)")


class Deployment:
    """api-server, scheduler, dag-processor and triggerer; with Celery, Redis and workers too.

    Everything lies in one scratch folder, which is removed at the end unless `keep` is set; every process
    is stopped, also after a failure or Ctrl-C.

    Attributes:
        base: the scratch folder; world-readable, because as root PostgreSQL runs as another user.
        dags: the folder of DAG files.
        api: the client.
    """

    def __init__(self, layout: Layout, *, keep: bool = False) -> None:
        self.layout, self._keep = layout, keep
        self._components: dict[str, Component] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Deployment:
        self.layout.check()
        try:
            self._open()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _open(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="airflow-live-"))
        self.base.chmod(0o755)
        self._stack.callback(self._remove)
        self.home, self.dags, self.logs = self.base / "airflow", self.base / "dags", self.base / "logs"
        for folder in (self.home, self.dags, self.logs):
            folder.mkdir()
        if self.layout.ahead:
            settings = self.home / "config" / "airflow_local_settings.py"
            settings.parent.mkdir()
            settings.write_text("import ragctl.airflow.ahead\n", encoding="utf-8")
        before = os.environ.get(SHARED_VARIABLE)
        if before is None:  # as root, nothing stays behind in the machine's own folder
            os.environ[SHARED_VARIABLE] = str(self.base / "shared")
            self._stack.callback(os.environ.pop, SHARED_VARIABLE, None)
        self._stack.callback(self._sweep)
        address = self._stack.enter_context(metadata_database(self.base / "metadata"))
        self._port = free_port()
        self.api = Api(f"http://127.0.0.1:{self._port}")
        self.environment = self._settings(address)
        self._stack.callback(self._stop_components)
        self._run_airflow("db", "migrate")
        self._start_all()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            print(f"stopping Airflow after {kind.__name__ if kind else 'an error'}", file=sys.stderr)
        with _undisturbed():
            self._stack.close()

    def on_exit(self, call: object, *arguments: object) -> None:
        """Calls it while everything still runs, before the processes are stopped."""
        self._stack.callback(call, *arguments)  # type: ignore[arg-type]

    def _settings(self, address: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "PYTHON", "VIRTUAL_ENV", "PG"))
        }
        sections = {
            "CORE__DAGS_FOLDER": str(self.dags),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__EXECUTOR": "CeleryExecutor" if self.layout.celery else "LocalExecutor",
            "CORE__PARALLELISM": str(PARALLELISM),
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.api.url}/execution/",
            "CORE__FERNET_KEY": "",
            "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{address}",
            "API__HOST": "127.0.0.1",
            "API__PORT": str(self._port),
            "API__BASE_URL": self.api.url,
            "API__WORKERS": "1",
            "API__SECRET_KEY": secrets.token_hex(16),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": str(IDLE_SLEEP_S),
            "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": str(HEARTBEATS_LOST_S),
            "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": str(HEARTBEATS_LOST_S),
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEATS_LOST_S),
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "2",
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            "LOGGING__BASE_LOG_FOLDER": str(self.logs / "tasks"),
            "LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        return {
            **kept,
            **{f"AIRFLOW__{name}": value for name, value in sections.items()},
            "AIRFLOW_HOME": str(self.home),
            "SCARF_ANALYTICS": "false",
            "DO_NOT_TRACK": "1",
            "PATH": os.pathsep.join([str(self.layout.python.parent), os.environ.get("PATH", os.defpath)]),
        }

    def _airflow(self, *arguments: str) -> list[str]:
        return [str(self.layout.python), "-m", "airflow", *arguments]

    def _run_airflow(self, *arguments: str) -> None:
        log = self.logs / f"{'-'.join(arguments)}.log"
        with log.open("wb") as stream:
            done = subprocess.run(
                self._airflow(*arguments),
                env=self.environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            text = log.read_text(encoding="utf-8", errors="replace")
            raise Unusable(f"airflow {' '.join(arguments)} ended with {done.returncode}:\n{text[-3000:]}")

    def _start_all(self) -> None:
        if self.layout.celery:
            self._prepare_celery()
        for name in ("api-server", "scheduler", "dag-processor", "triggerer"):
            self._add(name, self._airflow(name), self.environment)
        for queue in self.layout.celery:
            self._add_worker(queue)
        self.wait_until_healthy()

    def _prepare_celery(self) -> None:
        port = free_port()
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
        self._add("redis", [*command, "--dir", str(self.base)], self.environment)
        self.environment |= {
            "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{port}/0",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"redis://127.0.0.1:{port}/1",
        }

    def _add_worker(self, queue: str) -> None:
        name = f"worker-{queue}"
        arguments = ["celery", "worker", "--queues", queue, "--concurrency", "2", "--skip-serve-logs"]
        command = self._airflow(*arguments, "--celery-hostname", f"{queue}@localhost")
        named = {
            VARIABLE: name,
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "airflow_live.worker_name.worker_name",
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        }
        pid_file = str(self.home / f"{name}.pid")
        self._add(name, [*command, "--pid", pid_file], {**self.environment, **named})

    def _add(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        component = Component(name, command, environment, self.logs / f"{name}.log")
        self._components[name] = component
        component.start()

    def component(self, name: str) -> Component:
        return self._components[name]

    def check(self) -> None:
        """
        Raises:
            Died: one of the processes has ended.
        """
        for component in self._components.values():
            component.check()

    def wait_until_healthy(self) -> None:
        """Returns when every part says that it is well.

        Raises:
            Died: one ended instead.
            TimeoutError: not within STARTS_S.
        """
        deadline = time.monotonic() + STARTS_S
        last = "no answer"
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(URLError, ConnectionError, TimeoutError, Refused):
                health = self.api.call("GET", "/api/v2/monitor/health", authorised=False, timeout=5)
                last = str({part: health[part]["status"] for part in HEALTHY_PARTS})
                if all(health[part]["status"] == "healthy" for part in HEALTHY_PARTS):
                    return
            time.sleep(0.5)
        raise TimeoutError(f"Airflow is not healthy after {STARTS_S:.0f} s: {last}; logs: {self.logs}")

    def add_dag(self, dag: str, file: Path | None = None) -> None:
        """Waits until the DAG of this id can be triggered; `file` is copied into the folder before.

        Raises:
            Unusable: Airflow cannot import a file.
            TimeoutError: it does not appear.
        """
        if file is not None:
            shutil.copy(file, self.dags / file.name)
        deadline = time.monotonic() + APPEARS_S
        while time.monotonic() < deadline:
            self.check()
            if errors := self.api.get("/importErrors")["import_errors"]:
                raise Unusable("\n".join(f"{one['filename']}: {one['stack_trace']}" for one in errors))
            if any(one["dag_id"] == dag for one in self.api.all("/dags", "dags")):
                return
            time.sleep(0.5)
        raise TimeoutError(f"the DAG {dag} has not appeared after {APPEARS_S:.0f} s; logs: {self.logs}")

    def _stop_components(self) -> None:
        stop_all(self._components.values())

    def _sweep(self) -> None:
        for command in kill_marked("AIRFLOW_HOME", str(self.home)):
            print(f"left behind, and killed: {command}", file=sys.stderr)

    def _remove(self) -> None:
        if self._keep:
            print(f"kept: {self.base}", file=sys.stderr)
        else:
            shutil.rmtree(self.base, ignore_errors=True)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not interrupt the clearing up, which takes some seconds."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
