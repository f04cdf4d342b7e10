"""An HTTP server on loopback that plays Airflow's API server: its paths, shapes and refusals, no scheduler.

What it answers was read off Airflow 3.3's own API. A test says how runs end, and which calls go wrong.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """What was asked."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """What is answered. `drop`: the connection is closed before; `hang_s`: it is sent so much later."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    hang_s: float = 0.0


@dataclass(frozen=True)
class Failed:
    """A task instance that fails. `log` are entries of its log: objects, or lines as they are."""

    task: str
    map_index: int = -1
    xcoms: dict[str, object] = field(default_factory=dict)
    log: tuple[object, ...] = ()
    try_number: int = 1


@dataclass(frozen=True)
class Ending:
    """How a run ends: its state, the results of its tasks, the tasks that failed, the first one first."""

    state: str = "success"
    results: dict[str, object] = field(default_factory=dict)
    failed: tuple[Failed, ...] = ()


@dataclass
class Dag:
    """A DAG. `ends` says how a run with this conf ends; `looks`, how often it is seen running before."""

    tasks: tuple[str, ...]
    ends: Callable[[dict[str, Any]], Ending] = lambda conf: Ending()
    is_paused: bool = False
    is_stale: bool = False
    has_import_errors: bool = False
    looks: int = 1


@dataclass
class _Run:
    dag: Dag
    ending: Ending
    looks: int

    def look(self) -> str:
        self.looks -= 1
        return "running" if self.looks >= 0 else self.ending.state


Interceptor = Callable[[Request], Answer | None]


@dataclass
class FakeAirflow:
    """Its state, which a test may change at any time."""

    url: str = ""
    prefix: str = ""
    dags: dict[str, Dag] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=lambda: {"given-token"})
    users: dict[str, str] = field(default_factory=dict)
    all_admins: bool = False
    import_errors: list[dict[str, object]] = field(default_factory=list)
    interceptors: list[Interceptor] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    runs: dict[tuple[str, str], _Run] = field(default_factory=dict)
    confs: list[dict[str, Any]] = field(default_factory=list)
    waits: bool = True
    stream_lines: int | None = None

    def intercept(self, pattern: str, answer: Answer, *, times: int | None = None, method: str = "") -> None:
        """Gives this answer to calls whose path fits the pattern, so many times, or from now on."""
        left = [times]

        def interceptor(request: Request) -> Answer | None:
            if not re.search(pattern, request.path) or method not in ("", request.method) or left[0] == 0:
                return None
            left[0] = None if left[0] is None else left[0] - 1
            return answer

        self.interceptors.append(interceptor)

    def asked(self, pattern: str, method: str = "") -> list[Request]:
        """The calls whose path fits the pattern."""
        return [one for one in self.requests if re.search(pattern, one.path) and method in ("", one.method)]


@contextmanager
def fake_airflow() -> Iterator[FakeAirflow]:
    """Serves until the end of the `with`."""
    fake = FakeAirflow()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


NOT_FOUND = Answer(404, {"detail": "Not Found"})


class _Handler(BaseHTTPRequestHandler):
    fake: FakeAirflow
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the requests are kept."""

    def _serve(self, method: str) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path = unquote(parts.path)
        request = Request(method, path, parse_qs(parts.query), dict(self.headers.items()), body)
        self.fake.requests.append(request)
        for interceptor in list(self.fake.interceptors):
            if (answer := interceptor(request)) is not None:
                self._send(answer)
                return
        if not path.startswith(self.fake.prefix):
            self._send(NOT_FOUND)
            return
        inner = path.removeprefix(self.fake.prefix)
        if inner == "/auth/token":
            self._send(self._sign_in(request))
        elif not inner.startswith("/api/v2"):
            self._send(Answer(404, "<html>not here</html>"))
        elif request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.fake.tokens:
            self._send(Answer(401, {"detail": "Not authenticated"}))
        else:
            self._api(request, inner.removeprefix("/api/v2"))

    def _sign_in(self, request: Request) -> Answer:
        fake = self.fake
        if request.method == "GET":
            good = fake.all_admins
            refused = Answer(403, {"detail": "This method is only allowed if all admins"})
        else:
            good = fake.users.get(request.body["username"]) == request.body["password"]
            refused = Answer(401, {"detail": "Invalid credentials"})
        if not good:
            return refused
        token = f"signed-{len(fake.tokens)}"
        fake.tokens.add(token)
        return Answer(201, {"access_token": token})

    def _api(self, request: Request, path: str) -> None:
        if path == "/importErrors":
            found = self.fake.import_errors
            self._send(Answer(200, {"import_errors": found, "total_entries": len(found)}))
            return
        match = re.fullmatch(r"/dags/([^/]+)(?:/(tasks|dagRuns)(?:/([^/]+)(/.*)?)?)?", path)
        dag = self.fake.dags.get(match[1]) if match else None
        if match is None:
            self._send(NOT_FOUND)
        elif dag is None:
            self._send(Answer(404, {"detail": f"The Dag with ID: `{match[1]}` was not found"}))
        elif match[2] is None:
            flags = {name: getattr(dag, name) for name in ("is_paused", "is_stale", "has_import_errors")}
            self._send(Answer(200, {"dag_id": match[1], **flags}))
        elif match[2] == "tasks":
            tasks = [{"task_id": name} for name in sorted(dag.tasks)]
            self._send(Answer(200, {"tasks": tasks, "total_entries": len(tasks)}))
        elif request.method == "POST":
            self._send(self._trigger(match[1], dag, request))
        else:
            self._run(request, match[1], match[3], match[4] or "")

    def _trigger(self, dag_id: str, dag: Dag, request: Request) -> Answer:
        body = request.body
        if "logical_date" not in body:
            missing = {"type": "missing", "loc": ["body", "logical_date"], "msg": "Field required"}
            return Answer(422, {"detail": [missing]})
        key = (dag_id, body["dag_run_id"])
        if key in self.fake.runs:
            return Answer(409, {"detail": {"reason": "Unique constraint violation", "message": "exists"}})
        self.fake.confs.append(body["conf"])
        self.fake.runs[key] = _Run(dag, dag.ends(body["conf"]), dag.looks)
        return Answer(200, {"dag_id": dag_id, "dag_run_id": key[1], "state": "queued", "conf": body["conf"]})

    def _run(self, request: Request, dag_id: str, run_id: str, below: str) -> None:
        run = self.fake.runs.get((dag_id, run_id))
        if run is None:
            self._send(
                Answer(
                    404,
                    {"detail": f"The DagRun with dag_id: `{dag_id}` and run_id: `{run_id}` was not found"},
                )
            )
        elif not below:
            self._send(Answer(200, {"dag_id": dag_id, "dag_run_id": run_id, "state": run.look()}))
        elif below == "/wait":
            self._wait(request, run)
        elif below == "/taskInstances":
            self._send(self._failed_instances(run, request))
        else:
            self._instance(request, run, below)

    def _wait(self, request: Request, run: _Run) -> None:
        if not self.fake.waits:
            self._send(NOT_FOUND)
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        lines = 0
        while True:
            state = run.look()
            line: dict[str, object] = {"state": state}
            if state != "running":
                results = {name: run.ending.results.get(name) for name in request.query.get("result", [])}
                line["results"] = {name: value for name, value in results.items() if value is not None}
            self._chunk((json.dumps(line) + "\n").encode())
            lines += 1
            if lines == self.fake.stream_lines:
                self.close_connection = True  # without the chunk that ends the answer
                return
            if state != "running":
                self._chunk(b"")
                return
            time.sleep(float(request.query["interval"][0]))

    def _failed_instances(self, run: _Run, request: Request) -> Answer:
        assert request.query["state"] == ["failed"]
        assert request.query["order_by"] == ["end_date"]
        instances = [
            {"task_id": one.task, "map_index": one.map_index, "state": "failed", "try_number": one.try_number}
            for one in run.ending.failed
        ]
        limit = int(request.query["limit"][0])
        return Answer(200, {"task_instances": instances[:limit], "total_entries": len(instances)})

    def _instance(self, request: Request, run: _Run, below: str) -> None:
        match = re.fullmatch(r"/taskInstances/([^/]+)/(xcomEntries|logs)/([^/]+)", below)
        assert match is not None, below
        number = int(request.query["map_index"][0])
        found = [one for one in run.ending.failed if (one.task, one.map_index) == (match[1], number)]
        if match[2] == "logs":
            fitting = [one for one in found if one.try_number == int(match[3])]
            if not fitting:
                self._send(Answer(404, {"detail": "TaskInstance not found"}))
                return
            lines = [
                one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in fitting[0].log
            ]
            self._send(
                Answer(200, "".join(line + "\n" for line in lines), {"Content-Type": "application/x-ndjson"})
            )
            return
        values = dict(found[0].xcoms) if found else {}
        if match[3] == "return_value" and match[1] in run.ending.results and number == -1:
            values["return_value"] = run.ending.results[match[1]]
        if match[3] not in values:
            self._send(Answer(404, {"detail": f"XCom entry with key: `{match[3]}` not found"}))
            return
        self._send(Answer(200, {"key": match[3], "value": values[match[3]]}))

    def _send(self, answer: Answer) -> None:
        time.sleep(answer.hang_s)
        if answer.drop:
            self.close_connection = True
            return
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        kind = "text/html" if isinstance(answer.body, str) else "application/json"
        data = text.encode("utf-8")
        self.send_response(answer.status)
        for name, value in {"Content-Type": kind, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with suppress(ConnectionError):  # who asked may have given up
            self.wfile.write(data)

    def _chunk(self, data: bytes) -> None:
        with suppress(ConnectionError):
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
