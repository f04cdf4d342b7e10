"""A spec in a DAG: the same as the file's, checked like it, and no file is looked at."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragctl.errors import LockBroken, SpecError
from ragctl.spec.embedded_spec import load_embedded, lock_to_embed
from ragctl.spec.load import LoadedSpec, load_spec
from ragctl.spec.lock import Lock, lock_path, write_lock

SPEC = """\
name: docs
sources:
  - {type: directory, path: a, include: ["*.md"], metadata: {tags: [x, y], n: 1.0, m: 1e+16, u: "\\u2028"}}
  - {type: directory, path: /srv/wiki}
chunk: {max_tokens: 128}
extract: {max_bytes: 1 MiB}
ignore: [a/old/**]
airflow:
  schedule: "0 5 * * 2"
  tags: [a, b]
  stages:
    embed: {queue: gpu, retries: 0}
    rank: {kubernetes: {image: x, requests: {cpu: 0.5}}}
  connections: {rag_pg: {dsn: RAGCTL_DSN}}
"""
LOCK = Lock(
    pipeline="docs",
    ragctl="0.1.0",
    embedder={"provider": "local", "dimension": 384, "unit": True},
    readers={"text": 3},
    splitters={"auto": 1},
    settings={"chunk": {"max_tokens": 256, "context": ["title"]}},
    given={"chunk": ["max_tokens"]},
    recipe={"digest": "d"},
)
SHA = "ab" * 32


@pytest.fixture
def exported(tmp_path: Path) -> tuple[LoadedSpec, dict[str, Any], dict[str, Any] | None]:
    """A spec, and what a DAG has of it once its folder is gone: values that went through JSON."""
    path = tmp_path / "specs" / "docs.yaml"
    path.parent.mkdir()
    path.write_text(SPEC, encoding="utf-8")
    write_lock(path, LOCK)
    loaded = load_spec(path)
    content = json.loads(json.dumps(loaded.spec.model_dump(mode="json")))
    lock = json.loads(json.dumps(lock_to_embed(loaded)))
    shutil.rmtree(path.parent)
    return loaded, content, lock


def test_it_is_the_spec_of_the_file(
    exported: tuple[LoadedSpec, dict[str, Any], dict[str, Any] | None],
) -> None:
    loaded, content, lock = exported
    found = load_embedded(content, path=loaded.path, sha256=loaded.digest, lock=lock)
    assert found.spec == loaded.spec
    assert (found.path, found.base, found.digest, found.overrides) == (
        loaded.path, loaded.base, loaded.digest, (),
    )  # fmt: skip
    assert found.resolve("a") == loaded.resolve("a")
    assert found.lock is not None
    assert found.lock.lock == LOCK
    assert loaded.lock is None
    assert str(loaded.path) in found.where("chunk.max_tokens")
    assert not loaded.path.parent.exists()


def test_it_is_what_a_dag_file_holds(
    exported: tuple[LoadedSpec, dict[str, Any], dict[str, Any] | None],
) -> None:
    loaded, content, _ = exported
    in_a_file = eval(repr(content), {"__builtins__": {}})
    found = load_embedded(in_a_file, path=loaded.path, sha256=SHA, lock=None)
    assert found.spec == loaded.spec
    assert found.lock is not None
    assert found.lock.lock is None


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        inner: Any = content
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        (put("chunk", "max_tokens", value=9999), "chunk.max_tokens: must be at most 8192, not 9999"),
        (put("chunk", "sizes", value=1), "chunk.sizes: unknown key; known here: splitter, "),
        (put("airflow", "stages", "embd", value={}), "airflow.stages.embd: unknown stage 'embd'; did you"),
        (put("airflow", "assets", value=["s3://b"]), "airflow.assets: cannot be given together with"),
        (put("sources", 1, "name", value="a"), "sources.0.name: is 'a', the name of another source too"),
        (put("name", value={1: 2}), "name: holds what is no JSON value"),
        (put("ignore", value=[Path("a")]), "ignore.0: holds what is no JSON value"),
        (put("store", "dsn_env", value="postgresql://u:hunter2@h"), "store.dsn_env: must be the name of"),
    ],
)
def test_a_broken_one_is_refused_in_the_words_of_a_file(
    exported: tuple[LoadedSpec, dict[str, Any], dict[str, Any] | None],
    change: Callable[[dict[str, Any]], None],
    mistake: str,
) -> None:
    loaded, content, lock = exported
    change(content)
    with pytest.raises(SpecError) as caught:
        load_embedded(content, path=loaded.path, sha256=SHA, lock=lock)
    origin = f"the spec in the DAG, exported from {loaded.path}"
    assert caught.value.mistakes[0].startswith(f"{origin}: {mistake}")
    assert caught.value.where == origin
    assert "export the DAG again" in (caught.value.hint or "")
    assert "hunter2" not in str(caught.value.as_json())


@pytest.mark.parametrize("content", [{}, [], None, "name: docs"])
def test_what_is_no_spec(tmp_path: Path, content: Any) -> None:
    with pytest.raises(SpecError, match="the spec in the DAG"):
        load_embedded(content, path=tmp_path / "docs.yaml", sha256=SHA, lock=None)


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        ({}, "lock_version"),
        ([], "no lock"),
        ({**LOCK.content(), "lock_version": 2, "ragctl": "9.9.0"}, "version 2"),
        ({**LOCK.content(), "readers": {"text": "1"}}, "'readers'"),
        ({**LOCK.content(), "recipe": {1: "x"}}, "no JSON value"),
    ],
)
def test_a_broken_lock_is_refused(
    exported: tuple[LoadedSpec, dict[str, Any], dict[str, Any] | None], lock: Any, message: str
) -> None:
    loaded, content, _ = exported
    with pytest.raises(LockBroken, match=message) as caught:
        load_embedded(content, path=loaded.path, sha256=SHA, lock=lock)
    assert caught.value.where == f"the lock in the DAG, exported from {lock_path(loaded.path)}"
    assert caught.value.hint


def test_the_lock_that_is_embedded(tmp_path: Path) -> None:
    path = tmp_path / "docs.yaml"
    path.write_text(SPEC, encoding="utf-8")
    assert lock_to_embed(load_spec(path)) is None
    write_lock(path, LOCK)
    assert lock_to_embed(load_spec(path)) == LOCK.content()
    assert LOCK.content()["lock_version"] == 1
    # A trial under another name takes the lock along, under that name.
    trial = lock_to_embed(load_spec(path, ["name=trial"]))
    assert trial == {**LOCK.content(), "pipeline": "trial"}
    path.write_text(SPEC.replace("name: docs", "name: copy"), encoding="utf-8")
    with pytest.raises(LockBroken, match="'docs'"):
        lock_to_embed(load_spec(path))
