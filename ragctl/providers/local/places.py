"""Where a model's files are: in a folder, in an installed package, or on the hub."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from ragctl.errors import UsageError

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FOLDER = re.compile(r"\.{0,2}[/\\]|[A-Za-z]:|.*[/\\]$|.*\\|[^/]*/[^/]*/")

WAYS = (
    "a model is named all-MiniLM-L6-v2, or by its folder (./NAME, relative to the spec), by an installed "
    "Python package that holds such a folder, or as ORGANISATION/NAME on the Hugging Face hub"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with a model's files.

    Attributes:
        name: how people and the lock call the model; no place of this machine.
        facts: what the lock may say of where it came from: a package's version, a hub's commit.
    """

    name: str
    folder: Path
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HubName:
    """A model that is to be fetched from the hub, see `hub.py`. `revision`: commit, tag or branch."""

    name: str
    revision: str | None = None


def find_place(model: str, base: Path, revision: str | None = None) -> Place | HubName | None:
    """What `model` names, by looking at disk and at what is installed; nothing is imported or fetched.

    None if it names nothing.

    A folder that is there comes before a package, a package before the hub.

    Args:
        base: the directory that a folder is relative to.
        revision: of a model on the hub.

    Raises:
        UsageError: a folder is not there, a package holds several models, or a revision is given for what
            has none.
    """
    place = _folder(model, base) or _package(model)
    if place is None and _HUB_NAME.fullmatch(model):
        return HubName(model, revision)
    if place is not None and revision is not None:
        raise UsageError(
            f"{model!r} is {place.folder.name!r} on this machine: only models on the hub have a revision"
        )
    return place


def fetched(place: Place | HubName) -> Place:
    """The folder itself; what is on the hub is fetched.

    Raises:
        See `hub.fetch`.
    """
    if isinstance(place, Place):
        return place
    from ragctl.providers.local.hub import fetch

    return fetch(place)


def _folder(model: str, base: Path) -> Place | None:
    try:
        folder = base / model
        if folder.is_dir():
            named = Path(model)
            return Place(folder.resolve().name if named.is_absolute() else named.as_posix(), folder)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot look for a model at {model!r}: {error}", hint=WAYS) from error
    if _FOLDER.match(model):
        raise UsageError(f"there is no folder {model!r}", where=str(base), hint=WAYS)
    return None


def _package(name: str) -> Place | None:
    """The folder with a model in an installed package, by the name of its distribution or its module."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        return None
    folders, facts = _of_distribution(name)
    if not folders:
        folders = _of_module(name.replace("-", "_"))
    if not folders:
        return None
    if len(folders) > 1:
        found = ", ".join(sorted(folder.name for folder in folders))
        raise UsageError(f"the package {name!r} holds several models: {found}", hint="name one by its folder")
    return Place(name, folders[0], facts)


def _of_distribution(name: str) -> tuple[list[Path], dict[str, str]]:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return [], {}
    configs = [file for file in found.files or () if file.name == "config.json"]
    folders = [Path(str(file.locate())).parent for file in configs]
    return _with_models(folders), {"package_version": found.version}


def _of_module(name: str) -> list[Path]:
    if not name.isidentifier():
        return []
    spec = importlib.util.find_spec(name)
    roots = [Path(one) for one in (spec.submodule_search_locations or ())] if spec else []
    inner = [
        folder for root in roots if root.is_dir() for folder in sorted(root.iterdir()) if folder.is_dir()
    ]
    return _with_models([*roots, *inner])


def _with_models(folders: list[Path]) -> list[Path]:
    """Those that hold a whole model, and not just a module's settings."""
    return [
        folder
        for folder in dict.fromkeys(folders)
        if (folder / "config.json").is_file()
        and ((folder / "tokenizer.json").is_file() or (folder / "modules.json").is_file())
    ]
