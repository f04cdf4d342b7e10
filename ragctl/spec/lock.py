"""SPEC.lock: what a spec was resolved to, in a file beside it that is committed with it.

The file is JSON, which is YAML too, under two lines of comment. The same lock gives the same bytes.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragctl.errors import LockBroken
from ragctl.spec.mistakes import MistakeFound, Place
from ragctl.spec.plain import Value, read_plain
from ragctl.spec.positions import Positions
from ragctl.spec.spec_file import decode

LOCK_VERSION = 1

_CONFLICT = re.compile(r"^(?:<{7}|\|{7}|={7}|>{7})(?: .*)?$", re.MULTILINE)

Fact = str | int | bool


@dataclass(frozen=True, slots=True)
class Lock:
    """What is pinned.

    Attributes:
        pipeline: name of the spec that it belongs to.
        ragctl: the release that wrote it; for people, not compared.
        embedder: what the embedder says of itself: model, revision, digests, dimension, most tokens.
        readers, splitters: `output_version` by name.
        settings: those that the recipe depends on, by section, defaults filled in. JSON values.
        given: the names of those that the spec itself gave, by section.
        recipe: the three parts of the recipe, and `digest`, of all of them. SHA-256 in hex.
        selection: with `provider: auto`, the `provider` and `model` that were chosen and, for people,
            `because`; else empty, and not in the file.
        chat: the same of each chat model that was chosen, by its place in the spec, such as `ask.answer`.
    """

    pipeline: str
    ragctl: str
    embedder: Mapping[str, Fact]
    readers: Mapping[str, int]
    splitters: Mapping[str, int]
    settings: Mapping[str, Mapping[str, Any]]
    given: Mapping[str, Sequence[str]]
    recipe: Mapping[str, str]
    selection: Mapping[str, str] = field(default_factory=dict)
    chat: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """What the file holds, as JSON values."""
        found = {"lock_version": LOCK_VERSION, **{name: getattr(self, name) for name in _SHAPES}}
        chosen = {name: getattr(self, name) for name in _CHOSEN}
        return {**found, **{name: value for name, value in chosen.items() if value}}

    def text(self, spec_name: str) -> str:
        """The file's content. `spec_name` is the spec's file name, for the comment."""
        return (
            f"# What {spec_name} was resolved to; ragctl ingest wrote it. Commit this file, do not edit it.\n"
            "# ragctl check compares it with what would be used now; ragctl ingest --relock writes it anew.\n"
            f"{json.dumps(self.content(), indent=2, ensure_ascii=False)}\n"
        )


def lock_path(spec: Path) -> Path:
    """`docs.yaml.lock` beside `docs.yaml`."""
    return spec.with_name(f"{spec.name}.lock")


def relock_command(spec: str) -> str:
    """The command that writes the lock anew; of a spec as a shell takes it."""
    return f"ragctl ingest {spec} --relock"


def write_lock(spec: Path, lock: Lock) -> None:
    """Puts the lock beside the spec; whoever reads meanwhile sees the old file or the new one, whole.

    Raises:
        OSError: it cannot be written.
    """
    path = lock_path(spec)
    # The dot keeps it from a source that lists this folder.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(lock.text(spec.name).encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):  # what is left of it harms nobody
            part.unlink()
        raise


def read_lock(spec: Path) -> Lock | None:
    """The lock beside a spec; None if there is none.

    Raises:
        LockBroken: it cannot be read, is no lock, holds a merge conflict, or a newer ragctl wrote it.
    """
    path = lock_path(spec)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LockBroken(f"the lock cannot be read: {reason}", where=str(path)) from error
    try:
        return _parsed(data, str(path))
    except _NoLock as problem:
        anew = relock_command(shlex.quote(str(spec)))
        hint = f"take it from your version control again, or write it anew: {anew}"
        raise LockBroken(problem.text, where=problem.place, hint=problem.hint or hint) from None


def parse_lock(data: Value, origin: str, hint: str) -> Lock:
    """The lock that `Lock.content` was made of, as plain data of a spec (lists as tuples).

    Args:
        origin: where it stands, for the error.
        hint: what to do about one that is broken.

    Raises:
        LockBroken: it is no lock, or a newer ragctl wrote it.
    """
    try:
        return _lock(data, Positions(Place(0, 0, 0, origin)))
    except _NoLock as problem:
        raise LockBroken(problem.text, where=problem.place, hint=problem.hint or hint) from None


def refuse_foreign(lock: Lock, name: str, spec: Path, *, overrides: Sequence[str]) -> None:
    """Refuses a lock that was copied from another spec; `--set name=…` makes no other spec.

    Args:
        name: the spec's name, with its overrides.
        spec: the spec file.

    Raises:
        LockBroken: the lock is another spec's.
    """
    renamed_for_this_run = any(one.partition("=")[0].strip() == "name" for one in overrides)
    if lock.pipeline != name and not renamed_for_this_run:
        raise LockBroken(
            f"the lock belongs to the pipeline {lock.pipeline!r}, and the spec's name is {name!r}: one of "
            "them was copied, or the spec was renamed",
            where=str(lock_path(spec)),
            hint=f"{relock_command(shlex.quote(str(spec)))} writes a lock for this spec",
        )


class _NoLock(Exception):
    def __init__(self, text: str, place: Place | str, hint: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.place = str(place)
        self.hint = hint


def _parsed(data: bytes, origin: str) -> Lock:
    try:
        text = decode(data, origin)
        if found := _CONFLICT.search(text):
            line = text.count("\n", 0, found.start()) + 1
            raise _NoLock("the lock holds an unresolved merge conflict", f"{origin}:{line}")
        plain = read_plain(text, lambda line, column: Place(0, line, column, origin))
    except MistakeFound as found_mistake:
        mistake = found_mistake.mistake
        raise _NoLock(f"the lock cannot be read: {mistake.text}", mistake.place) from None
    if plain.mistakes:
        mistake = plain.mistakes[0]
        raise _NoLock(f"the lock cannot be read: {mistake.sentence}", mistake.place)
    return _lock(plain.data, plain.positions)


def _lock(data: Value, positions: Positions) -> Lock:
    if not isinstance(data, dict):
        raise _NoLock("this is no lock of ragctl", positions.value(()))
    _refuse_other_version(data, positions)
    _refuse_other_shape(data, positions)
    names = [*_SHAPES, *(name for name in _CHOSEN if name in data)]
    return Lock(**{name: _as_json(data[name]) for name in names})


def _refuse_other_version(data: Mapping[str, Value], positions: Positions) -> None:
    version = data.get("lock_version")
    if version == LOCK_VERSION and not isinstance(version, bool):
        return
    place = positions.value(("lock_version",))
    if not isinstance(version, int) or isinstance(version, bool) or version < LOCK_VERSION:
        raise _NoLock(f"the lock has no lock_version that this ragctl knows ({LOCK_VERSION})", place)
    writer = data.get("ragctl")
    named = f" ({writer})" if isinstance(writer, str) and re.fullmatch(r"[\w.+-]{1,40}", writer) else ""
    raise _NoLock(
        f"the lock has version {version}, this ragctl reads version {LOCK_VERSION}",
        place,
        hint=f"a newer ragctl{named} wrote it: install that version or a later one",
    )


def _refuse_other_shape(data: Mapping[str, Value], positions: Positions) -> None:
    for name, fits in _SHAPES.items():
        if name not in data:
            raise _NoLock(f"the lock has no {name!r}", positions.value(()))
        if not fits(data[name]):
            raise _NoLock(f"{name!r} is not what it should be in a lock", positions.value((name,)))
    for name, fits in _CHOSEN.items():
        if name in data and not fits(data[name]):
            raise _NoLock(f"{name!r} is not what it should be in a lock", positions.value((name,)))


def _text(value: Value) -> bool:
    return isinstance(value, str)


def _whole(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _fact(value: Value) -> bool:
    return isinstance(value, str | int)


def _texts(value: Value) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, str) for one in value)


def _mapping(fits: Callable[[Value], bool]) -> Callable[[Value], bool]:
    return lambda value: isinstance(value, dict) and all(fits(one) for one in value.values())


def _selection(value: Value) -> bool:
    return isinstance(value, dict) and _mapping(_text)(value) and {"provider", "model"} <= set(value)


# The keys of the file in their order, and what each has to be.
_SHAPES: dict[str, Callable[[Value], bool]] = {
    "pipeline": _text,
    "ragctl": _text,
    "embedder": _mapping(_fact),
    "readers": _mapping(_whole),
    "splitters": _mapping(_whole),
    "settings": _mapping(_mapping(lambda value: True)),
    "given": _mapping(_texts),
    "recipe": _mapping(_text),
}

# Those that are there only if something was chosen.
_CHOSEN: dict[str, Callable[[Value], bool]] = {"selection": _selection, "chat": _mapping(_selection)}


def _as_json(value: Value) -> Any:
    """Lists as JSON has them, so that what was read equals what was written."""
    if isinstance(value, tuple):
        return [_as_json(one) for one in value]
    if isinstance(value, dict):
        return {key: _as_json(one) for key, one in value.items()}
    return value
