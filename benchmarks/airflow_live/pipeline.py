"""A spec with its pages in a folder of its own: run by command line, exported, compared."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.contents import Contents, contents, differences, inconsistencies

from airflow_live.deployment import Deployment
from ragctl.embedded.server import EmbeddedServer

SETTLED_S = 2.5  # a younger file is looked at once more
HANGS_S = 1800.0


class CommandFailed(Exception):
    """A `ragctl` that should have succeeded did not; the text holds what it said."""


class Pipeline:
    """One pipeline over copies of pages, with its own embedded server in its folder.

    Args:
        base: folder that is made for it; world-readable.
        name: of the spec and of its index.
        pages: folder that is copied into it.
        airflow: the spec's section of that name, but for `single_host`.
    """

    def __init__(self, base: Path, name: str, pages: Path, airflow: Mapping[str, Any] | None = None) -> None:
        self.base, self.name = base, name
        self.base.mkdir(parents=True)
        self.base.chmod(0o755)
        shutil.copytree(pages, base / "pages")
        self.spec = self.write_spec(name, airflow)
        self._settled = time.monotonic() + SETTLED_S

    def write_spec(self, name: str, airflow: Mapping[str, Any] | None = None) -> Path:
        """A spec of this name beside the pages, for the same index."""
        path = self.base / f"{name}.yaml"
        source = {"type": "directory", "path": "pages", "include": ["**/*.rst", "**/*.md"]}
        spec = {
            "name": name,
            "sources": [source],
            "store": {"type": "pgvector", "index": self.name},
            "airflow": {"single_host": True, **(airflow or {})},
        }
        path.write_text(json.dumps(spec), encoding="utf-8")
        return path

    def twin(self, base: Path) -> Pipeline:
        """The same pages and name in another folder, to be ingested undisturbed by command line."""
        return Pipeline(base, self.name, self.base / "pages")

    def ready(self) -> None:
        """Starts the server, and waits until the pages are old enough: neither is to be measured."""
        EmbeddedServer(self.base / ".ragctl").connect().close()
        time.sleep(max(0.0, self._settled - time.monotonic()))

    def command(
        self, name: str, *arguments: str, spec: Path | None = None, airflow: Deployment | None = None
    ) -> tuple[float, list[Any]]:
        """Seconds of a whole `ragctl NAME SPEC … --format json`, and the JSON lines that it printed.

        Raises:
            CommandFailed: another exit code than 0.
        """
        environment = dict(os.environ)
        given = [name, str(spec or self.spec), *arguments, "--format", "json"]
        if airflow is not None:
            given += ["--airflow", airflow.api.url]
            environment["AIRFLOW_TOKEN"] = airflow.api.token
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "ragctl", *given],
            capture_output=True,
            encoding="utf-8",
            env=environment,
            check=False,
            timeout=HANGS_S,
        )
        seconds = time.perf_counter() - started
        if done.returncode != 0:
            raise CommandFailed(f"ragctl {' '.join(given)}: {done.returncode}\n{done.stderr}\n{done.stdout}")
        return seconds, [json.loads(line) for line in done.stdout.splitlines()]

    def ingest(self, airflow: Deployment | None = None) -> tuple[float, Any]:
        """Seconds of an ingest, by command line or by its DAG, and its report."""
        seconds, [report] = self.command("ingest", airflow=airflow)
        return seconds, report

    def export(
        self, deployment: Deployment, kind: str, layout: str = "stages", spec: Path | None = None
    ) -> str:
        """Exports the DAG into the deployment and waits for it; its id.

        Raises:
            CommandFailed: it cannot be exported.
        """
        spec = spec or self.spec
        dag = f"{spec.stem}_{kind}"
        file = deployment.dags / f"{dag}.py"
        given = ["export-dag", str(spec), "--kind", kind, "--layout", layout, "-o", str(file)]
        done = subprocess.run(
            [sys.executable, "-m", "ragctl", *given], stderr=subprocess.PIPE, encoding="utf-8", check=False
        )
        if done.returncode != 0:
            raise CommandFailed(f"ragctl {' '.join(given)}: {done.returncode}\n{done.stderr}")
        deployment.add_dag(dag)
        return dag

    def contents(self) -> Contents:
        """What its index holds."""
        with EmbeddedServer(self.base / ".ragctl").connect() as connection:
            return contents(connection, self.name)

    def differences(self, undisturbed: Contents) -> list[str]:
        """A line for each thing in which this index is not what it should be; none is the aim."""
        with EmbeddedServer(self.base / ".ragctl").connect() as connection:
            found = [f"within the index: {line}" for line in inconsistencies(connection, self.name)]
        return found + differences(self.contents(), undisturbed)

    def stop(self) -> None:
        """Stops its server."""
        EmbeddedServer(self.base / ".ragctl").stop()
