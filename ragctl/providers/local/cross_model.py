"""A cross-encoder that its folder describes: its limit, activation and identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ragctl.errors import UsageError
from ragctl.providers.local.checked_files import CheckedFiles
from ragctl.providers.local.description import (
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    Description,
    Stamp,
    describe,
    digests_of,
    revision_of,
)
from ragctl.providers.local.json_files import read_object
from ragctl.providers.local.modules import encoder_folder
from ragctl.providers.local.places import Place

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

OUTPUT_VERSION = 1
"""Raised by hand when the same files and the same pair give another score."""

_ACTIVATIONS = {
    "torch.nn.modules.activation.Sigmoid": "sigmoid",
    "torch.nn.modules.linear.Identity": "identity",
    "torch.nn.modules.activation.Tanh": "tanh",
}


@dataclass(frozen=True, slots=True)
class CrossModel:
    """A cross-encoder as the files of its folder make it.

    Attributes:
        name, facts, sha256, stamps: as of a `FolderModel`.
        activation: what makes a score of a logit: `sigmoid`, `identity` or `tanh`.
    """

    name: str
    facts: Mapping[str, str]
    description: Description
    activation: str
    sha256: Mapping[str, str]
    stamps: Mapping[str, Stamp] = field(repr=False, compare=False)
    passage_prefix: str = ""

    @property
    def max_tokens(self) -> int:
        """The longest pair read, special tokens included."""
        return self.description.max_tokens

    @property
    def lower_case(self) -> bool:
        return self.description.lower_case

    @property
    def revision(self) -> str:
        return revision_of(self.sha256, ["lower_case"] if self.lower_case else [])

    @property
    def identity(self) -> str:
        """Equal identities give equal scores within rounding. The limit belongs to it: passages are cut."""
        kind = self.description.architecture.model_type
        return f"local/cross-{kind}@{self.revision}/{self.activation}/{self.max_tokens}/v{OUTPUT_VERSION}"

    @property
    def provenance(self) -> dict[str, str | int | bool]:
        return {
            "provider": "local",
            "model": self.name,
            "revision": self.revision,
            **self.facts,
            "weights_sha256": self.sha256[WEIGHTS],
            "config_sha256": self.sha256[CONFIG],
            "tokenizer_sha256": self.sha256[TOKENIZER],
            "activation": self.activation,
            "max_tokens": self.max_tokens,
            "output_version": OUTPUT_VERSION,
        }

    @property
    def repair_hint(self) -> str:
        return "a file changed while it was in use: run the same command again"

    def scores(self, logits: Scores) -> Scores:
        """The model's activation of its logits, in float64, where a sigmoid tells large logits apart."""
        import numpy as np

        if self.activation == "sigmoid":
            return np.asarray(1 / (1 + np.exp(-logits)))
        return np.tanh(logits) if self.activation == "tanh" else logits


@dataclass(frozen=True, slots=True)
class CrossFiles(CheckedFiles):
    """The files of a cross-encoder, see `CheckedFiles`."""

    model: CrossModel
    folder: Path
    root: Path | None = None
    stamps: Mapping[str, Stamp] = field(default_factory=dict)


def read_cross_files(place: Place) -> CrossFiles:
    """Reads a folder as sentence-transformers or transformers save a model for sequence classification.

    Raises:
        UsageError: it holds no cross-encoder of a single score, or one that cannot be run.
    """
    description = describe(encoder_folder(place.folder))
    shape = description.architecture
    if not shape.classifies:
        raise UsageError(
            f"{place.name} is no cross-encoder: its config.json names no ...ForSequenceClassification",
            where=str(description.folder),
            hint="a sentence encoder belongs under `embed`; name a cross-encoder here",
        )
    if shape.labels != 1:
        raise UsageError(
            f"{place.name} gives {shape.labels} numbers a pair, and a score is one",
            where=str(description.folder),
        )
    files = {name: description.folder / name for name in (WEIGHTS, CONFIG, TOKENIZER)}
    sha256, stamps = digests_of(files)
    model = CrossModel(
        place.name, place.facts, description, _activation(place.folder, description), sha256, stamps
    )
    return CrossFiles(model, description.folder, place.folder, stamps)


def _activation(folder: Path, description: Description) -> str:
    """What sentence-transformers' CrossEncoder applies to a single logit; a sigmoid if nothing is said.

    Its releases have kept the name in three places. One that is no part of torch it does not follow either.
    """
    own = description.config.get("sentence_transformers")
    said = [
        own.get("activation_fn") if isinstance(own, Mapping) else None,
        description.config.get("sbert_ce_default_activation_function"),
        read_object(folder / "config_sentence_transformers.json", missing={}).get("activation_fn"),
    ]
    named = next((one for one in said if isinstance(one, str) and one.startswith("torch.")), None)
    if named is None:
        return "sigmoid"
    if named not in _ACTIVATIONS:
        raise UsageError(
            f"cannot apply the activation {named!r} to scores",
            where=str(description.folder),
            hint=f"known: {', '.join(_ACTIVATIONS)}",
        )
    return _ACTIVATIONS[named]
