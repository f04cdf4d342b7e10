"""A sentence encoder for torch: what is known of it before it is loaded.

A model that the local provider reads has that provider's identity, limit and prompts: the vectors are equal
within rounding, so a GPU can ingest what a machine without torch is asked. Any other model has an identity of
its own, made of all files that decide its output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from ragctl.errors import UsageError
from ragctl.providers.huggingface.model_folder import (
    ModelFolder,
    read_model_folder,
    sentence_settings,
)
from ragctl.providers.local.checked_files import CheckedFiles
from ragctl.providers.local.description import CONFIG, TOKENIZER, WEIGHTS, Stamp, digests_of, revision_of
from ragctl.providers.local.folder_model import prefix_part
from ragctl.providers.local.json_files import read_object
from ragctl.providers.local.languages import card_languages
from ragctl.providers.local.model_files import KnownModel, find_files, read_files
from ragctl.providers.local.modules import MODULES
from ragctl.providers.local.places import Place
from ragctl.providers.local.prompts import SENTENCE_SETTINGS, Prompts, prompts_of

OUTPUT_VERSION = 1
"""Raised by hand when the same files and the same input give another vector."""

REPAIR = "a file changed while it was in use: run the same command again"

_WIDTHS = ("hidden_size", "d_model", "dim", "n_embd")
"""Names that configurations have for the length of a token's state."""


class Model(Protocol):
    """What is known of a sentence encoder, whichever provider describes it."""

    @property
    def name(self) -> str: ...
    @property
    def identity(self) -> str: ...
    @property
    def provenance(self) -> Mapping[str, str | int | bool]: ...
    @property
    def sha256(self) -> Mapping[str, str]: ...
    @property
    def dimension(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def lower_case(self) -> bool: ...
    @property
    def query_prefix(self) -> str: ...
    @property
    def passage_prefix(self) -> str: ...
    @property
    def repair_hint(self) -> str: ...


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A model that the local provider does not read.

    Attributes:
        sha256: digest (hex) of each file that decides the output, by its name in the folder.
        dimension: length of a vector.
    """

    folder: ModelFolder
    prompts: Prompts
    dimension: int
    sha256: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.folder.place.name

    @property
    def max_tokens(self) -> int:
        return self.folder.max_tokens

    @property
    def lower_case(self) -> bool:
        return self.folder.lower_case

    @property
    def query_prefix(self) -> str:
        return self.prompts.query

    @property
    def passage_prefix(self) -> str:
        return self.prompts.passage

    @property
    def revision(self) -> str:
        return revision_of(self.sha256)

    @property
    def identity(self) -> str:
        """Equal identities give equal vectors within rounding, on whatever device and in whatever format."""
        kind = f"{self.folder.model_type}-{self.dimension}"
        return f"huggingface/{kind}@{self.revision}/unit{prefix_part(*self.prompts)}/v{OUTPUT_VERSION}"

    @property
    def provenance(self) -> dict[str, str | int | bool]:
        modules = [kind for kind, _ in self.folder.modules] or ["Transformer"]
        return {
            "provider": "huggingface",
            "model": self.name,
            "revision": self.revision,
            **self.folder.place.facts,
            "weights_sha256": weights_digest(self.sha256, self.folder.weights),
            "config_sha256": self.sha256[CONFIG],
            "tokenizer_sha256": self.sha256[TOKENIZER],
            "modules": "+".join(modules),
            "query_prefix": self.query_prefix,
            "passage_prefix": self.passage_prefix,
            "output_version": OUTPUT_VERSION,
        }

    @property
    def repair_hint(self) -> str:
        return REPAIR


@dataclass(frozen=True, slots=True)
class SentenceFiles(CheckedFiles):
    """The files of a sentence encoder.

    Attributes:
        folder, root: of the Transformer's files, and of the model as a whole.
        languages: that it reads, as `chunk.language` names them; None if it does not say.
    """

    model: Model
    folder: Path
    root: Path
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    languages: frozenset[str] | None = None


def known_files(model: KnownModel, *, query_prefix: str | None, passage_prefix: str | None) -> SentenceFiles:
    """The files of a model that the local provider knows by name.

    Raises:
        MissingPackage: its package is not installed.
    """
    prefixed = replace(model, query_prefix=query_prefix or "", passage_prefix=passage_prefix or "")
    folder = find_files(prefixed).folder
    return SentenceFiles(prefixed, folder, folder, languages=model.languages)


def read_sentence_files(
    place: Place, *, query_prefix: str | None, passage_prefix: str | None
) -> SentenceFiles:
    """The model in a folder, with its files; all of its weights are read for its identity.

    Raises:
        UsageError: it holds no model, or one that ragctl does not load.
    """
    folder = read_model_folder(place)
    languages = card_languages(place.folder)
    if not read_object(place.folder / SENTENCE_SETTINGS, missing={}).get("truncate_dim"):
        try:
            local = read_files(place, query_prefix=query_prefix, passage_prefix=passage_prefix)
        except UsageError:
            pass  # of a kind that only torch runs; what no provider runs was refused above
        else:
            return SentenceFiles(local.model, local.folder, place.folder, local.stamps, languages)
    prompts = prompts_of(place.folder, query=query_prefix, passage=passage_prefix)
    sha256, stamps = digests_of(_deciding(folder))
    model = OwnModel(folder, prompts, _dimension(folder), sha256)
    return SentenceFiles(model, folder.encoder, place.folder, stamps, languages)


def weights_digest(sha256: Mapping[str, str], weights: tuple[str, ...]) -> str:
    """SHA-256 (hex) of the one file; of several, a digest of theirs."""
    return sha256[weights[0]] if len(weights) == 1 else revision_of({one: sha256[one] for one in weights})


def _deciding(folder: ModelFolder) -> dict[str, Path]:
    """The files that decide the output, by name. Those of modules are called by their place in the folder."""
    found = {name: folder.encoder / name for name in (*folder.weights, CONFIG, TOKENIZER)}
    root = folder.place.folder
    small = {sentence_settings(folder.encoder).name: sentence_settings(folder.encoder)}
    small |= {f"./{MODULES}": root / MODULES}
    for kind, path in folder.modules[1:]:
        small[f"{path}/{CONFIG}"] = root / path / CONFIG
        if kind in ("Dense", "LayerNorm") and not (root / path / WEIGHTS).is_file():
            raise UsageError(f"the module {path} has no {WEIGHTS}", where=str(root / path))
        small[f"{path}/{WEIGHTS}"] = root / path / WEIGHTS
    return {**found, **{name: file for name, file in small.items() if file.is_file()}}


def _dimension(folder: ModelFolder) -> int:
    root = folder.place.folder
    widths = (folder.config.get(name) for name in _WIDTHS)
    found = next((width for width in widths if isinstance(width, int)), 0)
    for kind, path in folder.modules[1:]:
        config = read_object(root / path / CONFIG, missing={})
        if kind == "Pooling":
            width = config.get("embedding_dimension") or config.get("word_embedding_dimension") or found
            found = int(width) * _kinds_of_pooling(config)
        elif kind == "Dense":
            found = int(config.get("out_features") or 0)
    if found < 1:
        raise UsageError("the model does not say how long its vectors are", where=str(root))
    cut = read_object(root / SENTENCE_SETTINGS, missing={}).get("truncate_dim")
    return min(found, int(cut)) if cut else found


def _kinds_of_pooling(config: Mapping[str, object]) -> int:
    """How many vectors are joined; releases of sentence-transformers before the sixth have a key for each."""
    named = config.get("pooling_mode")
    if named is None:
        return sum(1 for key, on in config.items() if key.startswith("pooling_mode_") and on is True) or 1
    return 1 if isinstance(named, str) else len(list(named)) if isinstance(named, list) else 1
