"""Loads a model's folder with sentence-transformers: safetensors only, no code of the model's own, no hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ragctl.errors import RagctlError, Unavailable, UsageError
from ragctl.providers.huggingface.devices import dtype_of
from ragctl.providers.huggingface.torch_runtime import import_sentence_transformers, loading_quietly
from ragctl.providers.local.json_files import read_object

_MISSING = re.compile(r"^(\S.*?)\s*\|\s*(?:\x1b\[\d+m)?MISSING", re.MULTILINE)
"""A row of the report that transformers (5) gives of a load."""

_UNUSED = re.compile(r"(^|\.)pooler\.")
"""Weights that many encoders are saved without: vectors are made of the tokens' states, before them."""


class Files(Protocol):
    """The files of a model, see `CheckedFiles`."""

    @property
    def folder(self) -> Path: ...
    @property
    def root(self) -> Path | None: ...
    @property
    def model(self) -> Any: ...
    def verify(self, name: str) -> None: ...


def load_sentence_encoder(files: Files, device: str, precision: str) -> Any:
    """A `SentenceTransformer`, ready to embed.

    Raises:
        MissingPackage: torch or sentence-transformers is not installed.
        UsageError: it cannot be loaded, or weights are missing from its files.
        Unavailable: a file is damaged or has changed.
    """
    return _load(files, "SentenceTransformer", device, precision, needs=lambda key: not _UNUSED.search(key))


def load_cross_encoder(files: Files, device: str, precision: str) -> Any:
    """A `CrossEncoder`, ready to score.

    Raises:
        See `load_sentence_encoder`.
    """
    return _load(files, "CrossEncoder", device, precision, needs=lambda key: True)


def _load(files: Files, kind: str, device: str, precision: str, *, needs: Callable[[str], bool]) -> Any:
    library, name = import_sentence_transformers(), files.model.name
    root = files.root or files.folder
    for weights in files.model.sha256:
        if weights.endswith(".safetensors"):
            files.verify(weights)
    _refuse_unknown_family(name, files.folder)
    with loading_quietly() as report:
        try:
            made = getattr(library, kind)(
                str(root.resolve()),
                device=device,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"dtype": dtype_of(precision), "use_safetensors": True},
            )
        except RagctlError:
            raise
        except Exception as error:  # whatever the files bring the libraries to
            raise _for_people(name, root, error) from error
    missing = [key for text in report.texts for key in _MISSING.findall(text) if needs(key)]
    if missing:
        raise UsageError(
            f"{name} has no weights {missing[0]!r}" + (f", and {len(missing) - 1} more" * (len(missing) > 1)),
            where=str(root),
            hint="the files are not whole, or of another kind of model",
        )
    made.max_seq_length = files.model.max_tokens
    _refuse_too_few_positions(made, files.model.max_tokens, name)
    made.eval()
    return made


def _refuse_too_few_positions(loaded: Any, max_tokens: int, name: str) -> None:
    """A position that is not there would be an error amid a run, and one that a GPU does not survive."""
    for module in loaded.modules():
        rows = getattr(getattr(module, "position_embeddings", None), "num_embeddings", None)
        padding = getattr(module, "padding_idx", None)
        if isinstance(rows, int):
            positions = rows - (padding + 1 if isinstance(padding, int) else 0)
            if positions < max_tokens:
                raise UsageError(
                    f"{name} has {positions} positions, and its files say that it reads {max_tokens} tokens",
                    hint=f'write {{"max_seq_length": {positions}}} into its sentence_bert_config.json',
                )


def _refuse_unknown_family(name: str, folder: Path) -> None:
    """What transformers does not know, it would ask the model's own code for."""
    transformers = import_module("transformers")
    known = import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    config: Mapping[str, Any] = read_object(folder / "config.json")
    kind = config.get("model_type")
    if kind in known:
        return
    if "auto_map" in config:
        raise UsageError(
            f"{name} brings code of its own, which ragctl never runs",
            where=str(folder),
            hint="choose a model that sentence-transformers loads with trust_remote_code=False",
        )
    raise UsageError(
        f"transformers {transformers.__version__} knows no model of type {kind!r}",
        where=str(folder),
        hint="a newer release may: pip install --upgrade transformers",
    )


def _for_people(name: str, root: Path, error: Exception) -> RagctlError:
    said = str(error).strip()
    if isinstance(error, MemoryError) or "out of memory" in said.lower():
        return Unavailable(f"there is not enough memory to load {name}", hint="choose a smaller model")
    lines = [line.strip() for line in said.splitlines() if line.strip()] or [type(error).__name__]
    if "trust_remote_code" in said:
        return UsageError(
            f"{name} brings code of its own, which ragctl never runs",
            where=str(root),
            hint="choose a model that sentence-transformers loads with trust_remote_code=False",
        )
    return UsageError(f"{name} cannot be loaded: {' '.join(lines[:2])}", where=str(root))
