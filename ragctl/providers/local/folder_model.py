"""A sentence encoder that its folder describes: its limit, pooling, prefixes and identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ragctl.errors import UsageError
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
from ragctl.providers.local.modules import Modules, names_of, read_modules
from ragctl.providers.local.places import Place
from ragctl.providers.local.prompts import prompts_of

OUTPUT_VERSION = 1
"""Raised by hand when the same files and the same input give another vector."""


@dataclass(frozen=True, slots=True)
class FolderModel:
    """A model as the files of its folder make it.

    Attributes:
        name: for people and for the lock.
        facts: where it came from.
        sha256: digest (hex) of each file that decides the output, by its name in the folder.
        stamps: what those files looked like when their digests were taken.
        query_prefix, passage_prefix: what stands before every question and every passage.
        reference: None: nobody has made vectors to compare with.
    """

    name: str
    facts: Mapping[str, str]
    description: Description
    modules: Modules
    sha256: Mapping[str, str]
    stamps: Mapping[str, Stamp] = field(repr=False, compare=False)
    query_prefix: str = ""
    passage_prefix: str = ""
    reference: None = None

    @property
    def dimension(self) -> int:
        return self.modules.dimension(self.description.architecture.hidden)

    @property
    def max_tokens(self) -> int:
        return self.description.max_tokens

    @property
    def lower_case(self) -> bool:
        return self.description.lower_case

    @property
    def revision(self) -> str:
        """Digest of the files and of the order of the modules."""
        settings = [*names_of(self.modules.steps), *(["lower_case"] if self.lower_case else [])]
        return revision_of(self.sha256, settings)

    @property
    def identity(self) -> str:
        """Equal identities give equal vectors within rounding, whatever the folder and its name."""
        kind = f"{self.description.architecture.model_type}-{self.dimension}"
        pooling = "+".join(self.modules.pooling)
        prefixes = prefix_part(self.query_prefix, self.passage_prefix)
        return f"local/{kind}@{self.revision}/{pooling}/unit{prefixes}/v{OUTPUT_VERSION}"

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
            "pooling": "+".join(self.modules.pooling),
            "normalise": self.modules.normalises,
            "query_prefix": self.query_prefix,
            "passage_prefix": self.passage_prefix,
            "output_version": OUTPUT_VERSION,
        }

    @property
    def repair_hint(self) -> str:
        return "a file changed while it was in use: run the same command again"


def prefix_part(query: str, passage: str) -> str:
    """What prefixes add to an identity: nothing where there are none."""
    if not (query or passage):
        return ""
    text = json.dumps([query, passage], ensure_ascii=True)
    return f"/prefix-{hashlib.sha256(text.encode('ascii')).hexdigest()[:8]}"


def read_model(place: Place, *, query_prefix: str | None, passage_prefix: str | None) -> FolderModel:
    """Reads a folder in the layout of sentence-transformers or of transformers, all of its weights too.

    Args:
        query_prefix, passage_prefix: instead of the model's own prompts; None: those.

    Raises:
        UsageError: it holds no sentence encoder, or one that cannot be run.
    """
    modules = read_modules(place.folder)
    description = describe(place.folder / modules.encoder)
    prompts = prompts_of(place.folder, query=query_prefix, passage=passage_prefix)
    sha256, stamps = digests_of(files_of(place.folder, description, modules))
    model = FolderModel(
        name=place.name,
        facts=place.facts,
        description=description,
        modules=modules,
        sha256=sha256,
        stamps=stamps,
        query_prefix=prompts.query,
        passage_prefix=prompts.passage,
    )
    if not modules.whole_prompt and (model.query_prefix or model.passage_prefix):
        raise UsageError(
            "cannot run a model that leaves its prompt out of pooling (include_prompt: false)",
            where=str(place.folder),
        )
    return model


def files_of(folder: Path, description: Description, modules: Modules) -> dict[str, Path]:
    """The files that decide the output, by name. Those of modules are called by their place in the folder."""
    found = {name: description.folder / name for name in (WEIGHTS, CONFIG, TOKENIZER)}
    for step in modules.dense:
        name = f"{step.folder}/{WEIGHTS}"
        if not (folder / name).is_file():
            raise UsageError(f"the module {step.folder} has no {WEIGHTS}", where=str(folder / step.folder))
        found[name] = folder / name
    return found
