"""Airflow's REST interface, as far as it is used here."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

POLLS_S = 0.2
PAGE = 100
ENDED = ("success", "failed")


class Refused(Exception):
    """An answer with a status of 400 or more; the text names the call and the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """A client with a token of SimpleAuthManager's, who makes everyone an administrator here."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._token: str | None = None

    @property
    def token(self) -> str:
        if self._token is None:
            self._token = str(self.call("GET", "/auth/token", authorised=False)["access_token"])
        return self._token

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, Any] | None = None,
        authorised: bool = True,
        timeout: float = 60.0,
    ) -> Any:
        """The JSON of the answer, the last line's where the answer is a stream of lines; None for no text.

        Raises:
            Refused: by Airflow.
            OSError: it does not answer.
        """
        address = self.url + path + (f"?{urllib.parse.urlencode(query, doseq=True)}" if query else "")
        headers = {"Content-Type": "application/json"}
        if authorised:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                lines = answer.read().decode("utf-8").splitlines()
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace")[:2000]
            raise Refused(error.code, f"{method} {path}: {error.code}: {text}") from None
        return json.loads(lines[-1]) if lines else None

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", f"/api/v2{path}", query=query or None)

    def post(self, path: str, body: object) -> Any:
        return self.call("POST", f"/api/v2{path}", body)

    def all(self, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
        """Every row of a listing that comes in pages."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=PAGE, offset=len(rows), **query)
            rows += page[key]
            if len(rows) >= page["total_entries"] or not page[key]:
                return rows

    def trigger(self, dag: str, conf: Mapping[str, Any] | None = None) -> str:
        """Starts a run of its own, with no logical date; its id."""
        answer = self.post(f"/dags/{dag}/dagRuns", {"logical_date": None, "conf": dict(conf or {})})
        return str(answer["dag_run_id"])

    def wait(self, dag: str, run: str, *, timeout: float = 900.0) -> dict[str, Any]:
        """The last line of Airflow's own waiting call: `state`, and `results` where the DAG has one."""
        path = f"/api/v2/dags/{dag}/dagRuns/{urllib.parse.quote(run, safe='')}/wait"
        answer: dict[str, Any] = self.call("GET", path, query={"interval": POLLS_S}, timeout=timeout)
        return answer

    def run(self, dag: str, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/dags/{dag}/dagRuns/{urllib.parse.quote(run, safe='')}")
        return found

    def until_ended(self, dag: str, run: str, *, timeout: float = 900.0) -> dict[str, Any]:
        """The run when it has ended, by asking again and again: also while Airflow is being restarted.

        Raises:
            TimeoutError: it has not ended after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = self.run(dag, run)
            if found["state"] in ENDED:
                return found
            time.sleep(POLLS_S)
        raise TimeoutError(f"{dag}/{run} has not ended after {timeout:.0f} s: {self.task_states(dag, run)}")

    def runs(self, dag: str) -> list[dict[str, Any]]:
        return self.all(f"/dags/{dag}/dagRuns", "dag_runs")

    def task_instances(self, dag: str, run: str) -> list[dict[str, Any]]:
        return self.all(
            f"/dags/{dag}/dagRuns/{urllib.parse.quote(run, safe='')}/taskInstances", "task_instances"
        )

    def task_states(self, dag: str, run: str) -> dict[str, int]:
        """How many task instances there are, by task and state."""
        states: dict[str, int] = {}
        for one in self.task_instances(dag, run):
            key = f"{one['task_id']}: {one['state']}"
            states[key] = states.get(key, 0) + 1
        return states

    def xcom(self, dag: str, run: str, task: str, key: str = "return_value", map_index: int = -1) -> Any:
        """A value that a task left."""
        run = urllib.parse.quote(run, safe="")
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}"
        return self.get(path, map_index=map_index, deserialize="true")["value"]

    def clear(self, dag: str, run: str, task: str, map_index: int | None = None) -> int:
        """Clears a task and all that comes after it, of a run that may have ended; how many instances."""
        chosen: list[Any] = [task] if map_index is None else [[task, map_index]]
        answer = self.post(
            f"/dags/{dag}/clearTaskInstances",
            {
                "dry_run": False,
                "dag_run_id": run,
                "task_ids": chosen,
                "include_downstream": True,
                "only_failed": False,
                "reset_dag_runs": True,
            },
        )
        return int(answer["total_entries"])

    def asset_events(self, name: str) -> list[dict[str, Any]]:
        """The events of the asset of this name, the newest first."""
        assets = [one for one in self.all("/assets", "assets") if one["name"] == name]
        if not assets:
            return []
        return self.all("/assets/events", "asset_events", asset_id=assets[0]["id"], order_by="-timestamp")
