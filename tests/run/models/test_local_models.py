"""Models of the user's own in a spec: a folder beside it embeds and ranks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from providers.local.small_models import CROSS_MODELS, SENTENCE_MODELS, write_model
from run.tasks.staged_run import ASKED, ASKED_AT_ONCE, StagedRun

from ragctl.errors import ExitCode, SpecError, UsageError
from ragctl.run.composition import Composition
from ragctl.run.models.pinning import pinned_commit
from ragctl.spec.load import load_spec
from ragctl.spec.lock import lock_path
from workspace import Workspace

QUESTION = "How deep is the lake?"
SENTENCES = "The lake is deep. The ferry leaves the north pier. Bread rises by yeast and sugar.\n"


@pytest.fixture
def own(workspace: Workspace) -> Workspace:
    """A spec whose encoder and cross-encoder lie in folders beside it."""
    base = workspace.spec_path.parent
    write_model(base / f"{workspace.name}-encoder", SENTENCE_MODELS["xlm-roberta"])
    write_model(base / f"{workspace.name}-cross", CROSS_MODELS["bert"])
    for number in range(4):
        workspace.write(f"{number}.txt", SENTENCES * (number + 1))
    settle(workspace)
    return workspace


def settle(workspace: Workspace, *, limit: int = 64, **more: object) -> None:
    workspace.spec(
        embed={"provider": "local", "model": f"./{workspace.name}-encoder"},
        chunk={"max_tokens": limit, "overlap": 0},
        ask={"rank": {"provider": "local", "model": f"./{workspace.name}-cross", "top_n": 3}},
        **more,
    )


def test_from_ingest_to_a_ranked_answer(own: Workspace) -> None:
    report = own.ingest()
    assert report["counts"]["added"] == 4
    alone = ("--set", "ask.rank.blend=0")
    asked = own.call("ask", "How deep is the lake?", "--format", "json", *alone).json
    assert len(asked["hits"]) == 3
    ranks = [hit["trail"]["rerank"]["rank"] for hit in asked["hits"]]
    assert ranks == [1, 2, 3] == [hit["rank"] for hit in asked["hits"]]
    scores = [hit["score"] for hit in asked["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert scores == [hit["trail"]["rerank"]["score"] for hit in asked["hits"]]
    blended = own.call("ask", "How deep is the lake?", "--format", "json").json
    for hit in blended["hits"]:
        step = hit["trail"]["rerank"]
        assert hit["score"] == pytest.approx(0.7 / step["rank"] + 0.3 / step["before"])
    lock = json.loads(lock_path(own.spec_path).read_text(encoding="utf-8").split("\n", 2)[2])
    assert lock["embedder"]["model"] == f"{own.name}-encoder"
    assert lock["embedder"]["passage_prefix"] == "passage: "
    assert own.ingest()["counts"]["unchanged"] == 4


def test_the_tasks_of_a_dag_rank_as_a_local_ask_does(own: Workspace) -> None:
    own.ingest()
    local = own.call("ask", QUESTION, "--format", "json").json
    for layout in (ASKED, ASKED_AT_ONCE):
        staged = StagedRun(own.spec_path, f"{own.name}_ask/1", {"question": QUESTION}).ask(layout)
        assert [hit["trail"] for hit in staged["hits"]] == [hit["trail"] for hit in local["hits"]]


def test_another_encoder_in_the_same_folder_is_noticed(own: Workspace) -> None:
    own.ingest()
    write_model(own.spec_path.parent / f"{own.name}-encoder", SENTENCE_MODELS["bert"])
    asked = own.call("ask", "How deep is the lake?", "--format", "json")
    assert asked.code == ExitCode.MISMATCH
    assert "weights_sha256" in asked.out


def test_chunks_longer_than_the_model_reads_are_a_mistake_with_its_place(own: Workspace) -> None:
    settle(own, limit=101)
    with Composition(load_spec(own.spec_path)) as composition, pytest.raises(SpecError) as caught:
        _ = composition.embedder
    assert caught.value.where == composition.loaded.where("chunk.max_tokens")
    said = f"chunk.max_tokens: must be at most 100, which is all that ./{own.name}-encoder reads, not 101"
    assert said in caught.value.message
    assert own.call("ingest").code == ExitCode.WRONG_CALL
    settle(own, limit=100)
    with Composition(load_spec(own.spec_path)) as composition:
        assert composition.embedder.max_tokens == 100


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"embed": {"model": "./gone"}}, "embed.model"),
        ({"ask": {"rank": {"provider": "local", "model": "./gone"}}}, "ask.rank.model"),
    ],
)
def test_a_model_that_is_not_there_is_a_mistake_with_its_place(
    section: dict[str, dict[str, object]], key: str, workspace: Workspace
) -> None:
    workspace.spec(**section)
    with Composition(load_spec(workspace.spec_path)) as composition, pytest.raises(UsageError) as caught:
        _ = composition.reranker if "rank" in key else composition.embedder
    assert "there is no folder './gone'" in caught.value.message


def test_a_reranker_that_is_not_there_ends_all_questions(own: Workspace, tmp_path: Path) -> None:
    own.ingest()
    own.spec(
        embed={"provider": "local", "model": f"./{own.name}-encoder"},
        chunk={"max_tokens": 64, "overlap": 0},
        ask={"rank": {"provider": "local", "model": "./gone"}},
    )
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"question": "tea"}\n{"question": "bread"}\n', encoding="utf-8")
    for asked in (own.call("ask", "tea"), own.call("ask", "--questions", str(questions))):
        assert asked.code == ExitCode.WRONG_CALL
        assert asked.err.count("there is no folder './gone'") == 1


def test_the_lock_pins_a_commit_of_the_hub(workspace: Workspace) -> None:
    workspace.write("a.txt", SENTENCES)
    workspace.ingest()
    path = lock_path(workspace.spec_path)
    head, body = path.read_text(encoding="utf-8").split("{", 1)
    lock = json.loads("{" + body)
    loaded = load_spec(workspace.spec_path)
    assert pinned_commit(loaded, "all-MiniLM-L6-v2") is None
    lock["embedder"] |= {"model": "org/model", "hub_commit": "0" * 40}
    path.write_text(head + json.dumps(lock), encoding="utf-8")
    assert pinned_commit(loaded, "all-MiniLM-L6-v2") is None  # of another model
    assert pinned_commit(loaded, "org/model") == "0" * 40
    path.write_text("broken", encoding="utf-8")
    assert pinned_commit(loaded, "org/model") is None
