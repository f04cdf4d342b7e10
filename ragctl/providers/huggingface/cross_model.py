"""A cross-encoder for torch: what is known of it before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ragctl.errors import UsageError
from ragctl.providers.huggingface.model_folder import ModelFolder, read_model_folder
from ragctl.providers.huggingface.sentence_model import REPAIR, weights_digest
from ragctl.providers.local.checked_files import CheckedFiles
from ragctl.providers.local.cross_model import CrossModel, read_cross_files
from ragctl.providers.local.description import CONFIG, TOKENIZER, Stamp, digests_of, revision_of
from ragctl.providers.local.places import Place
from ragctl.providers.local.prompts import SENTENCE_SETTINGS

OUTPUT_VERSION = 1
"""Raised by hand when the same files and the same pair give another score."""


@dataclass(frozen=True, slots=True)
class OwnCrossModel:
    """A cross-encoder that the local provider does not read. Attributes as of `OwnModel`."""

    folder: ModelFolder
    sha256: Mapping[str, str]
    passage_prefix: str = ""

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
    def revision(self) -> str:
        return revision_of(self.sha256)

    @property
    def identity(self) -> str:
        """Equal identities give equal scores within rounding. The limit belongs to it: passages are cut."""
        kind = f"cross-{self.folder.model_type}"
        return f"huggingface/{kind}@{self.revision}/{self.max_tokens}/v{OUTPUT_VERSION}"

    @property
    def provenance(self) -> dict[str, str | int | bool]:
        return {
            "provider": "huggingface",
            "model": self.name,
            "revision": self.revision,
            **self.folder.place.facts,
            "weights_sha256": weights_digest(self.sha256, self.folder.weights),
            "config_sha256": self.sha256[CONFIG],
            "tokenizer_sha256": self.sha256[TOKENIZER],
            "max_tokens": self.max_tokens,
            "output_version": OUTPUT_VERSION,
        }

    @property
    def repair_hint(self) -> str:
        return REPAIR


@dataclass(frozen=True, slots=True)
class CrossFiles(CheckedFiles):
    """The files of a cross-encoder, as of `SentenceFiles`."""

    model: CrossModel | OwnCrossModel
    folder: Path
    root: Path
    stamps: Mapping[str, Stamp] = field(default_factory=dict)

    @property
    def provenance(self) -> dict[str, str | int | bool]:
        """What a run records of it."""
        return {**self.model.provenance, "provider": "huggingface"}


def read_scorer_files(place: Place) -> CrossFiles:
    """A cross-encoder as sentence-transformers or transformers save one for sequence classification.

    Raises:
        UsageError: it holds no cross-encoder of a single score, or one that ragctl does not load.
    """
    folder = read_model_folder(place)
    _refuse_others(folder)
    try:
        local = read_cross_files(place)
    except UsageError:
        pass  # of a kind that only torch runs; what no provider runs was refused above
    else:
        return CrossFiles(local.model, local.folder, place.folder, local.stamps)
    files = {name: folder.encoder / name for name in (*folder.weights, CONFIG, TOKENIZER)}
    if (place.folder / SENTENCE_SETTINGS).is_file():  # it may name the activation of scores
        files[f"./{SENTENCE_SETTINGS}"] = place.folder / SENTENCE_SETTINGS
    sha256, stamps = digests_of(files)
    return CrossFiles(OwnCrossModel(folder, sha256), folder.encoder, place.folder, stamps)


def _refuse_others(folder: ModelFolder) -> None:
    name, where = folder.place.name, str(folder.place.folder)
    architectures = [str(one) for one in folder.config.get("architectures") or ()]
    if len(folder.modules) > 1 or not any(one.endswith("ForSequenceClassification") for one in architectures):
        raise UsageError(
            f"{name} is no cross-encoder that can be run: its config.json names no "
            "...ForSequenceClassification, or other modules follow",
            where=where,
            hint="a sentence encoder belongs under `embed`; name a cross-encoder with a classification head",
        )
    labels = folder.config.get("id2label")
    number = len(labels) if labels else int(folder.config.get("num_labels", 2))
    if number != 1:
        raise UsageError(f"{name} gives {number} numbers a pair, and a score is one", where=where)
