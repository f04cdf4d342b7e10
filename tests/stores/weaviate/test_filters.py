"""Which conditions go to the server, and what is done about the others. Over the FAKE."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contracts.stored import embedded, unit
from fake_weaviate import FakeWeaviate
from weaviate.proto.v1 import base_pb2

from ragctl.conditions import Condition
from ragctl.stores import weaviate_search
from ragctl.stores.weaviate import WeaviateStore

ONE = unit([1])[np.newaxis]


def filled(store: WeaviateStore, *, near: int = 0) -> None:
    """`near` documents of 2000 that are nearer than three of 2024."""
    far = unit([-1])[np.newaxis]
    others = [embedded(f"{at:04}", ["zebra"], ONE, metadata={"year": 2000}) for at in range(near)]
    store.replace([*others, *(embedded(f"far{at}", ["a"], far, metadata={"year": 2024}) for at in "abc")])


def searches(fake: FakeWeaviate) -> list[Any]:
    return [sent for sent in fake.sent("Search") if sent.HasField("near_vector")]


def paths(store: WeaviateStore, *where: Condition, k: int = 3) -> list[str]:
    [hits] = store.search(ONE, k=k, where=where)
    return [hit.document for hit in hits]


def test_equal_and_in_are_the_servers(store: WeaviateStore, fake: FakeWeaviate) -> None:
    filled(store, near=300)
    del fake.calls[:]
    assert paths(store, Condition("year", "=", 2024), Condition("path", "in", ("fara", "farb"))) == [
        "fara",
        "farb",
    ]
    [sent] = searches(fake)
    assert sent.filters.operator == base_pb2.Filters.OPERATOR_AND
    assert [one.target.property for one in sent.filters.filters] == ["terms", "terms"]


@pytest.mark.parametrize("sign", ["!=", ">", ">="])
def test_the_others_are_decided_on_what_comes_back(
    store: WeaviateStore, fake: FakeWeaviate, sign: Any
) -> None:
    filled(store, near=300)
    del fake.calls[:]
    assert paths(store, Condition("year", sign, 2000 if sign != ">=" else 2001)) == ["fara", "farb", "farc"]
    asked = searches(fake)
    assert not any(sent.HasField("filters") for sent in asked)
    assert len(asked) > 1 and asked[-1].limit > 300


def test_where_the_server_returns_too_few_the_documents_are_looked_up(
    store: WeaviateStore, fake: FakeWeaviate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weaviate_search, "MOST_RESULTS", 100)
    fake.most_results = 1_000
    filled(store, near=300)
    del fake.calls[:]
    assert paths(store, Condition("year", ">", 2000)) == ["fara", "farb", "farc"]
    last = searches(fake)[-1]
    assert last.filters.target.property == "document"
    assert len(last.filters.value_text_array.values) == 3


def test_nothing_fulfils_an_empty_list(store: WeaviateStore) -> None:
    filled(store)
    assert paths(store, Condition("year", "in", ())) == []
