"""What of a model's `config.json` its graph depends on, for the families of encoders that ragctl builds.

BERT (Devlin et al. 2019, https://arxiv.org/abs/1810.04805), RoBERTa (Liu et al. 2019,
https://arxiv.org/abs/1907.11692), whose graph XLM-R and CamemBERT share, and DistilBERT (Sanh et al. 2019,
https://arxiv.org/abs/1910.01108). Defaults are those of the configuration classes of transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ragctl.errors import UsageError

Family = Literal["bert", "roberta", "distilbert"]

_FAMILIES: dict[str, Family] = {
    "bert": "bert",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
    "camembert": "roberta",
    "distilbert": "distilbert",
}
"""`model_type` in `config.json` → the graph."""

ACTIVATIONS = {
    "gelu": "erf",
    "gelu_python": "erf",
    "gelu_new": "tanh",
    "gelu_pytorch_tanh": "tanh",
    "gelu_python_tanh": "tanh",
    "relu": "",
}
"""Activation → how GELU is computed; empty for what is no GELU."""

_SUPPORTED = (
    f"the local provider runs models of type {', '.join(sorted(_FAMILIES))}, with absolute positions and the "
    f"activation {', '.join(sorted(ACTIVATIONS))}"
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """An encoder's family and sizes.

    Attributes:
        model_type: as `config.json` calls it.
        layers, heads, hidden: how many layers, attention heads in each, numbers in a token's state.
        activation: a key of `ACTIVATIONS`.
        epsilon: of layer normalisation.
        positions: rows of the table of positions.
        padding: id of the padding token where positions are counted from it (RoBERTa), else None.
        segments: rows of the table of segments; 0 where the family has none.
        labels: numbers that a classification head gives; transformers' default is 2.
        classifies: it was saved with a classification head.
    """

    family: Family
    model_type: str
    layers: int
    heads: int
    hidden: int
    activation: str
    epsilon: float
    positions: int
    padding: int | None
    segments: int
    labels: int
    classifies: bool

    @property
    def max_tokens(self) -> int:
        """The longest input that has a position for each token, special tokens included.

        RoBERTa counts positions from the one after the padding token's.
        """
        return self.positions - (0 if self.padding is None else self.padding + 1)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Architecture:
        """
        Raises:
            UsageError: the model is not one that can be built, or the configuration makes no sense.
        """
        kind = config.get("model_type")
        _refuse_others(config)
        try:
            family = _FAMILIES[str(kind)]
            made = _OF_FAMILY[family](config)
        except (KeyError, TypeError, ValueError) as error:
            raise _refused(f"a model of type {kind!r} whose config.json has no sound {error}") from error
        if made.layers < 1 or made.heads < 1 or made.hidden % made.heads or made.max_tokens < 1:
            raise _refused("a model whose config.json has sizes that do not fit one another")
        return made


def _refuse_others(config: Mapping[str, Any]) -> None:
    kind, positions = config.get("model_type"), config.get("position_embedding_type") or "absolute"
    activation = config.get("activation" if kind == "distilbert" else "hidden_act", "gelu")
    if kind not in _FAMILIES:
        raise _refused(f"a model of type {kind!r}")
    if positions != "absolute":
        raise _refused(f"a model of type {kind!r} with {positions!r} positions")
    if activation not in ACTIVATIONS:
        raise _refused(f"a model with the activation {activation!r}")
    if config.get("is_decoder") or config.get("add_cross_attention"):
        raise _refused("a decoder")
    if "auto_map" in config:
        raise _refused("a model that brings code of its own")


def _refused(what: str) -> UsageError:
    return UsageError(f"cannot run {what}", hint=_SUPPORTED)


def _bert(config: Mapping[str, Any]) -> Architecture:
    family = _FAMILIES[config["model_type"]]
    return Architecture(
        family=family,
        layers=int(config["num_hidden_layers"]),
        heads=int(config["num_attention_heads"]),
        hidden=int(config["hidden_size"]),
        activation=str(config.get("hidden_act", "gelu")),
        epsilon=float(config.get("layer_norm_eps", 1e-12)),
        padding=int(config.get("pad_token_id", 1)) if family == "roberta" else None,
        segments=int(config.get("type_vocab_size", 2)),
        **_common(config),
    )


def _distilbert(config: Mapping[str, Any]) -> Architecture:
    return Architecture(
        family="distilbert",
        layers=int(config["n_layers"]),
        heads=int(config["n_heads"]),
        hidden=int(config["dim"]),
        activation=str(config.get("activation", "gelu")),
        epsilon=1e-12,  # fixed in transformers' DistilBERT
        padding=None,
        segments=0,
        **_common(config),
    )


def _common(config: Mapping[str, Any]) -> dict[str, Any]:
    labels = config.get("id2label")
    architectures = config.get("architectures") or ()
    return {
        "model_type": str(config["model_type"]),
        "positions": int(config.get("max_position_embeddings", 512)),
        "labels": len(labels) if labels else int(config.get("num_labels", 2)),
        "classifies": any(str(one).endswith("ForSequenceClassification") for one in architectures),
    }


_OF_FAMILY: dict[Family, Callable[[Mapping[str, Any]], Architecture]] = {
    "bert": _bert,
    "roberta": _bert,
    "distilbert": _distilbert,
}
