"""ragctl experiment over a real index: what is shared, kept, left alone, and promoted."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from model_server import ModelServer
from ragctl.run.experimenting.plan import planned_experiment
from ragctl.run.experimenting.run import run_experiment
from ragctl.run.experimenting.variant_runs import VariantOptions, VariantOutcome
from ragctl.run.progress import Silent
from ragctl.spec.load import load_spec
from workspace import Called, Workspace

PAGES = {
    "lease.md": "# Leases\n\nA lease is held by one run at a time, and renewed every ten seconds.\n",
    "tea.md": "# Tea\n\nGreen tea is brewed at eighty degrees for two minutes.\n",
    "bread.md": "# Bread\n\nSourdough rests overnight before it is baked.\n",
}
QUESTIONS: list[dict[str, Any]] = [
    {"id": "lease", "question": "How often is a lease renewed?", "documents": ["lease.md"]},
    {"id": "tea", "question": "How hot is green tea brewed?", "documents": ["tea.md"]},
    {"id": "bread", "question": "When is sourdough baked?", "documents": ["bread.md"]},
]
MATRIX: dict[str, Any] = {"chunk.max_tokens": [64, 128], "ask.query.mode": ["dense", "hybrid"]}


class Trial:
    """A workspace whose spec has an experiment."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.file = workspace.base / f"{workspace.name}-questions.jsonl"
        self.file.write_text("".join(json.dumps(one) + "\n" for one in QUESTIONS), encoding="utf-8")
        for name, text in PAGES.items():
            workspace.write(name, f"{text}\nOf {workspace.name}.\n")  # else another test has its vectors
        self.spec()

    def spec(self, matrix: dict[str, Any] | None = None, **given: Any) -> None:
        """The experiment's keys, and beside them sections of the spec."""
        keys = ("include", "exclude", "metrics", "baseline", "queries")
        experiment = {"matrix": MATRIX if matrix is None else matrix, "queries": self.file.name}
        experiment |= {key: given.pop(key) for key in keys if key in given}
        self.workspace.spec(experiment=experiment, **given)

    def call(self, *arguments: str) -> Called:
        return self.workspace.call("experiment", *arguments)

    def run(self, *arguments: str) -> Any:
        called = self.call("run", "--format", "json", *arguments)
        assert called.code == 0, called.err
        return called.json

    def generations(self) -> dict[int, str]:
        listed = self.workspace.call("index", "list", "--format", "json").json["generations"]
        return {one["number"]: one["status"] for one in listed}


@pytest.fixture
def trial(workspace: Workspace) -> Trial:
    return Trial(workspace)


def test_variants_share_what_they_can_and_the_live_index_stays(trial: Trial) -> None:
    trial.workspace.ingest()
    lock = trial.workspace.spec_path.with_name(f"{trial.workspace.spec_path.name}.lock")
    locked = lock.read_bytes()
    document = trial.run()
    assert [one["status"] for one in document["variants"]] == ["done"] * 4
    numbers = [one["generation"] for one in document["variants"]]
    assert numbers == [2, 2, 3, 3]
    assert document["sharing"] == {
        "variants": 4,
        "generations": 2,
        "texts_read": 0,
        "texts_found": 6,
        "chunks": 6,
        "embedded": 0,
        "cached": 6,
    }
    assert trial.generations() == {1: "active", 2: "trial", 3: "trial"}
    assert lock.read_bytes() == locked
    assert trial.workspace.ingest()["counts"]["unchanged"] == 3
    first = document["variants"][0]
    assert first["values"] == {"chunk.max_tokens": 64, "ask.query.mode": "dense"}
    assert first["spec_diff"] == [["chunk.max_tokens", 256, 64], ["ask.query.mode", "hybrid", "dense"]]
    assert first["metrics"]["ndcg@10"]["n"] == 3
    assert document["comparison"]["baseline"] == first["name"]
    assert len(document["comparison"]["differences"]) == 3
    assert document["winner"] in {one["name"] for one in document["variants"]}


def test_without_a_live_index_texts_and_inputs_are_read_once(trial: Trial) -> None:
    document = trial.run()
    assert document["sharing"]["texts_read"] == 3
    assert document["sharing"]["texts_found"] == 3
    assert document["sharing"]["embedded"] == 3
    assert trial.workspace.call("ask", "tea?").code == 5
    assert trial.generations() == {1: "trial", 2: "trial"}


def test_what_was_done_is_found_until_something_of_it_changes(trial: Trial) -> None:
    before = trial.run()
    again = trial.run("--parallel", "2")
    assert [one["status"] for one in again["outcomes"]] == ["found"] * 4
    assert [one["run"] for one in again["variants"]] == [one["run"] for one in before["variants"]]
    trial.workspace.write("milk.md", "# Milk\n\nMilk is kept cold.\n")
    changed = trial.run()
    assert [one["status"] for one in changed["outcomes"]] == ["done"] * 4
    assert changed["experiment"] == before["experiment"]
    trial.spec(ask={"query": {"k": 33}})
    assert trial.run()["experiment"] != before["experiment"]
    listed = trial.call("list", "--format", "json").json["experiments"]
    assert [one["variants"] for one in listed] == [4, 4]
    assert listed[1]["experiment"] == before["experiment"]


def test_several_are_asked_at_once_with_the_same_results(trial: Trial) -> None:
    several = trial.run("--parallel", "4")
    shown = trial.call("show", "--format", "json").json
    assert [one["metrics"] for one in shown["variants"]] == [one["metrics"] for one in several["variants"]]
    assert [one["status"] for one in several["outcomes"]] == ["done"] * 4


def test_a_failed_variant_stops_no_other(trial: Trial) -> None:
    wrong = {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1", "retries": 0}
    trial.spec({"embed": [{"provider": "local"}, wrong]}, include=[{}])
    called = trial.call("run", "--format", "json")
    assert called.code == 3, called.err
    assert "1 of 3 variants failed; the first, embed-openai-m" in called.err
    document = json.loads(called.out.splitlines()[0])
    assert [one["status"] for one in document["variants"]] == ["done", "failed", "done"]
    assert document["variants"][1]["error"]["message"]
    people = trial.call("show")
    assert people.code == 0
    assert "failed: " in people.out
    assert all(
        len(line) <= 80 for line in people.out.splitlines() if "failed:" not in line and "promote" not in line
    )


def test_what_an_experiment_costs_is_paid_once_and_limited(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIAL_KEY", "k")
    with ModelServer(dimension=8, key="k") as server:
        embed = {
            "provider": "openai",
            "model": "text-embedding-3-small",
            "base_url": f"{server.url}/v1",
            "api_key_env": "TRIAL_KEY",
        }
        trial.spec(embed=embed)
        broke = trial.call("run", "--max-cost", "0")
        assert broke.code == 3, broke.err
        assert not server.texts_embedded
        assert trial.run("--yes")["sharing"]["embedded"] == 3
    passages = [text for text in server.texts_embedded if "?" not in text]
    assert len(passages) == 3
    assert {server.texts_embedded[text] for text in passages} == {1}


class Asked:
    """Which variants questions were asked of, in order."""

    def __init__(self) -> None:
        self.variants: list[str] = []

    def ingesting(self, variant: str) -> Silent:
        return Silent()

    def asking(self, variant: str, done: int) -> None:
        self.variants.append(variant)
        time.sleep(0.02)  # so that another thread has its turn, if there is one

    def ended(self, outcome: VariantOutcome) -> None:
        pass


@pytest.mark.parametrize(("limit", "together"), [(None, True), (1.0, False)])
def test_with_a_limit_no_two_variants_spend_at_the_same_time(
    trial: Trial, limit: float | None, together: bool
) -> None:
    experiment, told = planned_experiment(load_spec(trial.workspace.spec_path)), Asked()
    run_experiment(experiment, VariantOptions(max_cost_usd=limit), told, parallel=4)
    assert len(told.variants) == 4 * len(QUESTIONS)
    turns = [one for one, _ in itertools.groupby(told.variants)]
    assert (len(turns) > 4) == together


def test_the_best_is_promoted_as_it_is(trial: Trial) -> None:
    trial.workspace.ingest()
    document = trial.run()
    out = trial.workspace.base / f"{trial.workspace.name}-best.yaml"
    name = document["variants"][1]["name"]
    promoted = trial.call("promote", name, "-o", str(out), "--format", "json")
    assert promoted.code == 0, promoted.err
    assert promoted.json["generation"] == document["variants"][1]["generation"]
    assert promoted.json["embedded"] == 0
    assert trial.generations() == {1: "kept", 2: "active", 3: "trial"}
    assert out.with_name(f"{out.name}.lock").exists()
    trial.workspace.spec_path = out
    report = trial.workspace.ingest()
    assert (report["generation"], report["counts"]["unchanged"], report["counts"]["embedded"]) == (2, 3, 0)
    assert trial.workspace.call("check").code == 0
    assert trial.workspace.call("index", "rollback").code == 0
    assert trial.generations()[1] == "active"


def test_a_promotion_brings_the_generation_up_to_date(trial: Trial) -> None:
    trial.workspace.ingest()
    document = trial.run()
    trial.workspace.write("milk.md", "# Milk\n\nMilk is kept cold.\n")
    out = trial.workspace.base / f"{trial.workspace.name}-new.yaml"
    assert trial.call("promote", "-o", str(out)).code == 0
    trial.workspace.spec_path = out
    hits = trial.workspace.call("ask", "Is milk kept cold?", "--format", "json").json["hits"]
    assert hits[0]["document"] == "milk.md"
    assert document["winner"]


def test_pruning_takes_the_trials_and_nothing_else(trial: Trial) -> None:
    trial.workspace.ingest()
    before = trial.run()
    assert len(trial.call("prune", "--format", "json").json["generations"]) == 2
    assert trial.generations() == {1: "active"}
    shown = trial.call("show", "--format", "json").json
    assert [one["run"] for one in shown["variants"]] == [one["run"] for one in before["variants"]]
    gone = trial.call("promote", "-o", str(trial.workspace.base / "gone.yaml"))
    assert gone.code == 2
    assert "has no generation (any more)" in gone.err
    assert not (trial.workspace.base / "gone.yaml").exists()
    again = trial.run()
    assert [one["status"] for one in again["outcomes"]] == ["found"] * 4
    assert trial.call("prune").code == 0
    assert trial.call("prune").out.startswith("0 generations dropped")


def test_an_ingest_beside_it_keeps_trials_and_deletes_what_is_gone_from_them(trial: Trial) -> None:
    trial.workspace.ingest()
    trial.run()
    trial.workspace.documents.joinpath("tea.md").unlink()
    trial.workspace.call("ingest", "--allow-delete", "1")
    trial.spec(chunk={"max_tokens": 100})
    trial.workspace.ingest()
    trial.spec(chunk={"max_tokens": 99}, store={"type": "pgvector", "keep_generations": 0})
    trial.workspace.ingest()
    assert trial.generations() == {2: "trial", 3: "trial", 5: "active"}
    listed = trial.workspace.call("index", "list", "--format", "json").json["generations"]
    assert {one["documents"] for one in listed} == {2}
    assert trial.workspace.call("index", "prune").code == 0
    assert trial.generations()[2] == "trial"
    doctor = trial.workspace.call("doctor")
    assert doctor.code == 0, doctor.out
    refused = trial.workspace.call("index", "rollback", "2")
    assert refused.code == 2
    assert "an experiment's" in refused.err


def test_a_report_takes_an_experiment(trial: Trial, tmp_path: Path) -> None:
    document = trial.run()
    page = tmp_path / "report.md"
    called = trial.workspace.call("report", document["experiment"], "-o", str(page))
    assert called.code == 0, called.err
    text = page.read_text(encoding="utf-8")
    assert all(one["name"].replace("_", r"\_") in text for one in document["variants"])
    unknown = trial.workspace.call("report", "0123456789", "-o", str(page))
    assert unknown.code == 2
    assert "there is no experiment" in unknown.err


@pytest.mark.parametrize(
    ("matrix", "given", "told"),
    [
        ({}, {}, "the spec has no experiment"),
        ({"chunk.max_tokens": [1_000_000]}, {}, "chunk.max_tokens: must be at most"),
        ({"chunk.max_tokns": [64]}, {}, "chunk.max_tokns: unknown key"),
        ({"store.index": ["x"]}, {}, "is no key that may vary"),
        ({"ask.type": ["sql"]}, {}, "is no key that may vary"),
        ({"chunk": [{"max_tokens": 64}]}, {}, "is a whole section"),
        ({"chunk.max_tokens": []}, {}, "names no value"),
        (None, {"baseline": "max_tokens-64_mode-dens"}, "did you mean 'max_tokens-64_mode-dense'?"),
        (None, {"queries": "nowhere.jsonl"}, "nowhere.jsonl"),
        (None, {"metrics": ["ndgc@10"]}, "ndgc@10"),
        ({"chunk.overlap": list(range(30)), "ask.query.k": list(range(10, 30))}, {}, "600 variants"),
    ],
)
def test_mistakes_are_told_before_anything_is_done(
    trial: Trial, matrix: dict[str, Any] | None, given: dict[str, Any], told: str
) -> None:
    trial.spec(matrix, **given)
    called = trial.call("run")
    assert called.code == 2, called.err
    assert told in called.err
    assert "Traceback" not in called.err


def test_mistakes_of_variants_stand_where_their_values_do(trial: Trial) -> None:
    trial.workspace.spec_path.write_text(
        f"name: {trial.workspace.name}\n"
        f"sources: [{{type: directory, path: {trial.workspace.name}}}]\n"
        "experiment:\n"
        "  matrix:\n"
        "    chunk.max_tokens: [64, 99999]\n"
        "    ask.query.mode: [dense, hybird]\n"
        f"  queries: {trial.file.name}\n",
        encoding="utf-8",
    )
    called = trial.call("run")
    assert called.code == 2
    assert f"{trial.workspace.spec_path}:5:28: chunk.max_tokens: must be at most" in called.err
    assert f"{trial.workspace.spec_path}:6:29: ask.query.mode: unknown value 'hybird'" in called.err


def test_a_check_looks_at_the_variants_too(trial: Trial) -> None:
    good = trial.workspace.call("check")
    assert good.code == 0, good.err
    assert "experiment: 4 variants, all of them valid" in good.err
    trial.spec({"ask.query.mode": ["hybird"]})
    wrong = trial.workspace.call("check")
    assert (wrong.code, wrong.out) == (2, "")
    assert "unknown value 'hybird'" in wrong.err


def test_wrong_calls(trial: Trial) -> None:
    for arguments, told in (
        (["rnu"], "did you mean 'run'?"),
        (["promote"], "-o FILE says where"),
        (["run", "x"], "go with promote"),
    ):
        called = trial.call(*arguments)
        assert called.code == 2
        assert told in called.err


def test_stopped_it_goes_on_with_what_is_not_done(trial: Trial) -> None:
    trial.workspace.ingest()
    with ModelServer(latency=0.5, replies=lambda *_: "In other words") as server:
        reword = {"provider": "openai", "model": "gpt-4o-mini", "base_url": f"{server.url}/v1", "n": 1}
        trial.spec({"ask.query.mode": ["lexical", "dense"], "ask.rephrase": [reword]})
        environment = {**os.environ, "OPENAI_API_KEY": "k"}
        process = trial.workspace.process("experiment", "run", env=environment)
        until = time.monotonic() + 60
        while len(server.requests) < 5 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 130, told
        assert "the same command goes on with what is not done yet" in told
        assert "Traceback" not in told
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("OPENAI_API_KEY", "k")
            assert [one["status"] for one in trial.run()["outcomes"]] == ["found", "done"]
