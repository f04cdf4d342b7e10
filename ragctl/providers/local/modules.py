"""The modules of a sentence encoder in the layout of sentence-transformers: what comes after the encoder.

`modules.json` lists them. A folder without it is a bare encoder of transformers, which sentence-transformers
completes by the mean over the tokens; so does ragctl.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from ragctl.errors import UsageError
from ragctl.providers.local.json_files import read_json, read_object

MODULES = "modules.json"

POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens")
"""Kinds of pooling that can be built, in the order in which sentence-transformers joins them."""

_OLD_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""As releases of sentence-transformers before the sixth write them: one key a kind, true or false."""

_DENSE_ACTIVATIONS = {
    "torch.nn.modules.activation.Tanh": "Tanh",
    "torch.nn.modules.linear.Identity": "Identity",
    "torch.nn.modules.activation.ReLU": "ReLU",
}

_SUPPORTED = (
    "the local provider builds the modules Transformer, Pooling "
    f"({', '.join(POOLINGS)}), Dense ({', '.join(_DENSE_ACTIVATIONS.values())}) and Normalize"
)


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer after pooling; its weights are in `folder`, relative to the model's."""

    folder: str
    inner: int
    outer: int
    activation: str


@dataclass(frozen=True, slots=True)
class Modules:
    """What follows the encoder.

    Attributes:
        encoder: folder of the encoder's files, relative to the model's; mostly "".
        pooling: kinds whose vectors are joined; mostly one.
        steps: after pooling, in order.
        whole_prompt: the prompt's tokens take part in pooling.
    """

    encoder: str = ""
    pooling: tuple[str, ...] = ("mean",)
    steps: tuple[Dense | Literal["normalize"], ...] = ()
    whole_prompt: bool = True

    @property
    def normalises(self) -> bool:
        """The model itself ends in vectors of unit length."""
        return bool(self.steps) and self.steps[-1] == "normalize"

    @property
    def dense(self) -> list[Dense]:
        return [step for step in self.steps if isinstance(step, Dense)]

    def dimension(self, hidden: int) -> int:
        """Length of a vector, where an encoder's states have `hidden` numbers."""
        return self.dense[-1].outer if self.dense else hidden * len(self.pooling)


def read_modules(folder: Path) -> Modules:
    """
    Raises:
        UsageError: a module is of a kind that is not built here, or their files make no sense.
    """
    kinds = _listed(folder)
    if not kinds:
        return Modules()
    if [kind for kind, _ in kinds[:2]] != ["Transformer", "Pooling"]:
        raise _refused(f"a model whose modules are {', '.join(kind for kind, _ in kinds)}")
    pooling, whole_prompt = _pooling(folder / kinds[1][1] / "config.json")
    steps: list[Dense | Literal["normalize"]] = []
    for kind, path in kinds[2:]:
        if kind == "Dense":
            steps.append(_dense(folder, path))
        elif kind == "Normalize":
            steps.append("normalize")
        elif kind != "Dropout":  # which does nothing but while a model is trained
            raise _refused(f"a model with a module {kind}")
    return Modules(kinds[0][1], pooling, tuple(steps), whole_prompt)


def encoder_folder(folder: Path) -> Path:
    """Where the files of a cross-encoder's one module are.

    Raises:
        UsageError: it has other modules too.
    """
    kinds = _listed(folder)
    if not kinds:
        return folder
    if [kind for kind, _ in kinds] != ["Transformer"]:
        named = ", ".join(kind for kind, _ in kinds)
        raise UsageError(
            f"the model is no cross-encoder that can be run: its modules are {named}",
            where=str(folder),
            hint="one is a Transformer with a classification head and nothing else; a sentence encoder "
            "belongs under `embed`",
        )
    return folder / kinds[0][1]


def _listed(folder: Path) -> list[tuple[str, str]]:
    """(kind, path) of each module; none if there is no list."""
    listed = read_json(folder / MODULES, missing=None)
    try:
        return [(str(one["type"]).rpartition(".")[2], _inside(str(one["path"]))) for one in listed or ()]
    except (TypeError, KeyError) as error:
        raise UsageError("modules.json is no list of modules", where=str(folder / MODULES)) from error


def _inside(path: str) -> str:
    """A relative path that does not lead out of the folder."""
    parts = PurePosixPath(path.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in path:
        raise UsageError(f"modules.json names a place outside the model's folder: {path!r}")
    return path


def _pooling(file: Path) -> tuple[tuple[str, ...], bool]:
    config = read_object(file, missing={})
    given = config.get("pooling_mode")
    if given is None:
        given = [kind for key, kind in _OLD_POOLINGS.items() if config.get(key)] or ["mean"]
    kinds = (given,) if isinstance(given, str) else tuple(given)
    unknown = [kind for kind in kinds if kind not in POOLINGS]
    if unknown or not kinds:
        raise _refused(f"a model with the pooling {', '.join(map(str, unknown)) or 'none'}")
    return kinds, bool(config.get("include_prompt", True))


def _dense(folder: Path, path: str) -> Dense:
    file = folder / path / "config.json"
    config = read_object(file, missing={})
    activation = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    moved = [config.get(key, "sentence_embedding") for key in ("module_input_name", "module_output_name")]
    if activation not in _DENSE_ACTIVATIONS:
        raise _refused(f"a model with the activation {activation!r} in {path}")
    if config.get("use_residual") or any(one not in ("sentence_embedding", None) for one in moved):
        raise _refused(f"a model with such a module as {path}")
    try:
        sizes = int(config["in_features"]), int(config["out_features"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"it has no sound {error}", where=str(file)) from error
    return Dense(path, *sizes, _DENSE_ACTIVATIONS[activation])


def _refused(what: str) -> UsageError:
    return UsageError(f"cannot run {what}", hint=_SUPPORTED)


def names_of(steps: Sequence[Dense | str]) -> list[str]:
    """Steps as texts, for a model's identity."""
    return [step if isinstance(step, str) else f"{step.folder}:{step.activation}" for step in steps]
