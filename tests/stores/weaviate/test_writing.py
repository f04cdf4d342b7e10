"""Every refused object is looked at, and deletions go on until nothing is left. Over the FAKE."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from contracts.stored import embedded, random_vectors
from fake_weaviate import FakeWeaviate
from weaviate.proto.v1 import base_pb2

from ragctl.errors import Mismatch, Unavailable
from ragctl.stores.weaviate import WeaviateStore
from ragctl.stores.weaviate_faults import RefusedObjects
from ragctl.stores.weaviate_objects import new_objects
from ragctl.stores.weaviate_schema import object_id
from ragctl.stores.weaviate_writing import WeaviateWriter

Opened = Callable[..., WeaviateStore]


def test_what_goes_over_the_wire(open_store: Opened, fake: FakeWeaviate) -> None:
    store = open_store(consistency="QUORUM")
    store.create()
    written = embedded("guide/a.md", ["first ", "second"], headings=("Top", "Below"), metadata={"n": [1]})
    store.replace([written], fingerprints={("docs", "guide/a.md"): "fp"})
    [request] = fake.sent("BatchObjects")
    assert request.consistency_level == base_pb2.CONSISTENCY_LEVEL_QUORUM
    first, second = request.objects
    values = dict(first.properties.non_ref_properties)
    version = int(values["version"])
    key = ("docs", "guide/a.md")
    assert [one.uuid for one in (first, second)] == [str(object_id(key, version, n)) for n in (0, 1)]
    assert uuid.UUID(first.uuid).version == 5
    assert first.collection == store.name and not first.tenant
    assert [one.name for one in first.vectors] == ["default"]
    assert first.vectors[0].vector_bytes == written.vectors[0].tobytes()
    lists = {one.prop_name: list(one.values) for one in first.properties.text_array_properties}
    assert lists.keys() == {"headings", "terms"} and lists["headings"] == ["Top", "Below"]
    assert values.pop("document") and values == {
        "version": version,
        "source": "docs",
        "path": "guide/a.md",
        "item": "guide/a.md",
        "uri": "file:///guide/a.md",
        "title": "GUIDE/A.MD",
        "media_type": "text/plain",
        "digest": "d" * 64,
        "reader": "plain_text@1",
        "fingerprint": "fp",
        "metadata": '{"n": [1]}',
        "chunks": 2,
        "ordinal": 0,
        "span_start": 0,
        "span_end": 6,
        "text": "first ",
        "line": 1,
        "tokens": 8,
        "input_hash": written.input_hashes[0].hex(),
    }
    for delete in fake.sent("BatchDelete"):
        assert delete.consistency_level == base_pb2.CONSISTENCY_LEVEL_QUORUM


def test_batches_are_bounded_by_number_and_by_size(open_store: Opened, fake: FakeWeaviate) -> None:
    store = open_store(batch_objects=40)
    store.create()
    store.replace([embedded("many.md", ["x"] * 100), embedded("large.md", ["y" * 1_500_000] * 5)])
    sizes = [len(request.objects) for request in fake.sent("BatchObjects")]
    assert sizes[:2] == [40, 40] and sum(sizes) == 105 and max(sizes) == 40
    assert max(request.ByteSize() for request in fake.sent("BatchObjects")) < 6_000_000


@pytest.mark.parametrize("concurrency", [1, 4])
def test_one_refused_object_is_an_error_that_names_it(
    open_store: Opened, fake: FakeWeaviate, caplog: pytest.LogCaptureFixture, concurrency: int
) -> None:
    store = open_store(batch_objects=10, concurrency=concurrency)
    store.create()
    store.replace([embedded("a.md", ["old"])])
    fake.refuse_object = lambda sent: "invalid something" if sent["text"] in ("x 13", "x 17") else None
    with pytest.raises(RefusedObjects, match=r"refused 2 of 10 objects.*invalid something") as refused:
        store.replace([embedded("a.md", [f"x {number}" for number in range(30)])])
    assert refused.value.where == "docs:a.md, chunk 13"
    assert not refused.value.may_pass
    assert "x 13" not in caplog.text, "the client logs the text of what was refused"
    assert [hit.text for hit in store.search(random_vectors(1, seed=1), k=9)[0]] == ["old"]
    fake.refuse_object = lambda sent: None
    store.replace([embedded("a.md", ["new"])])
    assert [one.properties["text"] for one in fake.storage.everything()] == ["new"]


def test_every_object_refused_is_the_same_error(store: WeaviateStore, fake: FakeWeaviate) -> None:
    fake.refuse_object = lambda sent: "invalid something"
    with pytest.raises(RefusedObjects, match=r"refused 3 of 3 objects.*invalid something"):
        store.replace([embedded("a.md", ["x"] * 3)])


def test_what_may_pass_is_sent_again_and_nothing_else(fake: FakeWeaviate, store: WeaviateStore) -> None:
    refusals = {"x 1": 2, "x 3": 1}

    def refuse(sent: dict[str, Any]) -> str | None:
        left = refusals.get(sent["text"], 0)
        refusals[sent["text"]] = left - 1
        return "put object: context deadline exceeded" if left > 0 else None

    fake.refuse_object = refuse
    pauses: list[float] = []
    writer = WeaviateWriter(store._collection, batch_objects=10, concurrency=1, pause=pauses.append)
    document = embedded("a.md", [f"x {number}" for number in range(5)])
    writer.insert(new_objects(document, version=1, fingerprint="", language="english"))
    assert [len(request.objects) for request in fake.sent("BatchObjects")] == [5, 2, 1]
    assert pauses == [0.5, 1.0]
    assert len(list(fake.storage.everything())) == 5


def test_what_does_not_pass_is_given_up(fake: FakeWeaviate, store: WeaviateStore) -> None:
    fake.refuse_object = lambda sent: "connection refused by replica" if sent["text"] == "x 1" else None
    pauses: list[float] = []
    writer = WeaviateWriter(store._collection, batch_objects=10, concurrency=1, pause=pauses.append)
    document = embedded("a.md", ["x 0", "x 1"])
    with pytest.raises(
        Unavailable, match="refused 1 of 2 objects, the first of them: connection refused by replica"
    ) as given_up:
        writer.insert(new_objects(document, version=1, fingerprint="", language="english"))
    assert given_up.value.where == "docs:a.md, chunk 1" and given_up.value.may_pass
    assert len(pauses) == 3


def test_a_server_that_is_read_only(store: WeaviateStore, fake: FakeWeaviate) -> None:
    store.replace([embedded("a.md", ["old"])])
    fake.read_only = True
    with pytest.raises(Unavailable, match="takes no writes") as refused:
        store.replace([embedded("a.md", ["new"])])
    assert "READY" in (refused.value.hint or "")
    assert len(store.search(random_vectors(1, seed=1), k=9)[0]) == 1


def test_another_dimension_on_the_server(open_store: Opened) -> None:
    """A collection that another model has filled, which the state knows nothing of."""
    store = open_store()
    store.create()
    store.replace([embedded("a.md", ["old"])])
    other = open_store(dimension=3)
    with pytest.raises(Mismatch, match="another dimension"):
        other.replace([embedded("b.md", ["new"], random_vectors(1, seed=1)[:, :3])])
    with pytest.raises(Mismatch, match="another dimension"):
        other.search(random_vectors(1, seed=1)[:, :3], k=1)


def test_a_deletion_goes_on_past_what_the_server_deletes_at_once(
    store: WeaviateStore, fake: FakeWeaviate
) -> None:
    fake.most_results = 100
    store.replace([embedded("a.md", ["x"] * 250), embedded("kept.md", ["kept"])])
    del fake.calls[:]
    assert store.delete([("docs", "a.md")]) == 250
    assert len(fake.sent("BatchDelete")) == 4
    assert [one.properties["text"] for one in fake.storage.everything()] == ["kept"]


def test_nothing_is_written_to_a_collection_that_is_gone(store: WeaviateStore, fake: FakeWeaviate) -> None:
    """A real server would make one of its own there, with vectors and words as it likes."""
    del fake.storage.collections[store.name]
    with pytest.raises(Mismatch, match="gone"):
        store.replace([embedded("a.md", ["x"])])
    assert fake.sent("BatchObjects") == []
