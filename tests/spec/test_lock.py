"""The lock file: its bytes, what is refused when it is read, and whose doing a difference is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ragctl.errors import LockBroken
from ragctl.spec.lock import Lock, lock_path, read_lock, write_lock
from ragctl.spec.lock_comparison import compare

LOCK = Lock(
    pipeline="docs",
    ragctl="0.1.0",
    embedder={"provider": "local", "model": "m", "weights_sha256": "ab" * 32, "dimension": 384, "unit": True},
    readers={"markdown": 1, "text": 3},
    splitters={"auto": 1},
    settings={
        "extract": {"reader": "auto"},
        "chunk": {"max_tokens": 256, "context": ["title", "headings"]},
        "embed": {"model": "m"},
    },
    given={"extract": [], "chunk": ["max_tokens"], "embed": []},
    recipe={"extract": "a", "chunk": "b", "embed": "c", "digest": "d"},
)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return tmp_path / "docs.yaml"


def written(spec: Path, text: str) -> Path:
    lock_path(spec).write_text(text, encoding="utf-8")
    return spec


def changed(**values: Any) -> str:
    """The text of a lock with other values; None takes a key away."""
    head, _, body = LOCK.text("docs.yaml").partition("{")
    content = {**json.loads("{" + body), **values}
    return head + json.dumps({key: value for key, value in content.items() if value is not None}, indent=2)


def refused(spec: Path, text: str) -> LockBroken:
    with pytest.raises(LockBroken) as error:
        read_lock(written(spec, text))
    assert int(error.value.exit_code) == 5
    assert error.value.hint
    return error.value


def test_what_is_written_is_read(spec: Path) -> None:
    assert read_lock(spec) is None
    write_lock(spec, LOCK)
    assert lock_path(spec).name == "docs.yaml.lock"
    assert read_lock(spec) == LOCK


def test_the_same_lock_gives_the_same_bytes(spec: Path) -> None:
    write_lock(spec, LOCK)
    first = lock_path(spec).read_bytes()
    write_lock(spec, read_lock(spec) or LOCK)
    assert lock_path(spec).read_bytes() == first
    assert first.endswith(b"}\n")
    assert b"\r" not in first
    assert first.startswith(b"#")
    assert b"Commit this file" in first


def test_the_file_is_json_under_a_comment_and_yaml_as_a_whole() -> None:
    text = LOCK.text("docs.yaml")
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    assert json.loads(body) == yaml.safe_load(text)
    assert json.loads(body)["lock_version"] == 1


def test_nothing_is_left_beside_it(spec: Path) -> None:
    write_lock(spec, LOCK)
    write_lock(spec, replace(LOCK, ragctl="0.2.0"))
    assert [path.name for path in spec.parent.iterdir()] == ["docs.yaml.lock"]


def test_line_ends_of_windows_change_nothing(spec: Path) -> None:
    lock_path(spec).write_bytes(LOCK.text("docs.yaml").replace("\n", "\r\n").encode())
    assert read_lock(spec) == LOCK


def test_a_merge_conflict_is_named_with_its_line(spec: Path) -> None:
    lines = LOCK.text("docs.yaml").splitlines()
    at = next(number for number, line in enumerate(lines) if '"ragctl"' in line)
    conflict = ["<<<<<<< HEAD", lines[at], "=======", '  "ragctl": "0.2.0",', ">>>>>>> other"]
    error = refused(spec, "\n".join([*lines[:at], *conflict, *lines[at + 1 :]]))
    assert "merge conflict" in error.message
    assert error.where == f"{lock_path(spec)}:{at + 1}"
    assert "--relock" in (error.hint or "")


def test_a_newer_lock_names_the_release_that_wrote_it(spec: Path) -> None:
    error = refused(spec, changed(lock_version=2, ragctl="9.9.0", readers=None))
    assert "version 2" in error.message
    assert "9.9.0" in (error.hint or "")
    assert error.where == f"{lock_path(spec)}:4:19"


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("", "no lock", 1),
        ("- a list\n", "no lock", 1),
        ("{}\n", "lock_version", 1),
        (changed(lock_version="1"), "lock_version", 4),
        (changed(lock_version=True), "lock_version", 4),
        (changed(readers=None), "has no 'readers'", 3),
        (changed(pipeline=7), "'pipeline'", 5),
        (changed(readers={"text": "1"}), "'readers'", 14),
        (changed(given={"chunk": "max_tokens"}), "'given'", 36),
        (LOCK.text("docs.yaml")[:-30], "cannot be read", None),
        ("# one\nname: [1\n", "cannot be read", 2),
        ('{"lock_version": 1, "lock_version": 1}\n', "given twice", 1),
    ],
)
def test_what_is_no_lock(spec: Path, text: str, message: str, line: int | None) -> None:
    error = refused(spec, text)
    assert message in str(error)
    if line is not None:
        assert (error.where or "").startswith(f"{lock_path(spec)}:{line}:")


def test_bytes_that_are_no_text(spec: Path) -> None:
    lock_path(spec).write_bytes(b"\xff\xfe{\x00}\x00")
    with pytest.raises(LockBroken, match="UTF-16"):
        read_lock(spec)


def test_a_directory_in_its_place(spec: Path) -> None:
    lock_path(spec).mkdir()
    with pytest.raises(LockBroken, match="cannot be read"):
        read_lock(spec)


def settings(**chunk: Any) -> dict[str, dict[str, Any]]:
    return {**LOCK.settings, "chunk": {**LOCK.settings["chunk"], **chunk}}


def given(**sections: list[str]) -> dict[str, Any]:
    return {**LOCK.given, **sections}


EMBED = {**LOCK.settings, "embed": {"model": "other"}}


@pytest.mark.parametrize(
    ("now", "drift", "chosen"),
    [
        (LOCK, [], []),
        (replace(LOCK, ragctl="0.2.0"), [], []),
        # code, model
        (replace(LOCK, readers={"markdown": 2, "text": 3}), ["readers.markdown 1 → 2"], []),
        (replace(LOCK, readers={"markdown": 1}), ["readers.text 3 → (none)"], []),
        (replace(LOCK, readers={**LOCK.readers, "pdf": 1}), ["readers.pdf (none) → 1"], []),
        (replace(LOCK, splitters={"auto": 2}), ["splitters.auto 1 → 2"], []),
        (
            replace(LOCK, embedder={**LOCK.embedder, "weights_sha256": "cd" * 32}),
            ["embedder.weights_sha256 abababababab… → cdcdcdcdcdcd…"],
            [],
        ),
        (replace(LOCK, recipe={**LOCK.recipe, "chunk": "x"}), ["recipe.chunk b → x"], []),
        # a default of another release, and a setting that the spec had or has
        (
            replace(LOCK, settings=settings(context=["title"])),
            ["chunk.context ['title', 'headings'] → ['title']"],
            [],
        ),
        (
            replace(LOCK, settings=settings(context=["title"]), given=given(chunk=["max_tokens", "context"])),
            [],
            ["chunk.context ['title', 'headings'] → ['title']"],
        ),
        (replace(LOCK, settings=settings(max_tokens=64)), [], ["chunk.max_tokens 256 → 64"]),
        (
            replace(LOCK, settings=settings(max_tokens=512), given=given(chunk=[])),
            [],
            ["chunk.max_tokens 256 → 512"],
        ),
        # another model that the spec names brings another model's facts; a reader still drifts
        (
            replace(LOCK, settings=EMBED, given=given(embed=["model"]), embedder={"model": "other"}),
            [],
            ["embed.model m → other"],
        ),
        (
            replace(
                LOCK,
                settings=EMBED,
                given=given(embed=["model"]),
                embedder={"model": "other"},
                readers={**LOCK.readers, "text": 4},
            ),
            ["readers.text 3 → 4"],
            ["embed.model m → other"],
        ),
    ],
)
def test_whose_doing_a_difference_is(now: Lock, drift: list[str], chosen: list[str]) -> None:
    found = compare(LOCK, now)
    assert [str(moved) for moved in found.drift] == drift
    assert [str(moved) for moved in found.chosen] == chosen
    assert found.same is (not drift and not chosen)


def test_a_setting_that_is_only_written_down_is_no_drift_and_yet_not_the_same() -> None:
    found = compare(LOCK, replace(LOCK, given=given(chunk=[])))
    assert (found.drift, found.chosen, found.same) == ((), (), False)


@pytest.mark.parametrize(
    "change",
    [
        lambda lock: replace(lock, readers={"markdown": 9}),
        lambda lock: replace(lock, splitters={"auto": 9}),
        lambda lock: replace(lock, settings=settings(context=[])),
    ],
)
def test_for_a_question_the_embedder_alone_counts(change: Callable[[Lock], Lock]) -> None:
    assert compare(LOCK, change(LOCK), embedder_only=True).drift == ()
    other = replace(change(LOCK), embedder={**LOCK.embedder, "dimension": 768})
    [moved] = compare(LOCK, other, embedder_only=True).drift
    assert moved.what == "embedder.dimension"
