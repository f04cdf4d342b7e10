"""What a model's folder says of the encoder in it, whether it is made for vectors or for scores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragctl.errors import UsageError
from ragctl.providers.local.architecture import Architecture
from ragctl.providers.local.json_files import read_json, read_object

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"

_SENTENCE_CONFIGS = tuple(
    f"sentence_{kind}_config.json" for kind in ("bert", "roberta", "distilbert", "camembert", "xlm-roberta")
)
"""Names that sentence-transformers has used for the same file."""

_READ_BYTES = 1 << 20

Stamp = tuple[int, int, int, int]
"""Size, times of modification and of change, inode: equal means that a file is the one that was read."""


@dataclass(frozen=True, slots=True)
class Description:
    """An encoder as its folder describes it.

    Attributes:
        max_tokens: the longest input read whole, special tokens included: what the model declares
            (`max_seq_length`, else the tokenizer's `model_max_length`), within its positions.
        lower_case: texts are lower-cased before the tokenizer's own normalisation.
        segments: pairs are told apart by segments.
        config: all of `config.json`.
    """

    folder: Path
    architecture: Architecture
    max_tokens: int
    lower_case: bool
    segments: bool
    config: Mapping[str, Any]


def describe(folder: Path) -> Description:
    """
    Args:
        folder: with `config.json`, `tokenizer.json` and `model.safetensors`.

    Raises:
        UsageError: a file is missing or makes no sense, or the model is not one that can be run.
    """
    config = read_object(folder / CONFIG)
    architecture = Architecture.from_config(config)
    _refuse_incomplete(folder)
    named = (read_json(folder / name, missing=None) for name in _SENTENCE_CONFIGS)
    sentence = next((found for found in named if isinstance(found, dict)), {})
    tokenizer = read_object(folder / "tokenizer_config.json", missing={})
    declared = sentence.get("max_seq_length") or tokenizer.get("model_max_length")
    limit = architecture.max_tokens
    if isinstance(declared, int | float) and 1 <= declared < limit:
        limit = int(declared)
    inputs = tokenizer.get("model_input_names")
    return Description(
        folder=folder,
        architecture=architecture,
        max_tokens=limit,
        lower_case=bool(sentence.get("do_lower_case")),
        segments=architecture.segments > 1 and (not inputs or "token_type_ids" in inputs),
        config=config,
    )


def _refuse_incomplete(folder: Path) -> None:
    if not (folder / WEIGHTS).is_file():
        raise _no_weights(folder)
    if not (folder / TOKENIZER).is_file():
        raise UsageError(
            f"the model has no {TOKENIZER}",
            where=str(folder),
            hint="transformers writes it: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
        )


def _no_weights(folder: Path) -> UsageError:
    convert = "transformers writes it: AutoModel.from_pretrained(FOLDER).save_pretrained(FOLDER)"
    if any(folder.glob("*.bin")):
        return UsageError(
            f"the model has its weights in a pickle and not in {WEIGHTS}; a pickle can run any code when it "
            "is loaded, so ragctl never loads one",
            where=str(folder),
            hint=f"take a revision with {WEIGHTS}, or, if you trust the file, convert it: {convert}",
        )
    if (folder / f"{WEIGHTS}.index.json").is_file():
        return UsageError(
            f"the model's weights are in several files, and ragctl reads one, {WEIGHTS}",
            where=str(folder),
            hint=f"{convert[:-1]}, max_shard_size='100GB')",
        )
    return UsageError(f"the model has no {WEIGHTS}", where=str(folder))


def stamp_of(file: Path) -> Stamp:
    """
    Raises:
        OSError: it cannot be looked at.
    """
    found = file.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def sha256_of(file: Path) -> str:
    """SHA-256 (hex) of a file, read in blocks.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def digests_of(files: Mapping[str, Path]) -> tuple[dict[str, str], dict[str, Stamp]]:
    """SHA-256 (hex) of each file, by name, and what it looked like before it was read.

    Raises:
        UsageError: one cannot be read.
    """
    digests, stamps = {}, {}
    for name, file in files.items():
        try:
            stamps[name] = stamp_of(file)
            digests[name] = sha256_of(file)
        except OSError as error:
            raise UsageError(f"it cannot be read: {error.strerror or error}", where=str(file)) from error
    return digests, stamps


def revision_of(sha256: Mapping[str, str], settings: Iterable[str] = ()) -> str:
    """Digest of the files' digests and of settings that decide the output, 16 hexadecimal digits."""
    parts = [f"{name}:{digest};" for name, digest in sorted(sha256.items())]
    return hashlib.sha256("".join([*parts, *(f"{one}\n" for one in settings)]).encode("utf-8")).hexdigest()[
        :16
    ]
