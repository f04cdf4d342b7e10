"""Generations: one owner, one active, and a pointer that moves only from where it was believed to be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from contracts.stored import embedded

from ragctl.errors import Mismatch, RunInProgress
from ragctl.state.generations import Generation, Generations
from ragctl.state.ledger import Ledger
from ragctl.types import Item

Create = Callable[[], Generation]


def statuses(generations: Generations) -> dict[int, str]:
    return {one.number: one.status for one in generations.all()}


def test_an_index_belongs_to_one_pipeline(connection: psycopg.Connection[Any], index: str) -> None:
    mine = Generations(connection, index)
    mine.check_owner("docs")  # nobody's yet
    mine.claim_index("docs")
    mine.check_owner("docs")
    mine.claim_index("other")  # too late
    with pytest.raises(Mismatch, match="belongs to the pipeline 'docs', not to 'other'") as refused:
        mine.check_owner("other")
    assert refused.value.where == "store.index"
    mine.check_owner("docs")


def test_there_is_nothing_before_the_first(generations: Generations) -> None:
    assert generations.all() == []
    assert generations.active() is None


def test_a_generation_needs_an_index(connection: psycopg.Connection[Any], index: str) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        Generations(connection, index).create(recipe="r", recipe_parts={}, embedder="m", dimension=8)


def test_a_new_generation_is_as_it_was_asked_for(generations: Generations, create: Create) -> None:
    made = create()
    assert made == Generation(
        id=made.id,
        index=generations.index,
        number=1,
        recipe="r" * 64,
        recipe_parts={"extract": "e", "chunk": "c"},
        embedder="model@1",
        dimension=8,
        status="building",
    )
    assert made.table_prefix == f"{generations.index}_g1"
    assert generations.all() == [made]
    assert generations.active() is None


def test_numbers_go_up_and_are_not_used_twice(generations: Generations, create: Create) -> None:
    first, second, third = create(), create(), create()
    assert [first.number, second.number, third.number] == [1, 2, 3]
    generations.mark_dropped(third)
    assert create().number == 4
    assert [one.number for one in generations.all()] == [1, 2, 4]


def test_each_index_counts_for_itself(
    connection: psycopg.Connection[Any], generations: Generations, create: Create
) -> None:
    create()
    beside = Generations(connection, f"{generations.index}_beside")
    beside.claim_index("docs")
    made = beside.create(recipe="r", recipe_parts={}, embedder="m", dimension=3)
    assert made.number == 1
    assert beside.all() == [made]
    beside.publish(made, instead_of=None)
    assert generations.active() is None


def test_publish_flips_the_pointer_and_keeps_the_one_before(generations: Generations, create: Create) -> None:
    first, second = create(), create()
    generations.publish(first, instead_of=None)
    assert generations.active() is not None
    assert statuses(generations) == {1: "active", 2: "building"}
    generations.publish(second, instead_of=first)
    assert statuses(generations) == {1: "kept", 2: "active"}
    generations.publish(first, instead_of=second)  # a rollback
    assert statuses(generations) == {1: "active", 2: "kept"}


@pytest.mark.parametrize("believed", ["none", "stale"])
def test_publish_is_refused_where_the_pointer_has_moved(
    generations: Generations, create: Create, believed: str
) -> None:
    first, second, third = create(), create(), create()
    generations.publish(first, instead_of=None)
    generations.publish(second, instead_of=first)
    with pytest.raises(RunInProgress, match="meanwhile"):
        generations.publish(third, instead_of=None if believed == "none" else first)
    assert statuses(generations) == {1: "kept", 2: "active", 3: "building"}
    assert pointer(generations) == second.id


def pointer(generations: Generations) -> int | None:
    row = generations._connection.execute(
        "SELECT active FROM ragctl.indexes WHERE name = %s", (generations.index,)
    ).fetchone()
    assert row is not None
    return row[0]


def test_of_two_that_publish_at_once_one_wins(
    generations: Generations, create: Create, other: psycopg.Connection[Any]
) -> None:
    first, second = create(), create()
    rival = Generations(other, generations.index)
    refused: list[RunInProgress] = []

    def publish_second() -> None:
        try:
            rival.publish(second, instead_of=None)
        except RunInProgress as error:
            refused.append(error)

    late = threading.Thread(target=publish_second)
    with generations._connection.transaction():
        generations.publish(first, instead_of=None)
        late.start()
        late.join(timeout=0.2)
        assert late.is_alive()  # it waits for the row that this transaction holds
    late.join(timeout=60)
    assert len(refused) == 1
    assert statuses(generations) == {1: "active", 2: "building"}
    assert pointer(generations) == first.id


def test_what_was_dropped_cannot_be_published(generations: Generations, create: Create) -> None:
    first, second = create(), create()
    generations.publish(first, instead_of=None)
    generations.mark_dropped(second)
    with pytest.raises(RunInProgress, match="dropped generation 2"):
        generations.publish(second, instead_of=first)
    assert statuses(generations) == {1: "active"}
    assert pointer(generations) == first.id


def test_dropping_takes_the_ledger_along_and_leaves_the_others(
    generations: Generations, create: Create, connection: psycopg.Connection[Any]
) -> None:
    first, second = create(), create()
    item = Item("docs", "a.md", "file:///a.md", "f1")
    for generation in (first, second):
        Ledger(connection, generation.id).record_stored(
            [embedded("a.md", ["one"])], {("docs", "a.md"): item}, "run"
        )
    generations.mark_dropped(first)
    assert Ledger(connection, first.id).items() == {}
    assert Ledger(connection, first.id).counts() == (0, 0)
    assert Ledger(connection, second.id).counts() == (1, 1)
    row = connection.execute("SELECT status FROM ragctl.generations WHERE id = %s", (first.id,)).fetchone()
    assert row == ("dropped",)  # as history


def test_a_readers_view_has_one_active_all_the_time(
    generations: Generations, create: Create, other: psycopg.Connection[Any]
) -> None:
    first, second = create(), create()
    generations.publish(first, instead_of=None)
    reader = Generations(other, generations.index)
    with generations._connection.transaction():
        generations.publish(second, instead_of=first)
        assert statuses(reader) == {1: "active", 2: "building"}
    assert statuses(reader) == {1: "kept", 2: "active"}


def test_an_index_lies_in_one_kind_of_store(generations: Generations) -> None:
    generations.refuse_other_store("weaviate")  # nothing of it is there
    given = {"recipe": "r", "recipe_parts": {}, "embedder": "e", "dimension": 8}
    made = generations.create(**given, store="weaviate")
    assert (made.store, generations.all()[0].store) == ("weaviate", "weaviate")
    generations.refuse_other_store("weaviate")
    with pytest.raises(Mismatch, match="lies in weaviate, and the spec names pgvector"):
        generations.refuse_other_store("pgvector")
    generations.mark_dropped(made)
    generations.refuse_other_store("pgvector")
    assert generations.create(**given).store == "pgvector"
