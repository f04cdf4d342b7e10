"""The whole product with its index in Weaviate, over a FAKE server: what ragctl does, not how it ranks."""

from __future__ import annotations

from typing import Any

import pytest
from fake_weaviate import FakeWeaviate
from fake_weaviate.storage import Refused

from ragctl.stores.weaviate_schema import collection_name


def test_an_ingest_fills_a_collection_and_the_alias_leads_to_it(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.write_stories()
    report = pipeline.ingest()
    assert (report["counts"]["added"], report["published"]) == (3, True)
    name = collection_name(pipeline.workspace.name)
    assert list(fake.storage.collections) == [f"{name}_g1"]
    assert fake.storage.aliases == {name: f"{name}_g1"}
    assert pipeline.paths() == pipeline.documents() == {"zebra.md", "lamp.md", "bread.txt"}
    assert len(pipeline.texts()) == report["counts"]["chunks"]
    assert pipeline.findings() == []


def test_a_second_run_writes_nothing_and_asks_no_model(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    pipeline.workspace.settle()
    pipeline.ingest()
    del fake.calls[:]
    counts = pipeline.ingest()["counts"]
    assert (counts["unchanged"], counts["embedded"], counts["added"], counts["changed"]) == (3, 0, 0, 0)
    assert fake.sent("BatchObjects") == fake.sent("BatchDelete") == []


def test_changed_deleted_and_renamed_documents(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    pipeline.workspace.write("lamp.md", "# Lamps\n\nNow the lamp is electric.\n")
    (pipeline.workspace.documents / "bread.txt").unlink()
    zebra = pipeline.workspace.documents / "zebra.md"
    zebra.rename(zebra.with_name("animals.md"))
    counts = pipeline.ingest("--allow-delete", "2")["counts"]
    assert (counts["added"], counts["changed"], counts["deleted"]) == (1, 1, 2)
    assert (counts["embedded"], counts["cached"]) == (1, 1), "the vector is found by its embed input"
    assert pipeline.documents() == pipeline.paths() == {"lamp.md", "animals.md"}
    assert not any("keeper" in text for text in pipeline.texts())
    assert pipeline.findings() == []


def test_vectors_are_found_in_the_collection_where_the_cache_has_none(pipeline: Any, connection: Any) -> None:
    pipeline.spec(store={"cache_max_bytes": 0})
    pipeline.write_stories()
    pipeline.ingest()
    [(cached,)] = connection.execute(
        "SELECT count(*) FROM ragctl.vectors v WHERE v.hash = ANY(%s)",
        ([bytes.fromhex(one.properties["input_hash"]) for one in pipeline.fake.storage.everything()],),
    ).fetchall()
    assert cached == 0
    zebra = pipeline.workspace.documents / "zebra.md"
    zebra.rename(zebra.with_name("animals.md"))
    counts = pipeline.ingest("--allow-delete", "1")["counts"]
    assert (counts["embedded"], counts["cached"]) == (0, 1)


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_questions(pipeline: Any, mode: str) -> None:
    pipeline.spec(ask={"query": {"mode": mode}})
    pipeline.write_stories()
    pipeline.ingest()
    best = pipeline.ask("stripes of the zebra")[0]
    assert (best["document"], best["title"]) == ("zebra.md", "Zebras")
    assert best["text"] in (pipeline.workspace.documents / "zebra.md").read_text(encoding="utf-8")


def test_questions_in_a_batch_and_a_plan(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.write_stories()
    called = pipeline.workspace.call("plan", "--format", "json")
    assert called.code == 0, called.err
    assert fake.storage.collections == {}, "a plan writes nothing"
    pipeline.ingest()
    batch = pipeline.workspace.base / f"{pipeline.workspace.name}.questions"
    batch.write_text("lighthouse lamp\nrye bread\nzebra\n" * 4, encoding="utf-8")
    called = pipeline.workspace.call("ask", "--questions", str(batch), "--format", "json")
    assert called.code == 0, called.err


def test_conditions(pipeline: Any) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    hits = pipeline.ask("the zebra and the bread", "--where", "path=bread.txt")
    assert {one["document"] for one in hits} == {"bread.txt"}
    hits = pipeline.ask("the zebra and the bread", "--where", "path>=l")
    assert {one["document"] for one in hits} == {"lamp.md", "zebra.md"}


def test_another_recipe_builds_another_collection_and_a_rollback_leads_back(
    pipeline: Any, fake: FakeWeaviate
) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    pipeline.spec(chunk={"max_tokens": 32, "overlap": 0, "min_tokens": 0})
    assert pipeline.ingest()["generation"] == 2
    name = collection_name(pipeline.workspace.name)
    assert fake.storage.aliases == {name: f"{name}_g2"}
    assert set(fake.storage.collections) == {f"{name}_g1", f"{name}_g2"}
    listed = pipeline.workspace.call("index", "list")
    assert listed.code == 0 and "size unknown" in listed.out
    called = pipeline.workspace.call("index", "rollback")
    assert called.code == 0, called.err
    assert fake.storage.aliases == {name: f"{name}_g1"}
    (pipeline.workspace.documents / "bread.txt").unlink()
    pipeline.spec()
    pipeline.ingest("--allow-delete", "1")
    assert pipeline.paths() == {"zebra.md", "lamp.md"}, "what is gone goes from every generation"
    assert pipeline.workspace.call("index", "prune", "--all").code == 0
    assert set(fake.storage.collections) == {f"{name}_g1"}
    assert pipeline.findings() == []


def test_an_old_generation_is_brought_up_to_date(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    pipeline.spec(chunk={"max_tokens": 32, "overlap": 0, "min_tokens": 0})
    pipeline.ingest()
    pipeline.workspace.write("new.md", "Something that is new.\n")
    pipeline.ingest()
    called = pipeline.workspace.call("index", "rollback", "--catch-up", "--format", "json")
    assert called.code == 0, called.err
    assert called.json["caught_up"]["counts"]["added"] == 1
    name = collection_name(pipeline.workspace.name)
    assert fake.storage.aliases == {name: f"{name}_g1"}
    assert {one["document"] for one in pipeline.ask("something new")} >= {"new.md"}


def test_forgetting_leaves_nothing_of_a_document(pipeline: Any, connection: Any) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    pipeline.spec(chunk={"max_tokens": 32, "overlap": 0, "min_tokens": 0})
    pipeline.ingest()
    called = pipeline.workspace.call("forget", "lamp.md", "--unused-vectors", "--format", "json")
    assert called.code == 0, called.err
    assert [one["documents"] for one in called.json["generations"]] == [1, 1]
    assert called.json["vectors"] > 0
    assert pipeline.paths() == {"zebra.md", "bread.txt"}
    kept = {bytes.fromhex(one.properties["input_hash"]) for one in pipeline.fake.storage.everything()}
    cached = connection.execute("SELECT hash FROM ragctl.vectors WHERE hash = ANY(%s)", (list(kept),))
    assert {one for (one,) in cached} == kept, "a chunk in the store still has it"
    assert pipeline.findings() == []


def test_a_store_that_is_away_while_forgetting(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.write_stories()
    pipeline.ingest()

    def away(call: str, sent: Any) -> None:
        if call == "BatchDelete":
            raise Refused("connection refused")

    fake.before = away
    called = pipeline.workspace.call("forget", "lamp.md")
    assert called.code == 6
    assert "not all of it deleted" in called.err and "doctor" in called.err
    assert pipeline.documents() == {"zebra.md", "bread.txt"}
    fake.before = lambda call, sent: None
    assert [one["check"] for one in pipeline.findings()] == ["orphan chunks"]
    assert pipeline.workspace.call("doctor", "--repair").code == 0
    assert pipeline.paths() == {"zebra.md", "bread.txt"}


def test_a_document_with_its_chunks_is_shown(pipeline: Any) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    called = pipeline.workspace.call("show", "zebra.md", "--format", "json")
    assert called.code == 0, called.err
    assert "stripes" in called.json["chunks"][0]["text"]


def test_the_records_of_runs_name_the_server(pipeline: Any) -> None:
    pipeline.write_stories()
    run = pipeline.ingest()["run_id"]
    called = pipeline.workspace.call("runs", "show", run, "--format", "json")
    assert called.code == 0, called.err
    assert called.json["versions"]["weaviate"] == "1.32.0"
    assert "weaviate-client" in called.json["versions"]["packages"]
