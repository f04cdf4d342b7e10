"""A spec that an exported DAG carries in itself, with its lock and prompts: JSON values instead of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ragctl.errors import LockBroken, SpecError
from ragctl.spec.defaults import resolved
from ragctl.spec.load import EmbeddedLock, LoadedSpec, validated
from ragctl.spec.lock import Lock, lock_path, parse_lock, read_lock, refuse_foreign
from ragctl.spec.mistakes import KeyPath, Mistake, MistakeFound, Place, spec_error
from ragctl.spec.plain import Plain, Value
from ragctl.spec.positions import Positions
from ragctl.spec.prompt_files import prompt_files, read_prompt

_HINT = "export the DAG again, with the release of ragctl that is installed where its tasks run"


def load_embedded(
    content: Mapping[str, Any],
    *,
    path: Path,
    sha256: str,
    lock: Mapping[str, Any] | None,
    prompts: Mapping[str, str] | None = None,
) -> LoadedSpec:
    """The spec of a DAG that was exported with `--embed-spec`. No file is read.

    Args:
        content: `spec.model_dump(mode="json")` of the resolved spec.
        path: where the spec file was, seen from the DAG; it need not be there. Paths in the spec are
            relative to its directory.
        sha256: of the spec file that was exported, in hex.
        lock: what `lock_to_embed` gave.
        prompts: what `prompts_to_embed` gave; None: they are files beside the spec's.

    Raises:
        SpecError: this release cannot make a spec of it.
        LockBroken: nor a lock of `lock`.
    """
    path, base = Path(path), Path(path).parent.resolve()
    positions = Positions(Place(0, 0, 0, f"the spec in the DAG, exported from {path}"))
    try:
        spec = validated(Plain(plain_of_json(content, (), positions), positions), base)
    except MistakeFound as found:
        error = spec_error([found.mistake])
        raise SpecError(error.message, where=error.where, hint=_HINT, mistakes=error.mistakes) from None
    except SpecError as error:
        raise SpecError(error.message, where=error.where, hint=_HINT, mistakes=error.mistakes) from None
    origin = f"the lock in the DAG, exported from {lock_path(path)}"
    embedded = EmbeddedLock(None if lock is None else _lock(lock, origin), origin)
    return LoadedSpec(path, base, sha256, (), resolved(spec, base), positions, embedded, prompts)


def prompts_to_embed(loaded: LoadedSpec) -> dict[str, str]:
    """The texts of the prompts that a spec names, by their files.

    Raises:
        SpecError: one cannot be read; with all that cannot.
    """
    made: dict[str, str] = {}
    mistakes = []
    for path, file in prompt_files(loaded.spec).items():
        try:
            made[file] = read_prompt(loaded, file)
        except ValueError as error:
            mistakes.append(Mistake(loaded.positions.value(path), path, f"{file}: {error}"))
    if mistakes:
        raise spec_error(mistakes)
    return made


def lock_to_embed(loaded: LoadedSpec) -> dict[str, Any] | None:
    """The content of the lock beside a spec, as JSON values; None if there is none.

    It takes the name that the spec has by its overrides, and so is this spec's own.

    Raises:
        LockBroken: it cannot be read, or is another spec's.
    """
    locked = read_lock(loaded.path)
    if locked is None:
        return None
    refuse_foreign(locked, loaded.spec.name, loaded.path, overrides=loaded.overrides)
    return replace(locked, pipeline=loaded.spec.name).content()


def _lock(content: Mapping[str, Any], origin: str) -> Lock:
    try:
        data = plain_of_json(content, (), Positions(Place(0, 0, 0, origin)))
    except MistakeFound as found:
        text = f"the lock cannot be read: {found.mistake.sentence}"
        raise LockBroken(text, where=origin, hint=_HINT) from None
    return parse_lock(data, origin, _HINT)


def plain_of_json(value: Any, path: KeyPath, positions: Positions) -> Value:
    """JSON values as those of a spec file: lists become tuples.

    Raises:
        MistakeFound: something is no JSON value.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return tuple(plain_of_json(one, (*path, number), positions) for number, one in enumerate(value))
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain_of_json(one, (*path, key), positions) for key, one in value.items()}
    raise MistakeFound(Mistake(positions.value(path), path, "holds what is no JSON value"))
