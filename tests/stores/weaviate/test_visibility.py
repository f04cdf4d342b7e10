"""A document is seen whole, old or new, wherever a writer is stopped. Over the FAKE."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import psycopg
import pytest
from contracts.stored import embedded, random_vectors, texts_of, unit
from fake_weaviate import FakeWeaviate
from weaviate import WeaviateClient

from ragctl.errors import LeaseLost, Unavailable
from ragctl.state.document_versions import DocumentVersions
from ragctl.stores.weaviate import WeaviateStore
from ragctl.stores.weaviate_survey import WeaviateSurvey

Opened = Callable[..., WeaviateStore]
ONE = random_vectors(1, seed=1)


def shown(store: WeaviateStore) -> set[str]:
    return {hit.text for hit in store.search(ONE, k=50)[0]}


def stored(fake: FakeWeaviate) -> list[str]:
    return sorted(one.properties["text"] for one in fake.storage.everything())


def test_what_is_staged_is_not_seen(store: WeaviateStore, open_store: Opened, fake: FakeWeaviate) -> None:
    store.replace([embedded("a.md", ["old"])])
    staged = store.stage([embedded("a.md", ["new", "more"]), embedded("b.md", ["other"])])
    reader = open_store()
    assert stored(fake) == ["more", "new", "old", "other"]
    assert shown(reader) == {"old"}
    assert reader.search_text(["new other old"], k=5)[0][0].text == "old"
    assert (reader.counts(), reader.documents()) == ((1, 1), {("docs", "a.md")})
    assert (texts_of(reader, "a.md"), texts_of(reader, "b.md")) == (["old"], [])
    store.commit(staged)
    assert shown(reader) == {"new", "more", "other"}
    assert (reader.counts(), texts_of(reader, "a.md")) == ((2, 3), ["new", "more"])
    assert stored(fake) == ["more", "new", "old", "other"]
    assert store.tidy() == 1
    assert stored(fake) == ["more", "new", "other"]


def test_killed_after_staging(store: WeaviateStore, open_store: Opened, fake: FakeWeaviate) -> None:
    """The next run, over a shorter text, meets longer leftovers of the same document."""
    store.replace([embedded("a.md", ["old"])])
    store.stage([embedded("a.md", ["killed 0", "killed 1", "killed 2"])])
    after = open_store()
    after.create()
    assert shown(after) == {"old"}
    after.replace([embedded("a.md", ["new"])])
    assert shown(after) == {"new"}
    assert stored(fake) == ["new"]


def test_killed_before_the_old_version_is_deleted(
    store: WeaviateStore, open_store: Opened, fake: FakeWeaviate
) -> None:
    store.replace([embedded("a.md", ["old"]), embedded("b.md", ["gone"])])
    store.commit(store.stage([embedded("a.md", ["new"])]))
    fake.before = _failing("BatchDelete")
    with pytest.raises(Unavailable):
        store.delete([("docs", "b.md")])
    fake.before = lambda call, sent: None
    assert stored(fake) == ["gone", "new", "old"]
    after = open_store()
    assert (shown(after), after.counts()) == ({"new"}, (1, 1))
    after.create()  # as every ingest begins
    assert stored(fake) == ["new"]


def test_a_rolled_back_transaction_leaves_the_old_version(
    fake_client: Callable[[], WeaviateClient],
    open_state: Callable[[], psycopg.Connection[Any]],
    open_versions: Callable[[], DocumentVersions],
    index: str,
    fake: FakeWeaviate,
) -> None:
    connection = open_state()
    versions = DocumentVersions(connection, open_versions()._generation)
    store = WeaviateStore(fake_client(), versions, prefix=f"{index}_g1", dimension=8)
    store.create()
    store.replace([embedded("a.md", ["old a"]), embedded("b.md", ["old b"])])
    with suppress(ZeroDivisionError), connection.transaction():
        store.replace([embedded("a.md", ["new a"])])
        store.delete([("docs", "b.md")])
        raise ZeroDivisionError
    assert {"old a", "old b"} <= set(stored(fake)), "deleted before the transaction had ended"
    assert shown(store) == {"old a", "old b"}
    with connection.transaction():
        store.replace([embedded("a.md", ["newer a"])])
        assert {"old a", "old b"} <= set(stored(fake))
    assert shown(store) == {"newer a", "old b"}
    store.optimize()
    assert stored(fake) == ["newer a", "old b"]


def test_a_writer_that_was_overtaken_changes_nothing(store: WeaviateStore, open_store: Opened) -> None:
    late = store.stage([embedded("a.md", ["late"]), embedded("b.md", ["late b"])])
    other = open_store()
    other.replace([embedded("a.md", ["first to commit"])])
    with pytest.raises(LeaseLost):
        store.commit(late)
    assert shown(other) == {"first to commit"}
    assert store.tidy() == 0
    assert texts_of(other, "a.md") == ["first to commit"]


def test_a_late_deletion_spares_a_later_version(store: WeaviateStore, open_store: Opened) -> None:
    """A process that slept between commit and deletion, while the next run stored the document again."""
    store.replace([embedded("a.md", ["first"])])
    store.commit(store.stage([embedded("a.md", ["second"])]))
    other = open_store()
    pending = other.stage([embedded("a.md", ["third"])])
    store.tidy()
    other.commit(pending)
    assert shown(store) == {"third"}


@pytest.mark.parametrize("search", ["dense", "lexical"])
def test_a_search_that_a_change_overtakes_is_made_again(
    store: WeaviateStore, open_store: Opened, fake: FakeWeaviate, search: str
) -> None:
    """The document is replaced, and its old chunks deleted, just before the server answers."""
    store.replace([embedded("a.md", ["zebra old"]), embedded("b.md", ["zebra kept"])])
    writer = open_store()
    versions = iter([["zebra new"], ["zebra newer", "zebra more"]])

    def replace(call: str, sent: Any) -> None:
        if call == "Search" and (sent.HasField("near_vector") or sent.HasField("bm25_search")):
            texts = next(versions, None)
            if texts:
                writer.replace([embedded("a.md", texts)])

    fake.before = replace
    found = store.search(ONE, k=10) if search == "dense" else store.search_text(["zebra"], k=10)
    assert {hit.text for hit in found[0]} == {"zebra newer", "zebra more", "zebra kept"}
    assert next(versions, None) is None


def test_more_is_asked_for_until_enough_is_current(store: WeaviateStore, fake: FakeWeaviate) -> None:
    """Many chunks of a version that is not current are nearer than any that is."""
    near = np.stack([unit([1])] * 300)
    store.replace([embedded(f"{n}.md", [f"{n}"], unit([0.5, 1, n])[np.newaxis]) for n in range(5)])
    store.stage([embedded("big.md", ["unseen zebra"] * 300, near)])
    del fake.calls[:]
    [hits] = store.search(unit([1])[np.newaxis], k=5)
    assert [hit.text for hit in hits] == ["0", "1", "2", "3", "4"]
    limits = [sent.limit for sent in fake.sent("Search")]
    assert limits[0] == 15 and limits == sorted(limits) and limits[-1] > 300
    assert [hit.text for hit in store.search_text(["zebra 3"], k=2)[0]] == ["3"]


def test_documents_that_change_too_fast_are_an_error_in_the_end(
    store: WeaviateStore, open_store: Opened, fake: FakeWeaviate
) -> None:
    store.replace([embedded("a.md", ["0"])])
    writer = open_store()

    def replace(call: str, sent: Any) -> None:
        if call == "Search" and sent.HasField("near_vector"):
            writer.replace([embedded("a.md", ["again"])])

    fake.before = replace
    with pytest.raises(Unavailable, match="replaced faster"):
        store.search(ONE, k=1)


def test_what_nobody_will_ever_see_is_found_and_removed(
    store: WeaviateStore,
    fake_client: Callable[[], WeaviateClient],
    open_versions: Callable[[], DocumentVersions],
    index: str,
    fake: FakeWeaviate,
) -> None:
    store.replace([embedded("a.md", ["kept", "too"])])
    store.stage([embedded("never.md", ["left over"] * 3)])
    assert store.counts() == (1, 2)
    survey = WeaviateSurvey(fake_client(), open_versions(), prefix=f"{index}_g1", dimension=8)
    assert survey.orphan_chunks() == 3
    assert survey.delete_orphan_chunks() == 3
    assert (survey.orphan_chunks(), stored(fake)) == (0, ["kept", "too"])


def _failing(wanted: str) -> Callable[[str, Any], None]:
    from fake_weaviate.storage import Refused

    def fail(call: str, sent: Any) -> None:
        if call == wanted:
            raise Refused("connection reset by peer")

    return fail
