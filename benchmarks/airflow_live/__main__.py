"""Exported DAGs in a real Airflow.

    PYTHONPATH=benchmarks:tests python -m airflow_live [--only docs,experiment,asks-alone,…]

`--python` is the interpreter of an environment that has ragctl and
`apache-airflow[celery,redis,postgres]==3.3.2`; `queues` needs redis-server as well. Everything listens on
loopback alone, lies in one temporary folder and is gone at the end. Results go to a folder as CSV, JSON and
a Markdown summary. Exit code 1 if something that must hold does not.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from airflow_live import documentation, experiment, faults, overhead, pages, queues
from airflow_live.deployment import Deployment, Layout, Unusable
from airflow_live.results import Results

REPOSITORY = Path(__file__).resolve().parents[2]
Scenario = Callable[[Deployment, Results, Path], None]
LOCAL: dict[str, Scenario] = {
    "docs": documentation.run,
    "experiment": experiment.run,
    "asks-alone": overhead.asks,
    "overhead": overhead.ingests,
    "faults": faults.run,
}
AHEAD: dict[str, Scenario] = {"asks": overhead.asks}
CELERY: dict[str, Scenario] = {"queues": queues.run}


def main() -> int:
    options = _options()
    chosen = options.only.split(",")
    if unknown := set(chosen) - {*LOCAL, *AHEAD, *CELERY}:
        print(f"unknown scenario: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    # A stop from outside unwinds like Ctrl-C; under `nohup` or in the background that may be ignored.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    results = Results(options.results)
    python = options.python.absolute()  # not resolved: a virtual environment's Python is a link
    if options.install and "queues" in chosen:
        subprocess.run(["apt-get", "install", "-y", "redis-server"], check=True)
    try:
        with tempfile.TemporaryDirectory(prefix="airflow-live-pages-") as folder:
            archive = pages.unpack(options.archive, Path(folder))
            _preface(results)
            _run(Layout(python), LOCAL, chosen, results, archive, keep=options.keep)
            _run(Layout(python, ahead=True), AHEAD, chosen, results, archive, keep=options.keep)
            _run(Layout(python, queues.QUEUES), CELERY, chosen, results, archive, keep=options.keep)
    except Unusable as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(f"\nresults: {results.folder}")
    for line in results.bad:
        print(f"NOT MET: {line}")
    return 1 if results.bad else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("airflow_live", description="Exported DAGs in a real Airflow.")
    python = REPOSITORY / ".venv-airflow" / "bin" / "python"
    parser.add_argument("--python", type=Path, default=python, help="the Python that has Airflow and ragctl")
    parser.add_argument("--only", default=",".join([*LOCAL, *AHEAD, *CELERY]), help="scenarios, by comma")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "build" / "airflow-live")
    parser.add_argument("--archive", type=Path, default=pages.ARCHIVE, help="the pages, a .tar.xz")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder, for its logs")
    parser.add_argument("--install", action="store_true", help="install redis-server with apt-get")
    return parser.parse_args()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _preface(results: Results) -> None:
    load = os.getloadavg()[0]
    results.say(
        f"# Airflow, live\n\n{datetime.date.today()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, load average {load:.1f} at the start. Where other work goes on beside it, "
        "read seconds as upper bounds.\n"
    )


def _run(
    layout: Layout,
    scenarios: dict[str, Scenario],
    chosen: list[str],
    results: Results,
    archive: Path,
    *,
    keep: bool,
) -> None:
    """The chosen ones of `scenarios`, in one deployment."""
    wanted = [name for name in scenarios if name in chosen]
    if not wanted:
        return
    started = time.monotonic()
    with Deployment(layout, keep=keep) as deployment:
        print(f"Airflow is up after {time.monotonic() - started:.0f} s: {deployment.api.url}", flush=True)
        for name in wanted:
            try:
                scenarios[name](deployment, results, archive)
            except Exception as error:  # the others are still worth their time; it counts as not met
                traceback.print_exc()
                results.expect(False, f"the scenario {name} came to its end: {type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
