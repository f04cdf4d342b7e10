"""The encoder as an OpenVINO graph, built from `config.json` and `model.safetensors`.

Inputs: `ids`, int32 (batch, tokens), padded with anything; `lengths`, int32 (batch,), the number of
tokens that count in each row. Output: float32 (batch, hidden), the mean of the last layer over those
tokens, of unit length. The mask is made of the lengths and not of a padding id, because a text may
hold the padding token as words.

The architecture is BERT (Devlin et al. 2019, https://arxiv.org/abs/1810.04805): layer norm after each
residual sum, learned absolute positions. Layers, heads, sizes, activation and epsilon come from the
configuration. Import this module only where OpenVINO is loaded, see `compiled.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset16 as ops

from ragctl.errors import UsageError

Weights = Mapping[str, NDArray[Any]]

_GELU = {"gelu": "erf", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """What of a model's configuration the graph depends on."""

    layers: int
    heads: int
    hidden: int
    activation: str
    epsilon: float

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> EncoderShape:
        """
        Raises:
            UsageError: the architecture is not one that `build_graph` makes.
        """
        kind = config.get("model_type"), config.get("position_embedding_type", "absolute")
        if kind != ("bert", "absolute"):
            raise UsageError(f"cannot run a model of type {kind[0]!r} with {kind[1]!r} positions")
        if config["hidden_act"] not in _GELU:
            raise UsageError(f"cannot run a model with the activation {config['hidden_act']!r}")
        return cls(
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            hidden=int(config["hidden_size"]),
            activation=str(config["hidden_act"]),
            epsilon=float(config["layer_norm_eps"]),
        )


def build_graph(shape: EncoderShape, weights: Weights) -> ov.Model:
    """The graph described above; it refers to the arrays of `weights`, without copies."""
    ids = ops.parameter([-1, -1], np.int32, name="ids")
    lengths = ops.parameter([-1], np.int32, name="lengths")
    part = _Parts(shape, weights)

    positions = ops.range(_int(0), _tokens_in(ids), _int(1), "i32")
    counts = ops.less(ops.unsqueeze(positions, _int(0)), ops.unsqueeze(lengths, _int(1)))
    state = part.embeddings(ids, positions)
    visible = ops.unsqueeze(counts, _ints(1, 2))
    for layer in range(shape.layers):
        state = part.layer(state, visible, f"encoder.layer.{layer}")
    return ov.Model([_pooled(state, counts, lengths)], [ids, lengths], "encoder")


class _Parts:
    """The blocks that a BERT encoder is made of."""

    def __init__(self, shape: EncoderShape, weights: Weights) -> None:
        self._shape = shape
        self._weights = weights

    def embeddings(self, ids: Any, positions: Any) -> Any:
        words = ops.gather(self._weight("embeddings.word_embeddings.weight"), ids, _int(0))
        places = ops.gather(self._weight("embeddings.position_embeddings.weight"), positions, _int(0))
        first_segment = self._weights["embeddings.token_type_embeddings.weight"][0]
        total = ops.add(ops.add(words, ops.constant(first_segment)), places)
        return self._norm(total, "embeddings.LayerNorm")

    def layer(self, state: Any, visible: Any, name: str) -> Any:
        attended = self._linear(self._attention(state, visible, name), f"{name}.attention.output.dense")
        state = self._norm(ops.add(attended, state), f"{name}.attention.output.LayerNorm")
        inner = self._linear(state, f"{name}.intermediate.dense")
        inner = ops.gelu(inner, _GELU[self._shape.activation])
        outer = self._linear(inner, f"{name}.output.dense")
        return self._norm(ops.add(outer, state), f"{name}.output.LayerNorm")

    def _attention(self, state: Any, visible: Any, name: str) -> Any:
        query, key, value = (
            self._by_head(self._linear(state, f"{name}.attention.self.{which}"))
            for which in ("query", "key", "value")
        )
        mixed = ops.scaled_dot_product_attention(query, key, value, visible)
        together = ops.transpose(mixed, _ints(0, 2, 1, 3))
        return ops.reshape(together, _ints(0, 0, self._shape.hidden), special_zero=True)

    def _by_head(self, state: Any) -> Any:
        """(batch, tokens, hidden) to (batch, heads, tokens, hidden / heads)."""
        heads = self._shape.heads
        apart = ops.reshape(state, _ints(0, 0, heads, self._shape.hidden // heads), special_zero=True)
        return ops.transpose(apart, _ints(0, 2, 1, 3))

    def _linear(self, state: Any, name: str) -> Any:
        product = ops.matmul(state, self._weight(f"{name}.weight"), transpose_a=False, transpose_b=True)
        return ops.add(product, self._weight(f"{name}.bias"))

    def _norm(self, state: Any, name: str) -> Any:
        scaled = ops.mvn(
            state,
            _ints(-1),
            normalize_variance=True,
            eps=self._shape.epsilon,
            eps_mode="inside_sqrt",
        )
        scaled = ops.multiply(scaled, self._weight(f"{name}.weight"))
        return ops.add(scaled, self._weight(f"{name}.bias"))

    def _weight(self, name: str) -> Any:
        return ops.constant(self._weights[name], shared_memory=True)


def _tokens_in(ids: Any) -> Any:
    return ops.gather(ops.shape_of(ids, "i32"), _int(1), _int(0))


def _pooled(state: Any, counts: Any, lengths: Any) -> Any:
    """Mean over the tokens that count, scaled to unit length."""
    kept = ops.multiply(state, ops.unsqueeze(ops.convert(counts, "f32"), _int(2)))
    mean = ops.divide(
        ops.reduce_sum(kept, _int(1), keep_dims=False),
        ops.unsqueeze(ops.convert(lengths, "f32"), _int(1)),
    )
    return ops.normalize_l2(mean, _ints(1), eps=1e-12, eps_mode="max")


def _int(value: int) -> Any:
    return ops.constant(np.int32(value))


def _ints(*values: int) -> Any:
    return ops.constant(np.array(values, np.int32))
