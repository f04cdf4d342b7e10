"""Is an exported file still what its spec gives? And if not, what has moved."""

from __future__ import annotations

import ast
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragctl import __version__
from ragctl.errors import ExportDrift, UsageError
from ragctl.export.dag_file import embedded_prompts, export_dag, lock_file
from ragctl.export.head import command_line, digest_of
from ragctl.export.options import ExportOptions
from ragctl.spec.load import LoadedSpec, load_spec

Moved = tuple[str, object, object]
"""What, what it was, what it is."""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A DAG file that ragctl wrote: its bytes, and the constant in which it says what it was made of."""

    path: Path
    data: bytes
    constant: Mapping[str, Any]


def read_export(path: Path) -> ExportedFile:
    """Reads an exported file without running it.

    Raises:
        UsageError: it cannot be read, or is no export of ragctl.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"the file cannot be read: {reason}", where=str(path)) from error
    constant = _constant(data)
    if constant is None:
        raise UsageError(
            "this is no DAG file that ragctl has exported",
            where=str(path),
            hint="ragctl export-dag SPEC -o FILE writes one",
        )
    return ExportedFile(path, data, constant)


def check_export(exported: ExportedFile, spec: Path) -> str:
    """Renders the DAG again with the options of the file, and compares.

    Returns:
        The DAG's id.

    Raises:
        ExportDrift: it is not the same; `moved` says what is not.
        UsageError, SpecError, LockBroken: nothing can be rendered.
    """
    try:
        options = ExportOptions.from_constant(exported.constant)
    except ValueError:
        again = f"ragctl export-dag {shlex.quote(str(spec))}"
        raise _drift(exported, again, [_version(exported.constant) or _EDITED]) from None
    loaded = load_spec(spec, options.overrides)
    now = export_dag(loaded, options)
    moved = _moved(exported, loaded, options)
    if not moved and now.text.encode("utf-8") != exported.data:
        moved = [_EDITED]
    if moved:
        raise _drift(exported, command_line(options, str(spec)), moved)
    return now.dag_id


_EDITED: Moved = ("the file", "as exported", "edited by hand")


def _moved(exported: ExportedFile, loaded: LoadedSpec, options: ExportOptions) -> list[Moved]:
    constant = exported.constant
    lock = lock_file(loaded)
    found = [
        ("the spec", constant.get("spec_sha256"), loaded.digest),
        ("the lock", constant.get("lock_sha256"), lock.sha256 if lock else None),
        ("a prompt", constant.get("prompts_sha256"), digest_of(embedded_prompts(loaded, options))),
    ]
    moved: list[Moved] = [one for one in found if one[1] != one[2]]
    if version := _version(constant):
        moved.append(version)
    if options.base == "file":
        there = exported.path.resolve().parent / options.spec
        if not _same(there, loaded.path):
            moved.append(("the place of the spec", options.spec, str(loaded.path)))
    return moved


def _version(constant: Mapping[str, Any]) -> Moved | None:
    was = constant.get("ragctl")
    return None if was == __version__ else ("ragctl's version", was, __version__)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121  (Path.samefile is no quicker, and as good)
    except OSError:
        return False


def _drift(exported: ExportedFile, again: str, moved: list[Moved]) -> ExportDrift:
    said = "; ".join(_said(*one) for one in moved)
    return ExportDrift(
        f"the DAG is not what the spec gives now: {said}",
        where=str(exported.path),
        hint=f"write it anew: {again} -o {shlex.quote(str(exported.path))}",
        moved=moved,
    )


def _said(what: str, was: object, now: object) -> str:
    if (what, was, now) == _EDITED:
        return "the file was edited by hand"
    if what == "ragctl's version":
        return f"another ragctl made it ({was}, this is {now})"
    if what == "the place of the spec":
        return f"the spec does not lie where the file looks for it ({was})"
    if was is None:
        return f"{what} was not there"
    return f"{what} is gone" if now is None else f"{what} has changed"


def _constant(data: bytes) -> Mapping[str, Any] | None:
    """The value of `EXPORTED`, if there is such a constant and it is ragctl's."""
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in tree.body:
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id == "EXPORTED":
            return _literal_mapping(node.value)
    return None


def _literal_mapping(node: ast.expr) -> Mapping[str, Any] | None:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("ragctl"), str) else None
