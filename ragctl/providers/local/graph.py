"""An encoder as an OpenVINO graph, built from its architecture and weights.

Inputs: `ids`, int32 (batch, tokens), padded with anything; `lengths`, int32 (batch,), the number of
tokens that count in each row; for pairs of texts, `second`, int32 (batch,), where the second text's
tokens begin. The mask is made of the lengths and not of a padding id, because a text may hold the padding
token as words.

What is made of the last layer's states (batch, tokens, hidden) is `pooling.py`'s and `scoring.py`'s part.
Import these modules only where OpenVINO is loaded, see `runtime.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset16 as ops

from ragctl.providers.local.architecture import ACTIVATIONS, Architecture
from ragctl.providers.local.weights import WORDS, Weights, sized

_SEGMENTS = "embeddings.token_type_embeddings.weight"


@dataclass(frozen=True, slots=True)
class Encoded:
    """The states after the last layer, and what counts in them.

    Attributes:
        states: float32 (batch, tokens, hidden).
        counts: boolean (batch, tokens), true where a token counts.
        lengths: int32 (batch,).
        inputs: parameters of the graph.
    """

    states: Any
    counts: Any
    lengths: Any
    inputs: tuple[Any, ...]


def encode(shape: Architecture, weights: Weights, *, pairs: bool = False) -> Encoded:
    """The encoder's body; it refers to the arrays of `weights`, without copies.

    Args:
        pairs: tokens from `second` on belong to the second segment. Without it all belong to the first.

    Raises:
        UsageError: a weight is missing or has another shape than the architecture says.
    """
    ids = ops.parameter([-1, -1], np.int32, name="ids")
    lengths = ops.parameter([-1], np.int32, name="lengths")
    second = ops.parameter([-1], np.int32, name="second") if pairs and shape.segments > 1 else None
    parts = Parts(weights)
    blocks = _Blocks(shape, parts)

    places = ops.range(integer(0), _tokens_in(ids), integer(1), "i32")
    counts = ops.less(ops.unsqueeze(places, integer(0)), ops.unsqueeze(lengths, integer(1)))
    state = blocks.embeddings(ids, places, second)
    visible = ops.unsqueeze(counts, integers(1, 2))
    for layer in range(shape.layers):
        state = blocks.layer(state, visible, f"encoder.layer.{layer}")
    inputs = (ids, lengths) if second is None else (ids, lengths, second)
    return Encoded(state, counts, lengths, inputs)


def model_of(encoded: Encoded, output: Any, name: str) -> ov.Model:
    """The graph from the encoder's inputs to `output`."""
    return ov.Model([output], list(encoded.inputs), name)


class Parts:
    """Weights as constants, and the products made with them."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def has(self, name: str) -> bool:
        return name in self._weights

    def weight(self, name: str, *shape: int) -> Any:
        """
        Args:
            shape: what it must be; -1 is any size.

        Raises:
            UsageError: there is no such weight, or its shape is another.
        """
        return ops.constant(self.array(name, *shape), shared_memory=True)

    def array(self, name: str, *shape: int) -> Any:
        """The same as an array."""
        return sized(self._weights, name, *shape)

    def linear(self, state: Any, name: str, inner: int, outer: int) -> Any:
        """The last axis, of size `inner`, mapped to `outer` numbers; the bias may be missing."""
        weight = self.weight(f"{name}.weight", outer, inner)
        product = ops.matmul(state, weight, transpose_a=False, transpose_b=True)
        return ops.add(product, self.weight(f"{name}.bias", outer)) if self.has(f"{name}.bias") else product


class _Blocks:
    """The blocks that an encoder is made of."""

    def __init__(self, shape: Architecture, parts: Parts) -> None:
        self._shape = shape
        self._parts = parts
        self._inner = parts.array("encoder.layer.0.intermediate.dense.weight", -1, shape.hidden).shape[0]

    def embeddings(self, ids: Any, places: Any, second: Any | None) -> Any:
        hidden = self._shape.hidden
        table = self._parts.weight("embeddings.position_embeddings.weight", self._shape.positions, hidden)
        words = ops.gather(self._parts.weight(WORDS, -1, hidden), ids, integer(0))
        if self._shape.segments:
            words = ops.add(words, self._segments(places, second))
        total = ops.add(words, ops.gather(table, self._positions(ids, places), integer(0)))
        return self._norm(total, "embeddings.LayerNorm")

    def _segments(self, places: Any, second: Any | None) -> Any:
        """The vector of each token's segment; of the first, where there is one segment."""
        table = self._parts.array(_SEGMENTS, self._shape.segments, self._shape.hidden)
        if second is None:
            return ops.constant(table[0])
        after = ops.greater_equal(ops.unsqueeze(places, integer(0)), ops.unsqueeze(second, integer(1)))
        return ops.gather(ops.constant(table), ops.convert(after, "i32"), integer(0))

    def _positions(self, ids: Any, places: Any) -> Any:
        """Rows of the table of positions: (tokens,), or (batch, tokens) where padding tokens have no place.

        RoBERTa numbers the tokens that are no padding from the padding's id + 1 on, and gives each padding
        token, also one that stands in the text, the padding's id.
        """
        if self._shape.padding is None:
            return places
        padding = ops.constant(np.int32(self._shape.padding))
        words = ops.convert(ops.not_equal(ids, padding), "i32")
        return ops.add(ops.multiply(ops.cum_sum(words, integer(1)), words), padding)

    def layer(self, state: Any, visible: Any, name: str) -> Any:
        hidden = self._shape.hidden
        attended = self._linear(
            self._attention(state, visible, name), f"{name}.attention.output.dense", hidden, hidden
        )
        state = self._norm(ops.add(attended, state), f"{name}.attention.output.LayerNorm")
        inner = self._linear(state, f"{name}.intermediate.dense", hidden, self._inner)
        outer = self._linear(self._activation(inner), f"{name}.output.dense", self._inner, hidden)
        return self._norm(ops.add(outer, state), f"{name}.output.LayerNorm")

    def _activation(self, state: Any) -> Any:
        kind = ACTIVATIONS[self._shape.activation]
        return ops.gelu(state, kind) if kind else ops.relu(state)

    def _attention(self, state: Any, visible: Any, name: str) -> Any:
        hidden = self._shape.hidden
        query, key, value = (
            self._by_head(self._linear(state, f"{name}.attention.self.{which}", hidden, hidden))
            for which in ("query", "key", "value")
        )
        mixed = ops.scaled_dot_product_attention(query, key, value, visible)
        together = ops.transpose(mixed, integers(0, 2, 1, 3))
        return ops.reshape(together, integers(0, 0, hidden), special_zero=True)

    def _by_head(self, state: Any) -> Any:
        """(batch, tokens, hidden) to (batch, heads, tokens, hidden / heads)."""
        heads = self._shape.heads
        apart = ops.reshape(state, integers(0, 0, heads, self._shape.hidden // heads), special_zero=True)
        return ops.transpose(apart, integers(0, 2, 1, 3))

    def _linear(self, state: Any, name: str, inner: int, outer: int) -> Any:
        return self._parts.linear(state, name, inner, outer)

    def _norm(self, state: Any, name: str) -> Any:
        scaled = ops.mvn(
            state,
            integers(-1),
            normalize_variance=True,
            eps=self._shape.epsilon,
            eps_mode="inside_sqrt",
        )
        scaled = ops.multiply(scaled, self._parts.weight(f"{name}.weight", self._shape.hidden))
        return ops.add(scaled, self._parts.weight(f"{name}.bias", self._shape.hidden))


def _tokens_in(ids: Any) -> Any:
    return ops.gather(ops.shape_of(ids, "i32"), integer(1), integer(0))


def integer(value: int) -> Any:
    """An int32 constant."""
    return ops.constant(np.int32(value))


def integers(*values: int) -> Any:
    """A constant vector of int32."""
    return ops.constant(np.array(values, np.int32))
