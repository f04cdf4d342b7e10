"""A spec file and overrides to a validated spec, or to every mistake at once."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from ragctl.spec.complaints import mistakes_of
from ragctl.spec.defaults import name_mistakes, resolved
from ragctl.spec.lock import Lock
from ragctl.spec.mistakes import KeyPath, Mistake, MistakeFound, Place, parsed, spec_error
from ragctl.spec.model import Spec
from ragctl.spec.overrides import override
from ragctl.spec.plain import Broken, Plain, Value, read_plain
from ragctl.spec.positions import Positions
from ragctl.spec.spec_file import decode, read_spec_bytes


@dataclass(frozen=True, slots=True)
class EmbeddedLock:
    """The lock of a spec that no file holds. `lock` is None if there was none; `origin` says where it is."""

    lock: Lock | None
    origin: str


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A valid spec and where it came from.

    Attributes:
        path: the file, as the user gave it. There may be none if the spec is embedded.
        base: the directory that holds it, absolute; paths in the spec are relative to it.
        digest: SHA-256 (hex) of the file's bytes; overrides are not in it.
        overrides: as given, `a.b=value`.
        spec: validated, every default filled in: each source has its name, the store its index.
        lock: the lock of an embedded spec; None where a file beside `path` is the lock.
        prompts: the prompts of an embedded spec, by the files that it names; None where files hold them.
    """

    path: Path
    base: Path
    digest: str
    overrides: tuple[str, ...]
    spec: Spec
    positions: Positions = field(repr=False, compare=False)
    lock: EmbeddedLock | None = None
    prompts: Mapping[str, str] | None = field(default=None, repr=False)

    def where(self, key: str) -> str:
        """Where a value stands: `sources.0.path` gives `specs/docs.yaml:3:22`, or the override it is from.

        A key that is not in the file gives the place of what it would stand in.
        """
        return str(self.positions.value(parsed(key)))

    @property
    def as_argument(self) -> str:
        """The spec for a command line that is to do the same: its path and the overrides, quoted."""
        words = [str(self.path), *(word for one in self.overrides for word in ("--set", one))]
        return shlex.join(words)

    def resolve(self, path: str) -> Path:
        """A path of the spec as an absolute one; not looked up on disk."""
        return self.base / path


def load_spec(path: Path, overrides: Sequence[str] = ()) -> LoadedSpec:
    """Reads and validates a spec.

    Args:
        path: the spec file.
        overrides: `dotted.path=yaml-value` each, applied in order: `chunk.max_tokens=128`,
            `sources.0.path=docs`.

    Raises:
        SpecError: with every mistake of the file and of the overrides.
    """
    path = Path(path)
    plain, digest = read_overridden(path, overrides)
    base = path.parent.resolve()
    spec = validated(plain, base)
    return LoadedSpec(path, base, digest, tuple(overrides), resolved(spec, base), plain.positions)


def read_overridden(path: Path, overrides: Sequence[str]) -> tuple[Plain, str]:
    """What the file and the overrides say together, not validated; and the SHA-256 of the file's bytes.

    Raises:
        SpecError: nothing can be made of the file.
    """
    try:
        data = read_spec_bytes(path)
        plain = _read(decode(data, str(path)), str(path))
    except MistakeFound as found:
        raise spec_error([found.mistake]) from None
    for number, one in enumerate(overrides):
        override(plain, one, number)
    return plain, hashlib.sha256(data).hexdigest()


def _read(text: str, origin: str) -> Plain:
    plain = read_plain(text, lambda line, column: Place(0, line, column, origin))
    if isinstance(plain.data, dict | Broken):
        return plain
    if plain.data is None:
        what = "holds only comments" if text.strip() else "is empty"
        reason = f"{what}; a spec needs a name and a source: `ragctl init` writes one to begin with"
    else:
        what = "a list" if isinstance(plain.data, tuple) else "a single value"
        reason = f"must be a mapping with keys such as 'name:' and 'sources:', not {what}"
    raise MistakeFound(Mistake(plain.positions.value(()), (), reason))


def validated(plain: Plain, base: Path) -> Spec:
    """The spec, if there is no mistake of any kind. Names that follow from others are not filled in.

    Raises:
        SpecError: with all of them.
    """
    mistakes = [*plain.mistakes, *name_mistakes(plain.data, base, plain.positions)]
    mistakes += _without_sources(plain)
    spec, found = _validate(plain.data, plain.positions)
    if found:
        # A rule between two sections is only checked when all sections are sound, so those
        # with a mistake are taken out and the others looked at once more.
        unsound = {mistake.path[0] for mistake in found if mistake.path}
        found += _validate(_without(plain.data, unsound), plain.positions)[1]
    broken = _broken_paths(plain.data, ())
    mistakes += [mistake for mistake in found if not _is_under(mistake.path, broken)]
    if mistakes or spec is None:
        raise spec_error(mistakes)
    return spec


def _without_sources(plain: Plain) -> list[Mistake]:
    """About a spec without the key `sources`, which all need that ask documents."""
    data = plain.data if isinstance(plain.data, dict) else {}
    ask = data.get("ask")
    asks_database = isinstance(ask, dict) and ask.get("type") == "sql"
    if "sources" in data or asks_database:
        return []
    example = Spec.model_fields["sources"].examples or [""]
    text = f"is missing; for example `sources: {example[0]}`"
    return [Mistake(plain.positions.value(()), ("sources",), text)]


def _validate(data: Value, positions: Positions) -> tuple[Spec | None, list[Mistake]]:
    try:
        return Spec.model_validate(data), []
    except ValidationError as error:
        return None, mistakes_of(error, positions)


def _without(data: Value, unsound: set[str | int]) -> dict[str, Value]:
    sound = (
        {key: value for key, value in data.items() if key not in unsound} if isinstance(data, dict) else {}
    )
    return {"name": "x", **sound}


def _broken_paths(data: Value, path: KeyPath) -> set[KeyPath]:
    if isinstance(data, Broken):
        return {path}
    parts: dict[str, Value] | dict[int, Value] = {}
    if isinstance(data, dict):
        parts = data
    elif isinstance(data, tuple):
        parts = dict(enumerate(data))
    return {broken for part, value in parts.items() for broken in _broken_paths(value, (*path, part))}


def _is_under(path: KeyPath, broken: set[KeyPath]) -> bool:
    return any(path[:length] in broken for length in range(len(path) + 1))
