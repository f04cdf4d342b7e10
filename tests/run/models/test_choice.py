"""`provider: auto`: what is chosen, what is pinned, and what a later run makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from run.tasks.staged_run import StagedRun

from model_server import ModelServer
from ragctl.errors import LockBroken
from ragctl.spec.lock import lock_path, read_lock
from workspace import Workspace

TEXT = "# Opening hours\n\nThe office is open from nine to five.\n"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as made:
        yield made


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    workspace.write("hours.md", TEXT)
    return workspace


def local(**more: Any) -> dict[str, Any]:
    return {"provider": "local", "quality": 0.5, **more}


def remote(server: ModelServer, **more: Any) -> dict[str, Any]:
    return {
        "provider": "openai",
        "model": "text-embedding-3-small",
        "base_url": f"{server.url}/v1",
        "cost": 0.02,
        "quality": 0.8,
        **more,
    }


def auto(*options: dict[str, Any], **criteria: Any) -> dict[str, Any]:
    return {"provider": "auto", "embedder_options": list(options), "selection_criteria": criteria}


def lock_of(workspace: Workspace) -> Any:
    return read_lock(workspace.spec_path)


def test_the_cheapest_is_chosen_and_pinned(filled: Workspace, server: ModelServer) -> None:
    filled.spec(embed=auto(remote(server), local(), cost_threshold="medium"))
    before = filled.call("check", "--format", "json").json
    assert before["embedder"] == {"provider": "local", "model": "all-MiniLM-L6-v2", "pinned_by": None}
    report = filled.ingest()
    lock = lock_of(filled)
    assert (lock.selection["provider"], lock.selection["model"]) == ("local", "all-MiniLM-L6-v2")
    assert "cheapest" in lock.selection["because"]
    assert report["selection"]["used"]["provider"] == "local"
    assert report["selection"]["note"] is None
    assert filled.call("check", "--format", "json").json["embedder"]["pinned_by"] == "lock"
    answer = filled.call("ask", "when is it open", "--format", "json")
    assert answer.code == 0, answer.err
    assert server.requests == []


def test_the_recipe_is_that_of_the_model_alone(filled: Workspace, server: ModelServer) -> None:
    filled.spec(embed=auto(remote(server), local()))
    chosen = filled.ingest()
    filled.spec(embed={"provider": "local"})
    alone = filled.ingest()
    assert (alone["recipe"], alone["generation"]) == (chosen["recipe"], 1)
    assert alone["selection"] is None
    assert lock_of(filled).selection == {}


def test_a_later_run_does_not_switch_by_itself(filled: Workspace, server: ModelServer) -> None:
    filled.spec(embed=auto(remote(server), local()))
    filled.ingest()
    filled.spec(embed=auto(remote(server), local(), min_quality=0.7))
    called = filled.call("ingest", "--format", "json")
    assert called.code == 0, called.err
    report = called.json
    assert (report["generation"], report["selection"]["used"]["provider"]) == (1, "local")
    assert "would now choose openai" in report["selection"]["note"]
    assert "--reselect" in report["selection"]["note"]
    assert report["selection"]["note"] in called.err
    assert server.requests == []
    planned = filled.call("plan", "--format", "json")
    assert planned.json["selection"]["note"] == report["selection"]["note"]
    assert planned.json["generation"] == 1
    assert filled.call("plan", "--reselect", "--format", "json").json["generation"] is None

    switched = filled.ingest("--reselect", "--yes")
    assert (switched["generation"], switched["published"]) == (2, True)
    assert lock_of(filled).selection["provider"] == "openai"
    assert switched["selection"]["note"] is None
    asked = len(server.requests)
    assert asked == 1
    again = filled.ingest()
    assert (again["generation"], again["selection"]["used"]["pinned_by"]) == (2, "lock")
    assert filled.call("ask", "when is it open").code == 0
    assert len(server.requests) == asked + 1


def test_a_pin_that_is_no_option_any_more_is_a_mismatch(filled: Workspace, server: ModelServer) -> None:
    filled.spec(embed=auto(remote(server), local()))
    filled.ingest()
    filled.spec(embed=auto(remote(server)))
    for command in ("check", "plan", "ingest", "ask"):
        arguments = ["when is it open"] if command == "ask" else []
        called = filled.call(command, *arguments, "--format", "json")
        assert called.code == 5, command
        assert called.json["error"]["kind"] == "lock_drift"
        assert "local all-MiniLM-L6-v2" in called.json["error"]["message"]
        assert "--reselect" in called.json["error"]["hint"]
    assert filled.ingest("--reselect", "--yes")["generation"] == 2


def test_without_a_lock_the_index_says_what_it_was_built_with(filled: Workspace, server: ModelServer) -> None:
    filled.spec(embed=auto(remote(server), local()))
    filled.ingest()
    filled.spec_path.with_name(f"{filled.spec_path.name}.lock").unlink()
    filled.spec(embed=auto(remote(server), local(), min_quality=0.7))
    report = filled.ingest()
    assert (report["generation"], report["selection"]["used"]["pinned_by"]) == (1, "index")
    assert lock_of(filled).selection["provider"] == "local"


def test_an_option_whose_own_settings_change_stays_the_choice(filled: Workspace, server: ModelServer) -> None:
    filled.spec(embed=auto(local(), remote(server)))
    filled.ingest()
    filled.spec(embed=auto(remote(server), local(passage_prefix="passage: ")))
    report = filled.ingest()
    assert (report["generation"], report["selection"]["used"]["number"]) == (2, 1)


def test_where_no_option_passes_the_table_says_why(filled: Workspace, server: ModelServer) -> None:
    filled.spec(embed=auto(remote(server), local(), min_quality=0.9))
    for command in ("check", "plan", "ingest"):
        called = filled.call(command, "--format", "json")
        error = called.json["error"]
        assert (called.code, error["kind"]) == (4, "nothing_chosen"), command
        assert [option["passes"] for option in error["selection"]["options"]] == [False, False]
        assert "min_quality" in called.err
        assert "0.8; at least 0.9" in called.err
    assert server.requests == []


def test_plan_shows_every_option_and_criterion_with_its_number(
    filled: Workspace, server: ModelServer
) -> None:
    filled.write("planned.md", "# Planned\n\nA text that no other test embeds, so that all is counted.\n")
    (filled.documents / "hours.md").unlink()
    filled.spec(embed=auto(remote(server), local(), cost_threshold="low", max_cost_usd=0.5))
    shown = filled.call("plan")
    assert shown.code == 0, shown.err
    for part in ("openai text-embedding-3-small", "local all-MiniLM-L6-v2", "max_cost_usd", "pass"):
        assert part in shown.out
    assert "local all-MiniLM-L6-v2 is chosen" in shown.out
    planned = filled.call("plan", "--format", "json").json
    selection = planned["selection"]
    assert selection["tokens_are"] == "counted"
    [first, _] = selection["options"]
    checks = {check["name"]: check for check in first["checks"]}
    assert checks["cost"]["outcome"] == "pass"
    assert f"{planned['total']['tokens']:,} tokens" in checks["max_cost_usd"]["text"]
    filled.ingest()
    later = filled.call("plan", "--format", "json").json["selection"]
    assert later["tokens_are"] == "estimated"
    assert "local all-MiniLM-L6-v2 is used: the lock pins it" in later["sentence"]
    [_, rated] = later["options"]
    assert "assumed" in rated["rate_source"], "a few words are no measurement"


def test_a_sensitive_source_rules_out_what_is_elsewhere(filled: Workspace, server: ModelServer) -> None:
    outside = remote(server, base_url="http://models.example/v1", cost=0.0)
    filled.spec(
        embed=auto(outside, local(), cost_threshold="low"),
        sources=[
            {"type": "directory", "path": filled.name, "name": "docs", "sensitivity": "sensitive"},
        ],
    )
    report = filled.ingest()
    assert report["selection"]["used"]["provider"] == "local"
    first = report["selection"]["options"][0]
    assert [check["outcome"] for check in first["checks"] if check["name"] == "privacy"] == ["fail"]


def test_an_option_with_a_price_is_paid_by_it(filled: Workspace, server: ModelServer) -> None:
    filled.spec(embed=auto(remote(server, cost=100.0)))
    refused = filled.call("ingest", "--format", "json")
    assert (refused.code, refused.json["error"]["kind"]) == (4, "over_budget")
    report = filled.ingest("--yes")
    stage = report["usage"]["stages"]["embed"]
    assert stage["cost_usd"] == pytest.approx(stage["tokens"] * 100 / 1e6)


def test_a_dag_needs_a_pin(filled: Workspace, server: ModelServer) -> None:
    filled.spec(
        embed=auto(remote(server), local()),
        airflow={"single_host": True},
    )
    refused = filled.call("export-dag")
    assert refused.code == 2, refused.err
    assert "ragctl ingest" in refused.err
    filled.ingest()
    exported = filled.call("export-dag")
    assert exported.code == 0, exported.err


def test_a_task_of_a_dag_without_a_pin_refuses(filled: Workspace, server: ModelServer) -> None:
    filled.spec(embed=auto(remote(server), local()), airflow={"single_host": True})
    run = StagedRun(filled.spec_path, f"{filled.name}_ingest/manual__1")
    with pytest.raises(LockBroken, match="no lock pins"):
        run.task("plan")
    filled.ingest()
    filled.spec(embed=auto(remote(server), local(), min_quality=0.7), airflow={"single_host": True})
    again = StagedRun(filled.spec_path, f"{filled.name}_ingest/manual__2").ingest()
    assert again["counts"]["unchanged"] == 1, "the lock's pin is used, whatever the criteria say now"
    assert server.requests == []


@pytest.mark.parametrize("selection", [[], "local", {}, {"provider": "local"}, {"provider": 1, "model": "m"}])
def test_a_lock_with_a_broken_selection_is_refused(
    filled: Workspace, server: ModelServer, selection: Any
) -> None:
    filled.spec(embed=auto(remote(server), local()))
    filled.ingest()
    path = lock_path(filled.spec_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    content = json.loads("\n".join(lines[2:]))
    path.write_text(json.dumps({**content, "selection": selection}), encoding="utf-8")
    refused = filled.call("ingest", "--format", "json")
    assert (refused.code, refused.json["error"]["kind"]) == (5, "lock_broken")
    assert filled.ingest("--relock")["selection"]["used"]["provider"] == "local"
    assert lock_of(filled).selection["provider"] == "local"


def test_defaults_of_another_provider_are_no_drift(filled: Workspace, server: ModelServer) -> None:
    filled.ingest()
    embed = {"provider": "openai", "base_url": f"{server.url}/v1", "usd_per_million_tokens": 0}
    filled.spec(embed=embed)  # and with it another default of `model`
    called = filled.call("ingest", "--format", "json")
    assert called.code == 0, called.err
    assert called.json["generation"] == 2
