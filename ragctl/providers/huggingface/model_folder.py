"""What a model's folder says without loading it: its modules, weights and reading limit.

Any family that transformers knows is described; whether it can be loaded is known when it is. What would run
code of the model's own, or load a pickle, is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ragctl.errors import UsageError
from ragctl.providers.local.description import CONFIG, TOKENIZER, WEIGHTS
from ragctl.providers.local.json_files import read_json, read_object
from ragctl.providers.local.modules import MODULES
from ragctl.providers.local.places import Place

SHARDS = f"{WEIGHTS}.index.json"
"""Lists the files of weights that are in several."""


_KINDS = ("Transformer", "Pooling", "Dense", "LayerNorm", "Normalize", "Dropout")
"""Modules of sentence-transformers that read no text of their own, after the Transformer that does."""

_POSITIONS_FROM_PADDING = frozenset(
    "camembert data2vec-text esm ibert longformer mpnet roberta roberta-prelayernorm xlm-roberta "
    "xlm-roberta-xl xmod".split()
)
"""`model_type`s that count positions from the one after the padding token's."""

_DECLARE = 'write {"max_seq_length": NUMBER} into sentence_bert_config.json in the model\'s folder'


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model as its folder describes it.

    Attributes:
        place: where it is and what it is called.
        encoder: folder of the Transformer's files; mostly the model's own.
        modules: kind and path of each; empty for a model as transformers saves it.
        config: all of `config.json`.
        weights: the encoder's files of weights, by name in its folder.
        max_tokens: the longest input read whole, special tokens included.
        lower_case: texts are lower-cased before the tokenizer's own normalisation.
    """

    place: Place
    encoder: Path
    modules: tuple[tuple[str, str], ...]
    config: Mapping[str, Any]
    weights: tuple[str, ...]
    max_tokens: int
    lower_case: bool

    @property
    def model_type(self) -> str:
        return str(self.config.get("model_type"))


def read_model_folder(place: Place) -> ModelFolder:
    """
    Raises:
        UsageError: a file is missing or makes no sense, or the model is one that ragctl does not load.
    """
    modules, encoder = _modules(place.folder), encoder_folder(place.folder)
    config = read_object(encoder / CONFIG)
    _refuse_adapter(encoder)
    weights = _weights(encoder)
    if not (encoder / TOKENIZER).is_file():
        raise UsageError(
            f"the model has no {TOKENIZER}",
            where=str(encoder),
            hint="transformers writes it: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
        )
    sentence = read_object(sentence_settings(encoder), missing={})
    return ModelFolder(
        place=place,
        encoder=encoder,
        modules=modules,
        config=config,
        weights=weights,
        max_tokens=_limit(encoder, config, sentence),
        lower_case=bool(sentence.get("do_lower_case")),
    )


def encoder_folder(folder: Path) -> Path:
    """Where the Transformer's files are: the model's folder, or one in it.

    Raises:
        UsageError: `modules.json` makes no sense, or names what ragctl does not load.
    """
    modules = _modules(folder)
    return folder / modules[0][1] if modules else folder


def sentence_settings(encoder: Path) -> Path:
    """The Transformer's settings, whose name has changed with the family in early releases."""
    own = encoder / "sentence_bert_config.json"
    return own if own.is_file() else next(iter(sorted(encoder.glob("sentence_*_config.json"))), own)


def _modules(folder: Path) -> tuple[tuple[str, str], ...]:
    listed = read_json(folder / MODULES, missing=None)
    try:
        kinds = tuple((str(one["type"]), str(one["path"])) for one in listed or ())
    except (TypeError, KeyError) as error:
        raise UsageError("modules.json is no list of modules", where=str(folder / MODULES)) from error
    names = [kind.rpartition(".")[2] for kind, _ in kinds]
    for number, (kind, path) in enumerate(kinds):
        if not kind.startswith("sentence_transformers."):
            raise UsageError(
                f"the model brings code of its own (the module {kind}), which ragctl never runs",
                where=str(folder / MODULES),
                hint="choose a model that sentence-transformers loads with trust_remote_code=False",
            )
        if names[number] not in _KINDS or (names[number] == "Transformer") != (number == 0):
            raise UsageError(
                f"cannot run a model whose modules are {', '.join(names)}",
                where=str(folder / MODULES),
                hint=f"a Transformer comes first, and then any of {', '.join(_KINDS[1:])}",
            )
        place = PurePosixPath(path.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in path:
            raise UsageError(f"modules.json names a place outside the model's folder: {path!r}")
    return tuple((name, path) for name, (_, path) in zip(names, kinds, strict=True))


def _refuse_adapter(encoder: Path) -> None:
    if (encoder / "adapter_config.json").is_file():
        raise UsageError(
            "the folder holds an adapter (PEFT) and not a model",
            where=str(encoder),
            hint="merge it into its model: AutoPeftModel.from_pretrained(FOLDER).merge_and_unload()"
            ".save_pretrained(NEW_FOLDER), and save the tokenizer beside it",
        )


def _weights(encoder: Path) -> tuple[str, ...]:
    if (encoder / WEIGHTS).is_file():
        return (WEIGHTS,)
    index = read_object(encoder / SHARDS, missing={})
    names = sorted({str(name) for name in dict(index.get("weight_map") or {}).values()})
    if names and all(name == Path(name).name and (encoder / name).is_file() for name in names):
        return tuple(names)
    if names:
        raise UsageError(f"{SHARDS} names files that are not there", where=str(encoder))
    if any(encoder.glob("*.bin")):
        raise UsageError(
            f"the model has its weights in a pickle and not in {WEIGHTS}; a pickle can run any code when it "
            "is loaded, so ragctl never loads one",
            where=str(encoder),
            hint=f"take a revision with {WEIGHTS}, or, if you trust the file, convert it: "
            "AutoModel.from_pretrained(FOLDER).save_pretrained(FOLDER)",
        )
    raise UsageError(f"the model has no {WEIGHTS}", where=str(encoder))


def _limit(encoder: Path, config: Mapping[str, Any], sentence: Mapping[str, Any]) -> int:
    """What the model declares, within the positions that it has."""
    tokenizer = read_object(encoder / "tokenizer_config.json", missing={})
    limits = [_number(sentence.get("max_seq_length")) or _number(tokenizer.get("model_max_length"))]
    positions = _number(config.get("max_position_embeddings"))
    if positions and config.get("model_type") in _POSITIONS_FROM_PADDING:
        positions -= int(config.get("pad_token_id") or 1) + 1
    known = [limit for limit in (*limits, positions) if limit]
    if not known or min(known) < 1:
        raise UsageError("the model says nowhere how many tokens it reads", where=str(encoder), hint=_DECLARE)
    return min(known)


def _number(given: object) -> int | None:
    """A limit; transformers writes 1e30 for none."""
    sound = isinstance(given, int | float) and not isinstance(given, bool) and 1 <= given < 1e9
    return int(given) if sound and isinstance(given, int | float) else None
