"""A small run of damaged files; `make fuzz-readers` makes a large one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.__main__ import inputs
from fuzz.attempts import attempt
from fuzz.mutations import ANY, Sample, change_member, mutated
from fuzz.samples import SLOW, made_samples, samples_in

from ragctl.readers.auto import Readers
from ragctl.readers.worker_pool import WorkerPool
from ragctl.readers.worker_process import Limits
from ragctl.types import Document, Item

FILES = Path(__file__).resolve().parents[3] / "shared" / "data" / "files"
LIMIT_S = 20.0


@pytest.fixture(scope="module")
def pooled() -> Iterator[Readers]:
    with WorkerPool(Limits(seconds=LIMIT_S, memory=1 << 30, output=64 << 20)) as pool:
        yield Readers(workers=pool)


def escapes(
    readers: Readers, samples: list[Sample], count: int, seed: int
) -> list[tuple[int, str, str, str]]:
    found = []
    for number, (_, sample, how) in enumerate(inputs(samples, count, seed)):
        done = attempt(readers, sample, LIMIT_S)
        if done.outcome in ("escape", "crashed", "stopped"):
            found.append((number, done.name, how, done.detail))
    return found


def test_nothing_escapes_from_files_made_here(pooled: Readers) -> None:
    assert escapes(pooled, made_samples(), 700, seed=11) == []


def test_nothing_escapes_where_there_are_no_workers() -> None:
    samples = [one for one in made_samples() if not one.name.endswith(".pdf")]  # of C++, not to be trusted
    assert escapes(Readers(), samples, 700, seed=12) == []


@pytest.mark.skipif(not FILES.is_dir(), reason=f"{FILES.name}: the sample files are not here")
def test_nothing_escapes_from_files_of_others(pooled: Readers) -> None:
    assert escapes(pooled, samples_in(FILES), 500, seed=13) == []


def test_the_files_are_read_before_they_are_damaged(pooled: Readers) -> None:
    samples = [one for one in made_samples() if one.name.rpartition(".")[2] not in SLOW]
    done = [attempt(pooled, one, LIMIT_S) for one in samples]
    assert {(one.name, one.outcome) for one in done if one.outcome != "read"} == set()


def test_the_same_seed_damages_in_the_same_way() -> None:
    samples = made_samples()
    first, second, other = (list(inputs(samples, 40, seed)) for seed in (1, 1, 2))
    assert first == second != other


def test_each_way_damages() -> None:
    whole, archive = (next(one for one in made_samples() if one.name == name) for name in ("a.md", "a.docx"))
    for way in ANY:
        assert any(way(random.Random(seed), whole.data, archive.data) != whole.data for seed in range(5))
    assert any(
        change_member(random.Random(seed), archive.data, b"x" * 99) != archive.data for seed in range(5)
    )
    sample, how = mutated(random.Random(3), archive, whole)
    assert sample.data != archive.data
    assert how


def test_what_may_not_be_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        name, output_version = "text", 1

        def __init__(self, encodings: object = ()) -> None:
            pass

        def read(self, item: Item, data: bytes) -> Iterator[Document]:
            raise ZeroDivisionError(item.path)

    monkeypatch.setattr("ragctl.readers.plain_text.PlainTextReader", Broken)
    done = attempt(Readers(), Sample("a.txt", b"words"), LIMIT_S)
    assert (done.outcome, done.detail) == ("escape", "ZeroDivisionError: a.txt")
