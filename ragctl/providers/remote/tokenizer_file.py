"""Counts by a tokenizer.json: for servers with a model of their own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ragctl.errors import UsageError
from ragctl.providers.local.checked_files import CheckedFiles
from ragctl.providers.local.description import TOKENIZER, Stamp
from ragctl.providers.local.places import HubName, find_place
from ragctl.providers.local.tokenizer import LocalTokenizer

_LOWER_CASE = "sentence_bert_config.json"


@dataclass(frozen=True, slots=True)
class _Described:
    name: str
    sha256: Mapping[str, str]
    lower_case: bool
    passage_prefix: str
    repair_hint: str = "name a tokenizer.json that is not written to while ragctl runs"


@dataclass(frozen=True)
class _File(CheckedFiles):
    place: Path
    described: _Described

    @property
    def model(self) -> _Described:
        return self.described

    @property
    def folder(self) -> Path:
        return self.place

    @property
    def root(self) -> None:
        return None

    @property
    def stamps(self) -> Mapping[str, Stamp]:
        return {}


class FileTokenizer(LocalTokenizer):
    """The tokenizer of a model that a server has; it counts as that model does.

    Args:
        tokenizer: a `tokenizer.json`, a folder or an installed package that holds one.
        base: the directory that a path is relative to.
        prefix: what stands before every passage.

    Raises:
        UsageError: there is no such file.
    """

    exact = True

    def __init__(self, tokenizer: Path | str, *, base: Path | None = None, prefix: str = "") -> None:
        folder = _folder(str(tokenizer), base or Path())
        self._digest = _digest(folder / TOKENIZER)
        described = _Described(str(tokenizer), {TOKENIZER: self._digest}, _lower_case(folder), prefix)
        super().__init__(_File(folder, described))

    @cached_property
    def name(self) -> str:
        """SHA-256 of the file, so that the lock notices another one."""
        return f"sha256:{self._digest}"


def _folder(named: str, base: Path) -> Path:
    if named.endswith(".json"):
        path = base / named
        if path.name != TOKENIZER:
            raise UsageError(f"{named!r} must be named {TOKENIZER}", where="tokenizer")
        return path.parent
    place = find_place(named, base)
    if place is None or isinstance(place, HubName):
        raise UsageError(
            f"there is no tokenizer {named!r} here",
            where="tokenizer",
            hint=f"name a {TOKENIZER}, a folder or an installed package that holds one",
        )
    return place.folder


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(
            f"the tokenizer cannot be read: {error.strerror or error}", where=str(path)
        ) from error


def _lower_case(folder: Path) -> bool:
    """As sentence-transformers reads it: lower-cased before the tokenizer's own normalisation."""
    path = folder / _LOWER_CASE
    if not path.is_file():
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
    return isinstance(content, dict) and content.get("do_lower_case") is True
