"""Index in Weaviate and state in PostgreSQL: what happens where one of them is lost, old, away or another's.

Over a FAKE server.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest
from fake_weaviate import FakeWeaviate
from psycopg.conninfo import make_conninfo

from ragctl.spec.load import load_spec
from ragctl.state.document_versions import DocumentVersions
from ragctl.stores.weaviate_schema import collection_name
from workspace import Workspace

# The state


@pytest.fixture
def own_state(pipeline: Any, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The pipeline with its state in a database of its own, which `lose()` drops and makes again, empty."""
    name = f"state_of_{pipeline.workspace.name}"
    connection.execute(f"CREATE DATABASE {name}")
    dsn = make_conninfo(connection.info.dsn, dbname=name, password=connection.info.password)
    monkeypatch.setenv("STATE_DSN", dsn)
    pipeline.spec(state={"dsn_env": "STATE_DSN"})

    def lose() -> None:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")

    pipeline.lose, pipeline.dsn = lose, dsn
    yield pipeline
    connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_state_lies_where_the_spec_says(own_state: Any) -> None:
    own_state.write_stories()
    own_state.ingest()
    with psycopg.connect(own_state.dsn) as state:
        assert state.execute("SELECT count(*) FROM ragctl.document_versions").fetchone() == (3,)
        assert state.execute("SELECT store FROM ragctl.generations").fetchall() == [("weaviate",)]
    spec = load_spec(own_state.workspace.spec_path).spec
    assert spec.database == ("STATE_DSN", "state.dsn_env")


def test_a_lost_state_is_noticed_and_rebuilt_without_a_model(own_state: Any, fake: FakeWeaviate) -> None:
    own_state.write_stories()
    own_state.ingest()
    own_state.workspace.write("lamp.md", "# Lamps\n\nThe lamp was changed.\n")
    own_state.ingest()
    own_state.workspace.settle()
    own_state.ingest()  # the fingerprints of settled files
    before = own_state.texts()
    own_state.lose()
    called = own_state.workspace.call("ingest")
    assert called.code == 5
    assert "unknown to the state" in called.err and "--rebuild-state" in called.err
    called = own_state.workspace.call("doctor", "--rebuild-state")
    assert called.code == 0, called.out + called.err
    assert own_state.documents() == {"zebra.md", "lamp.md", "bread.txt"}
    assert own_state.ask("which lamp was changed")[0]["document"] == "lamp.md"
    counts = own_state.ingest()["counts"]
    assert (counts["unchanged"], counts["embedded"], counts["changed"]) == (3, 0, 0)
    own_state.workspace.write("zebra.md", "# Zebras\n\nA zebra was seen again.\n")
    own_state.ingest()
    assert len(own_state.texts()) == len(before)
    assert own_state.findings() == []


def test_the_embedded_state_alone_is_lost(pipeline: Any, tmp_path: Any) -> None:
    """Its server is gone with it, and the index is not: that is no index which was never made."""
    pipeline.write_stories()
    pipeline.ingest()
    elsewhere = Workspace(tmp_path, pipeline.workspace.name)
    elsewhere.spec_path.write_text(pipeline.workspace.spec_path.read_text(encoding="utf-8"), encoding="utf-8")
    called = elsewhere.call("ask", "zebra")
    assert called.code == 5 and "--rebuild-state" in called.err


def test_a_state_of_a_backup_gives_no_version_twice(
    pipeline: Any, connection: psycopg.Connection[Any], fake: FakeWeaviate
) -> None:
    """Of a version that the state has forgotten, more chunks lie there than the document has now."""
    pipeline.spec(chunk={"max_tokens": 32, "overlap": 0, "min_tokens": 0})
    pipeline.write_stories()
    pipeline.ingest()
    versions = {one.properties["version"] for one in fake.storage.everything()}
    parts = "\n\n".join(f"# Part {part}\n\nThe lighthouse lamp once more." for part in range(9))
    pipeline.workspace.write("lamp.md", parts)
    generation = connection.execute(
        "SELECT id FROM ragctl.generations WHERE index_name = %s", (pipeline.workspace.name,)
    ).fetchone()
    assert generation is not None
    _leave_staged(pipeline)
    connection.execute(
        "SELECT setval('ragctl.document_versions_version_seq', %s)", (max(versions),)
    )  # as a backup has it
    pipeline.workspace.write("lamp.md", "# Lamps\n\nShort.\n")
    pipeline.ingest()
    assert [hit["document"] for hit in pipeline.ask("lighthouse lamp")].count("lamp.md") == 1
    assert pipeline.findings() == []
    assert DocumentVersions(connection, generation[0]).last() > max(versions)


def _leave_staged(pipeline: Any) -> None:
    """An ingest that ends between staging and the commit."""
    from ragctl.stores.weaviate import WeaviateStore

    class Killed(BaseException):
        pass

    def killed(self: Any, staged: Any) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(WeaviateStore, "commit", killed)
        pipeline.ingest()


# The store


def test_what_is_left_of_a_killed_run_is_found_and_removed(pipeline: Any) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    pipeline.workspace.write("never.md", "This comes and goes.\n")
    _leave_staged(pipeline)
    (pipeline.workspace.documents / "never.md").unlink()
    pipeline.ingest()
    assert [one["check"] for one in pipeline.findings()] == ["orphan chunks"]
    called = pipeline.workspace.call("doctor", "--repair", "--format", "json")
    assert called.code == 0, called.err
    assert pipeline.paths() == {"zebra.md", "lamp.md", "bread.txt"}
    assert pipeline.findings() == []


def test_a_collection_that_is_gone(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    fake.storage.collections.clear()
    fake.storage.aliases.clear()
    called = pipeline.workspace.call("ingest")
    assert called.code == 5 and "doctor" in called.err
    assert pipeline.workspace.call("ask", "zebra").code == 5
    assert {one["check"] for one in pipeline.findings()} == {"collection", "alias"}
    assert pipeline.workspace.call("doctor", "--repair").code == 5, "the documents are still to be stored"
    counts = pipeline.ingest()["counts"]
    assert (counts["added"], counts["embedded"]) == (3, 0)
    assert pipeline.findings() == []


def test_chunks_that_somebody_deleted(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    [held] = fake.storage.collections.values()
    for key in [key for key, one in held.tenants[""].items() if one.properties["path"] == "zebra.md"]:
        del held.tenants[""][key]
    assert pipeline.workspace.call("ingest").code == 5
    assert [one["check"] for one in pipeline.findings()] == ["missing documents"]
    pipeline.workspace.call("doctor", "--repair")
    assert pipeline.ingest()["counts"]["embedded"] == 0
    assert pipeline.documents() == pipeline.paths() == {"zebra.md", "lamp.md", "bread.txt"}
    assert pipeline.findings() == []


def test_vectors_that_are_wrong(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    broken = next(one for one in fake.storage.everything() if one.properties["path"] == "lamp.md")
    broken.vector = np.zeros_like(broken.vector)
    assert [one["check"] for one in pipeline.findings()] == ["vectors"]
    pipeline.workspace.call("doctor", "--repair")
    pipeline.ingest()
    assert pipeline.findings() == []


def test_doctor_does_not_compare_while_a_run_is_writing(
    pipeline: Any, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    monkeypatch.setattr("ragctl.run.doctor.contents.is_held", lambda connection, index: True)
    called = pipeline.workspace.call("doctor", "--format", "json")
    [finding] = [one for one in called.json["findings"] if one["check"] == "contents"]
    assert finding["ok"] and finding["warning"] and "a run is writing" in finding["detail"]


# The server


def test_a_server_that_is_away(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.spec(store={"url": "http://127.0.0.1:9"})
    pipeline.write_stories()
    for command, *arguments in (["ingest"], ["plan"], ["index", "list"]):
        called = pipeline.workspace.call(command, *arguments)
        assert called.code == 6, (command, called.err)
        assert "Weaviate" in called.err
    assert pipeline.workspace.call("doctor").code == 5
    assert "weaviate" in {one["check"] for one in pipeline.findings()}


def test_a_server_that_goes_away_in_the_middle(pipeline: Any, fake: FakeWeaviate) -> None:
    from fake_weaviate.storage import Refused

    def away(call: str, sent: Any) -> None:
        if call == "BatchObjects":
            raise Refused("connection refused")

    pipeline.write_stories()
    fake.before = away
    called = pipeline.workspace.call("ingest")
    assert called.code == 6, called.err
    assert "run the same command again" in called.err
    fake.before = lambda call, sent: None
    counts = pipeline.ingest()["counts"]
    assert (counts["added"], counts["embedded"]) == (3, 0)


def test_a_key_by_the_name_of_its_variable(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.write("a.md", "A zebra.\n")
    with FakeWeaviate(api_key="hunter2") as fake:
        store = {"type": "weaviate", "url": fake.url, "grpc_port": fake.grpc_port, "api_key_env": "W_KEY"}
        workspace.spec(store=store)
        monkeypatch.delenv("W_KEY", raising=False)
        called = workspace.call("ingest")
        assert called.code == 2 and "W_KEY is not set" in called.err
        monkeypatch.setenv("W_KEY", "hunter3")
        called = workspace.call("ingest")
        assert called.code == 6 and "key" in called.err and "hunter" not in called.out + called.err
        monkeypatch.setenv("W_KEY", "hunter2")
        assert workspace.call("ingest").code == 0


def test_a_secret_for_tokens(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.write("a.md", "A zebra.\n")
    with FakeWeaviate(api_key="a-token", oidc_secret="hunter2") as fake:
        store = {"type": "weaviate", "url": fake.url, "grpc_port": fake.grpc_port}
        workspace.spec(store={**store, "client_secret_env": "W_SECRET"})
        monkeypatch.setenv("W_SECRET", "hunter2")
        called = workspace.call("ingest")
        assert called.code == 0, called.err


def test_a_tenant(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.spec(store={"tenant": "customer_1", "batch_size": 1, "concurrency": 1, "consistency": "ONE"})
    pipeline.write_stories()
    pipeline.ingest()
    [held] = fake.storage.collections.values()
    assert set(held.tenants) == {"customer_1"}
    assert pipeline.ask("zebra")[0]["document"] == "zebra.md"
    assert all(len(sent.objects) == 1 for sent in fake.sent("BatchObjects"))
    assert pipeline.findings() == []


# Others


def test_a_collection_of_the_index_s_name(pipeline: Any, fake: FakeWeaviate) -> None:
    name = collection_name(pipeline.workspace.name)
    fake.storage.create(
        {"class": name, "vectorConfig": {"default": {"vectorizer": {"none": {}}, "vectorIndexType": "hnsw"}}}
    )
    pipeline.write_stories()
    called = pipeline.workspace.call("ingest")
    assert called.code == 5 and f"a collection is called '{name}'" in called.err
    assert set(fake.storage.collections) == {name}


def test_an_index_stays_in_the_store_that_it_is_in(pipeline: Any) -> None:
    pipeline.write_stories()
    pipeline.ingest()
    pipeline.workspace.spec()
    for command in (["ingest"], ["ask", "zebra"]):
        called = pipeline.workspace.call(*command)
        assert called.code == 5
        assert "lies in weaviate, and the spec names pgvector" in called.err


def test_without_the_client(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "weaviate", None)
    pipeline.write_stories()
    called = pipeline.workspace.call("ingest")
    assert called.code == 6, called.err
    assert "pip install 'ragctl[weaviate]'" in called.err
