"""The collection of a generation: names, properties, tenants, alias, notes. Over the FAKE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from contracts.stored import embedded, random_vectors
from fake_weaviate import FakeWeaviate
from weaviate import WeaviateClient
from weaviate.classes.config import Configure, DataType, Property, VectorDistances

from ragctl.errors import KeyRejected, Mismatch
from ragctl.stores.weaviate import WeaviateStore
from ragctl.stores.weaviate_catalog import WeaviateCatalog
from ragctl.stores.weaviate_schema import PROPERTIES, collection_name, document_key

Opened = Callable[..., WeaviateStore]


@pytest.mark.parametrize(
    ("name", "collection"),
    [("docs", "Docs"), ("docs_g3", "Docs_g3"), ("a", "A"), ("2024", "IX2024"), ("_g1", "IX_g1")],
)
def test_names_of_collections(name: str, collection: str) -> None:
    assert collection_name(name) == collection


@pytest.mark.parametrize("name", ["", "Docs", "do-cs", "dö", "a b", "a/../b"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of an index"):
        collection_name(name)


def test_documents_have_keys_of_their_own() -> None:
    """White space at an end counts, which Weaviate's filters leave out; and no two parts run into one."""
    keys = [("a", "b"), ("a", "b "), ("a", " b"), ("", "ab"), ("ab", ""), ("A", "b"), ('a", "b', "")]
    assert len({document_key(key) for key in keys}) == len(keys)


def test_what_is_asked_for(store: WeaviateStore, fake: FakeWeaviate) -> None:
    [sent] = [one["body"] for one in fake.sent("POST schema")]
    assert sent["vectorConfig"]["default"]["vectorizer"] == {"none": {}}
    assert sent["vectorConfig"]["default"]["vectorIndexType"] == "hnsw"
    assert sent["vectorConfig"]["default"]["vectorIndexConfig"]["distance"] == "cosine"
    assert sent["invertedIndexConfig"] == {"bm25": {"b": 0.4, "k1": 0.9}, "stopwords": {"preset": "en"}}
    assert sent["multiTenancyConfig"]["enabled"] is False
    made = {one["name"]: one for one in sent["properties"]}
    assert list(made) == list(PROPERTIES)
    searched = {name for name, one in made.items() if one.get("indexSearchable")}
    assert searched == {"text", "headings", "title", "words"}
    assert made["text"]["tokenization"] == "word"
    assert made["headings"]["dataType"] == ["text[]"]
    filtered = {name for name, one in made.items() if one.get("indexFilterable")}
    whole = {"document", "source", "path", "item", "media_type", "input_hash"}
    assert filtered == {*whole, "version", "ordinal", "terms"}
    assert made["terms"] == made["terms"] | {"dataType": ["text[]"], "tokenization": "field"}
    assert {made[name]["tokenization"] for name in whole} == {"field"}


def test_languages_without_spaces_are_cut_by_us(open_store: Opened, fake: FakeWeaviate) -> None:
    store = open_store(language="japanese")
    store.create()
    [sent] = [one["body"] for one in fake.sent("POST schema")]
    assert sent["invertedIndexConfig"]["stopwords"] == {"preset": "none"}
    assert next(one for one in sent["properties"] if one["name"] == "words")["tokenization"] == "whitespace"
    store.replace([embedded("a.md", ["東京都に住む"]), embedded("b.md", ["京都に住む"])])
    assert store.search_text(["東京"], k=5)[0][0].document == "a.md"
    assert fake.sent("Search")[-1].bm25_search.query == "東 京 東京"
    assert list(fake.sent("Search")[-1].bm25_search.properties) == ["words"]


def test_properties_that_an_earlier_release_did_not_know_are_added(
    store: WeaviateStore, fake: FakeWeaviate
) -> None:
    config = fake.storage.collections[store.name].config
    config["properties"] = [one for one in config["properties"] if one["name"] not in ("words", "sheet")]
    store.create()
    assert {one["name"] for one in config["properties"]} == set(PROPERTIES)


def test_a_strangers_collection_is_left_alone(
    open_store: Opened, fake_client: Callable[[], WeaviateClient], fake: FakeWeaviate
) -> None:
    store = open_store()
    fake_client().collections.create(
        store.name,
        properties=[Property(name="text", data_type=DataType.TEXT)],
        vector_config=Configure.Vectors.self_provided(),
    )
    with pytest.raises(Mismatch, match="not one that this spec can write to: it lacks"):
        store.create()
    assert len(fake.storage.collections[store.name].config["properties"]) == 1


def test_a_collection_of_another_distance_is_refused(store: WeaviateStore, fake: FakeWeaviate) -> None:
    config = fake.storage.collections[store.name].config
    config["vectorConfig"]["default"]["vectorIndexConfig"]["distance"] = VectorDistances.DOT.value
    with pytest.raises(Mismatch, match="compares vectors by dot, not by cosine"):
        store.create()


# Tenants


def test_tenants_do_not_see_one_another(open_store: Opened, fake: FakeWeaviate) -> None:
    left, right = open_store(tenant="left"), open_store(tenant="right")
    left.create()
    assert left.exists() and not right.exists()
    right.create()
    left.replace([embedded("a.md", ["left"])])
    assert [request.objects[0].tenant for request in fake.sent("BatchObjects")] == ["left"]
    assert [hit.text for hit in left.search(random_vectors(1, seed=1), k=5)[0]] == ["left"]
    assert right.search(random_vectors(1, seed=1), k=5) == [[]]
    assert right.search_text(["left"], k=5) == [[]]
    left.drop()
    assert not left.exists() and right.exists()
    right.drop()
    assert fake.storage.collections == {}


def test_a_tenant_in_a_collection_without_any(open_store: Opened, store: WeaviateStore) -> None:
    with pytest.raises(Mismatch, match="it has no tenants, unlike the spec"):
        open_store(tenant="left").create()


def test_without_a_tenant_in_a_collection_with_some(open_store: Opened) -> None:
    open_store(tenant="left").create()
    with pytest.raises(Mismatch, match="it has tenants, unlike the spec"):
        open_store().create()


# Alias and notes


@pytest.fixture
def catalog(fake_client: Callable[[], WeaviateClient]) -> WeaviateCatalog:
    return WeaviateCatalog(fake_client())


def test_the_alias_mirrors_the_pointer(
    open_store: Opened, catalog: WeaviateCatalog, index: str, fake: FakeWeaviate
) -> None:
    for number in (1, 2):
        open_store(prefix=f"{index}_g{number}").create()
    assert catalog.alias(index) is None
    for number in (1, 2, 2, 1):
        catalog.set_alias(index, f"{index}_g{number}")
        assert catalog.alias(index) == collection_name(f"{index}_g{number}")
    assert len(fake.sent("POST aliases")) == 1
    assert len(fake.sent("PUT aliases/…")) == 2
    catalog.remove_alias(index)
    catalog.remove_alias(index)
    assert catalog.alias(index) is None


def test_whoever_asks_by_the_alias_gets_the_generation(
    store: WeaviateStore, catalog: WeaviateCatalog, fake_client: Callable[[], WeaviateClient], index: str
) -> None:
    store.replace([embedded("a.md", ["a zebra"])])
    catalog.set_alias(index, f"{index}_g1")
    outside = fake_client().collections.use(collection_name(index))
    [found] = outside.query.bm25("zebra", query_properties=["text"], return_properties=["text"]).objects
    assert found.properties == {"text": "a zebra"}


def test_an_alias_where_a_collection_has_the_name(
    store: WeaviateStore, catalog: WeaviateCatalog, fake_client: Callable[[], WeaviateClient], index: str
) -> None:
    fake_client().collections.create(collection_name(index), vector_config=Configure.Vectors.self_provided())
    with pytest.raises(Mismatch, match="cannot be made to lead") as refused:
        catalog.set_alias(index, f"{index}_g1")
    assert collection_name(index) in (refused.value.hint or "")


def test_a_dropped_collection_leaves_no_alias(
    store: WeaviateStore, catalog: WeaviateCatalog, index: str, fake: FakeWeaviate
) -> None:
    catalog.set_alias(index, f"{index}_g1")
    store.drop()
    assert fake.storage.aliases == {}


def test_notes_and_what_is_found(
    open_store: Opened, catalog: WeaviateCatalog, index: str, fake: FakeWeaviate
) -> None:
    for prefix in (f"{index}_g1", f"{index}_g12", f"{index}_g2_g1"):
        open_store(prefix=prefix).create()
    note: dict[str, Any] = {"ragctl": 1, "pipeline": "docs", "text": 'ünï "quoted"'}
    catalog.write_note(f"{index}_g12", note)
    first, twelfth = catalog.found(index)
    assert (first.number, first.whole, first.note) == (1, True, {})
    assert (twelfth.number, twelfth.note) == (12, note)
    fake.storage.collections[collection_name(f"{index}_g1")].config["description"] = "by hand"
    assert catalog.found(index)[0].note == {}
    assert [one.number for one in catalog.found(f"{index}_g2")] == [1]


def test_a_key_without_the_right_to_make_collections(open_store: Opened, fake: FakeWeaviate) -> None:
    from fake_weaviate.storage import Refused

    def forbid(call: str, sent: Any) -> None:
        if call == "POST schema":
            raise Refused("authorization, forbidden action: user 'x' has insufficient permissions", 403)

    fake.before = forbid
    with pytest.raises(KeyRejected, match="may not do that") as refused:
        open_store().create()
    assert "rights" in (refused.value.hint or "")
