"""A model that a process loads before there is work, for the processes that are forked from it.

A worker that forks a process for each task would otherwise load the same model for each. The files were
verified when they were loaded; if they look different by now, what was loaded is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragctl.providers.local.description import Stamp, stamp_of

if TYPE_CHECKING:
    from ragctl.providers.local.model_files import ModelFiles
    from ragctl.providers.local.numpy_forward import NumpyEncoder
    from ragctl.providers.local.tokenizer import LocalTokenizer


@dataclass(frozen=True, slots=True)
class KeptReady:
    """What is needed to embed a question. `stamps`: what the files looked like before they were loaded."""

    tokenizer: LocalTokenizer
    encoder: NumpyEncoder
    stamps: Mapping[str, Stamp]


_KEPT: dict[str, KeptReady] = {}  # by the model's identity


def keep(files: ModelFiles) -> None:
    """Loads the model, its vectors checked, and keeps it for as long as the process lives.

    Raises:
        UsageError, Unavailable: see `first_questions.load_encoder`.
    """
    from ragctl.providers.local.first_questions import load_encoder
    from ragctl.providers.local.tokenizer import LocalTokenizer

    stamps = _stamps(files)
    tokenizer = LocalTokenizer(files)
    encoder = load_encoder(files, tokenizer)
    if encoder is not None and stamps is not None:
        _KEPT[files.model.identity] = KeptReady(tokenizer, encoder, stamps)


def kept(files: ModelFiles) -> KeptReady | None:
    """What was kept of this model, if its files have not changed since."""
    found = _KEPT.get(files.model.identity)
    return found if found is not None and found.stamps == _stamps(files) else None


def _stamps(files: ModelFiles) -> dict[str, Stamp] | None:
    try:
        return {str(files.path(name)): stamp_of(files.path(name)) for name in files.model.sha256}
    except OSError:
        return None
