"""Readings of a whole generation, and what doctor looks at. Over the FAKE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from contracts.stored import embedded, random_vectors, texts_of, unit
from fake_weaviate import FakeWeaviate
from weaviate import WeaviateClient

from ragctl.state.document_versions import DocumentVersions
from ragctl.stores.weaviate import WeaviateStore
from ragctl.stores.weaviate_survey import WeaviateSurvey

KEY = ("docs", "a.md")


@pytest.fixture
def survey(
    store: WeaviateStore,
    fake_client: Callable[[], WeaviateClient],
    open_versions: Callable[[], DocumentVersions],
    index: str,
) -> WeaviateSurvey:
    return WeaviateSurvey(fake_client(), open_versions(), prefix=f"{index}_g1", dimension=8)


def in_fake(fake: FakeWeaviate, **wanted: Any) -> list[dict[str, Any]]:
    every = [one.properties for one in fake.storage.everything()]
    return [one for one in every if all(one[name] == value for name, value in wanted.items())]


def test_vectors_are_found_by_their_embed_input(store: WeaviateStore) -> None:
    written = embedded("a.md", ["one", "two", "three"])
    store.replace([written, embedded("b.md", ["four"])])
    found = store.vectors_of([written.input_hashes[0], written.input_hashes[2], b"unknown"])
    assert set(found) == {written.input_hashes[0], written.input_hashes[2]}
    for number in (0, 2):
        vector = found[written.input_hashes[number]]
        assert vector.dtype == np.float32
        assert vector @ written.vectors[number] == pytest.approx(1, abs=1e-6)
    assert store.vectors_of([]) == {}
    store.drop()
    assert store.vectors_of(written.input_hashes) == {}


def test_hashes_of_all_versions_of_a_document(store: WeaviateStore) -> None:
    old = embedded("a.md", ["x"] * 2500)
    store.replace([old])
    store.stage([embedded("a.md", ["y"])])
    assert store.input_hashes([KEY]) == set(old.input_hashes)
    assert store.input_hashes([("docs", "unknown")]) == set()


def test_a_fingerprint_is_kept_with_the_first_chunk(
    store: WeaviateStore, survey: WeaviateSurvey, fake: FakeWeaviate
) -> None:
    part = embedded("b.zip!/part.md", ["p"], item="b.zip")
    store.replace([embedded("a.md", ["one", "two"]), part], fingerprints={KEY: "first"})
    store.note_fingerprint(KEY, "second")
    store.note_fingerprint(("docs", "b.zip!/part.md"), "of a part")
    store.note_fingerprint(("docs", "unknown"), "of nothing")
    assert [one["fingerprint"] for one in in_fake(fake, path="a.md")] == ["second", "first"]
    records = survey.records()
    assert records[KEY].fingerprint == "second"
    assert records["docs", "b.zip!/part.md"].fingerprint == ""
    assert (records[KEY].chunks, records[KEY].item, records[KEY].reader) == (2, "a.md", "plain_text@1")


def test_objects_that_somebody_deleted_are_missed(
    store: WeaviateStore, survey: WeaviateSurvey, fake: FakeWeaviate
) -> None:
    store.replace([embedded("a.md", ["one", "two", "three"]), embedded("b.md", ["four"])])
    [objects] = [held.objects("") for held in fake.storage.collections.values()]
    for one in [one for one in objects.values() if one.properties["text"] in ("two", "four")]:
        del objects[one.id]
    assert store.counts() == (1, 2)
    assert store.documents() == {KEY}
    assert texts_of(store, "a.md") == ["one", "three"]
    assert survey.records()[KEY].chunks == 2


def test_wrong_vectors_are_found_and_disowned(
    store: WeaviateStore, survey: WeaviateSurvey, fake: FakeWeaviate
) -> None:
    written = embedded("a.md", ["right", "zero"], np.stack([unit([1]), np.zeros(8, dtype=np.float32)]))
    store.replace([written])
    assert survey.wrong_vectors() == {KEY: 1}
    assert survey.disown_wrong_vectors() == [written.input_hashes[1]]
    assert survey.disown_wrong_vectors() == []
    assert set(store.vectors_of(written.input_hashes)) == {written.input_hashes[0]}
    assert (survey.column_dimension(), survey.holds_vectors()) == (8, True)
    store.drop()
    assert (survey.column_dimension(), survey.holds_vectors()) == (None, False)


def test_a_lost_state_is_restored_from_what_is_whole(
    store: WeaviateStore,
    survey: WeaviateSurvey,
    open_versions: Callable[[], DocumentVersions],
    fake: FakeWeaviate,
) -> None:
    store.replace([embedded("a.md", ["old"]), embedded("b.md", ["b"])])
    store.replace([embedded("a.md", ["a 0", "a 1"])])
    half = store.stage([embedded("b.md", ["half 0", "half 1"])])
    [objects] = [held.objects("") for held in fake.storage.collections.values()]
    for one in [one for one in objects.values() if one.properties["text"] == "half 1"]:
        del objects[one.id]
    versions = open_versions()
    known = versions.every()
    versions.clear()
    assert store.counts() == (0, 0)
    whole = survey.whole_versions()
    assert whole == known
    versions.restore(whole)
    assert (store.counts(), texts_of(store, "a.md")) == ((2, 3), ["a 0", "a 1"])
    assert versions.reserve() > half.version
    store.replace([embedded("b.md", ["b again"])])
    assert {one["text"] for one in in_fake(fake)} == {"a 0", "a 1", "b again"}


def test_searches_of_nothing(store: WeaviateStore) -> None:
    assert store.search(random_vectors(2, seed=1), k=3) == [[], []]
    assert store.search_text(["a question"], k=3) == [[]]
