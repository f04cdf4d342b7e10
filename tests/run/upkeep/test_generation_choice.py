"""Which generation an ingest writes to, which ones it drops, and what it would lack if it were published."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from contracts.stored import embedded

from ragctl.run.composition import Composition
from ragctl.run.upkeep.generation_choice import choose_target, drop_old_generations
from ragctl.spec.load import load_spec
from ragctl.state.generations import Generation, Generations
from ragctl.state.ledger import Ledger
from ragctl.types import Failure, Item, LedgerItem
from workspace import Workspace


@pytest.fixture
def composition(workspace: Workspace) -> Iterator[Composition]:
    with Composition(load_spec(workspace.spec_path)) as made:
        made.connect()
        yield made


@pytest.fixture
def generations(composition: Composition) -> Generations:
    made = composition.generations()
    made.claim_index(composition.spec.name)
    return made


@pytest.fixture
def create(composition: Composition, generations: Generations) -> Callable[[str | None], Generation]:
    """Makes a generation with its tables, by the spec's recipe or by another."""

    def create(recipe: str | None = None) -> Generation:
        made = generations.create(
            recipe=recipe or composition.recipe.digest, recipe_parts={}, embedder="m", dimension=8
        )
        composition.store_of(made).create()
        return made

    return create


Create = Callable[..., Generation]


def record(composition: Composition, generation: Generation, *paths: str) -> None:
    items = {("docs", path): Item("docs", path, "", "f1") for path in paths}
    Ledger(composition.connect(), generation.id).record_stored(
        [embedded(path, ["text"]) for path in paths], items, "run"
    )


def test_the_first_ingest_makes_the_first_generation(
    composition: Composition, generations: Generations
) -> None:
    target = choose_target(composition, generations)
    assert (target.existing, target.active, target.others) == (None, None, ())
    assert target.ledger_items() == {}
    assert generations.all() == []  # choosing makes nothing
    made = target.made(generations)
    assert generations.all() == [made.generation]
    assert made.generation.recipe == composition.recipe.digest
    assert made.generation.recipe_parts == {
        "extract": composition.recipe.extract,
        "chunk": composition.recipe.chunk,
        "embed": composition.recipe.embed,
    }
    assert made.generation.embedder == composition.embedder.identity
    assert made.generation.dimension == composition.embedder.dimension
    assert made.generation.status == "building"
    assert list(made.known_items()) == [(made.generation, {})]


def test_the_active_one_is_written_to_while_the_recipe_is_the_same(
    composition: Composition, generations: Generations, create: Create
) -> None:
    active, half_built = create(), create()
    generations.publish(active, instead_of=None)
    record(composition, active, "a.md")
    target = choose_target(composition, generations)
    assert target.existing == target.active
    assert target.generation.id == active.id
    assert target.ledger_items() == {("docs", "a.md"): LedgerItem("f1", "d" * 64, stored=True)}
    made = target.made(generations)
    assert made.generation.id == active.id
    assert [one.id for one in generations.all()] == [active.id]
    assert not composition.store_of(half_built).exists()


def test_a_half_built_one_of_the_same_recipe_is_continued(
    composition: Composition, generations: Generations, create: Create
) -> None:
    active, half_built = create("another recipe"), create()
    generations.publish(active, instead_of=None)
    record(composition, half_built, "b.md")
    target = choose_target(composition, generations)
    assert target.generation.id == half_built.id
    assert target.active is not None
    assert target.active.id == active.id
    assert set(target.ledger_items()) == {("docs", "b.md")}
    made = target.made(generations)
    assert [one.id for one in generations.all()] == [active.id, half_built.id]
    assert {one.id for one, _ in made.known_items()} == {active.id, half_built.id}


def test_a_half_built_one_of_another_recipe_is_dropped(
    composition: Composition, generations: Generations, create: Create
) -> None:
    active, half_built = create("one"), create("two")
    generations.publish(active, instead_of=None)
    record(composition, half_built, "b.md")
    made = choose_target(composition, generations).made(generations)
    assert [one.number for one in generations.all()] == [1, 3]
    assert made.generation.number == 3
    assert not composition.store_of(half_built).exists()
    assert composition.store_of(active).exists()
    assert Ledger(composition.connect(), half_built.id).counts() == (0, 0)
    assert {one.number for one, _ in made.known_items()} == {1, 3}


def test_an_older_one_of_the_same_recipe_is_not_taken_up_again(
    composition: Composition, generations: Generations, create: Create
) -> None:
    older, active = create(), create("another recipe")
    generations.publish(older, instead_of=None)
    generations.publish(active, instead_of=older)
    target = choose_target(composition, generations)
    assert target.existing is None
    made = target.made(generations)
    assert made.generation.number == 3
    assert [one.status for one in generations.all()] == ["kept", "active", "building"]
    assert composition.store_of(older).exists()


def test_what_failed_in_the_new_one_and_is_in_the_active_one_is_lacking(
    composition: Composition, generations: Generations, create: Create
) -> None:
    active = create("another recipe")
    record(composition, active, "a.md", "b.md", "gone.md", "worse.md")
    generations.publish(active, instead_of=None)
    made = choose_target(composition, generations).made(generations)
    ledger = Ledger(composition.connect(), made.generation.id)
    record(composition, made.generation, "a.md", "worse.md")
    for path in ("b.md", "never.md", "worse.md"):
        failure = Failure("docs", path, "extract", "malformed", "broken", retryable=False)
        ledger.record_failure(failure, Item("docs", path, "", "f2"))
    # gone.md, too: what is gone from its source has been deleted from the active generation before.
    assert made.lacking(ledger) == [("docs", "b.md"), ("docs", "gone.md")]


def test_nothing_is_lacking_before_the_first_is_published(
    composition: Composition, generations: Generations
) -> None:
    made = choose_target(composition, generations).made(generations)
    ledger = Ledger(composition.connect(), made.generation.id)
    failure = Failure("docs", "a.md", "extract", "malformed", "broken", retryable=False)
    ledger.record_failure(failure, Item("docs", "a.md", "", "f1"))
    assert made.lacking(ledger) == []


@pytest.mark.parametrize(("keep", "left"), [(0, [4]), (1, [3, 4]), (2, [2, 3, 4]), (9, [1, 2, 3, 4])])
def test_old_ones_are_kept_as_the_spec_says(
    workspace: Workspace, create: Create, generations: Generations, keep: int, left: list[int]
) -> None:
    made = [create(f"recipe {number}") for number in range(4)]
    before = None
    for one in made:
        generations.publish(one, instead_of=before)
        before = one
    workspace.spec(store={"keep_generations": keep})
    with Composition(load_spec(workspace.spec_path)) as composition:
        drop_old_generations(composition, generations)
        assert [one.number for one in made if composition.store_of(one).exists()] == left
    assert [one.number for one in generations.all()] == left
    active = generations.active()
    assert active is not None
    assert active.number == 4
