"""The same encoder as `graph.py` and `pooling.py` build, computed by NumPy in float32.

For one short question it is there sooner than OpenVINO is imported and a graph compiled. All inputs are laid
end to end, without padding, so that each weight is read once; only attention looks at one input at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from ragctl.providers.local.architecture import ACTIVATIONS, Architecture
from ragctl.providers.local.modules import Dense, Modules
from ragctl.providers.local.weights import Weights, sized

if TYPE_CHECKING:
    from ragctl.providers.local.batches import Batch

Floats = NDArray[np.float32]
Integers = NDArray[np.integer]

_LEAST_SQUARE = 1e-12
"""Below this a squared length is raised to it before anything is divided by it, as in the graph."""


class NumpyEncoder:
    """A sentence encoder that threads may share; they take turns.

    It computes in one thread. For products as small as a question's, OpenBLAS's threads wait for one another
    more than they compute: on two busy processors a question took 0.05 to 1.4 s with them and 0.02 s without.

    Args:
        shape: of the encoder.
        weights: all but the table of words.
        words: the vectors of token ids: (tokens,) to (tokens, hidden).
        dense: the weights of `modules.steps` that are `Dense`, in order.

    Raises:
        UsageError: a weight is missing or has another shape than the architecture says.
    """

    def __init__(
        self,
        shape: Architecture,
        weights: Weights,
        words: Callable[[Integers], Floats],
        modules: Modules,
        dense: Sequence[Weights],
    ) -> None:
        self._shape = shape
        self._words = words
        self._modules = modules
        self._libraries = ThreadpoolController()
        self._turn = Lock()
        hidden = shape.hidden
        self._places = sized(weights, "embeddings.position_embeddings.weight", shape.positions, hidden)
        if shape.segments:
            segments = sized(weights, "embeddings.token_type_embeddings.weight", shape.segments, hidden)
            self._places = self._places + segments[0]
        self._norm = _Norm(weights, "embeddings.LayerNorm", shape)
        self._layers = [_Layer(weights, f"encoder.layer.{number}", shape) for number in range(shape.layers)]
        sizes = [(step.outer, step.inner) for step in modules.dense]
        self._dense = [_Linear(one, "linear", *size) for one, size in zip(dense, sizes, strict=True)]

    def infer(self, batch: Batch) -> Floats:
        """Vectors of unit length, shape (rows, dimension).

        Raises:
            Unavailable: the weights' file is another one by now.
        """
        # The limit is the process's: whoever sets it at the same time as another would put it back wrongly.
        with self._turn, self._libraries.limit(limits=1, user_api="blas"):
            return self._vectors(batch)

    def _vectors(self, batch: Batch) -> Floats:
        inputs = [ids[:length] for ids, length in zip(batch.ids, batch.lengths, strict=True)]
        ends = np.cumsum(batch.lengths)
        spans = [slice(end - length, end) for end, length in zip(ends, batch.lengths, strict=True)]
        rows = np.concatenate([self._rows(ids) for ids in inputs])
        states = self._norm(self._words(np.concatenate(inputs)) + self._places[rows])
        for layer in self._layers:
            states = layer(states, spans)
        kinds = [_POOLED[kind] for kind in self._modules.pooling]
        pooled = [np.concatenate([kind(states[span]) for kind in kinds]) for span in spans]
        return self._after_pooling(np.stack(pooled))

    def _rows(self, ids: Integers) -> Integers:
        """Rows of the table of positions, see `graph.py`."""
        padding = self._shape.padding
        if padding is None:
            return np.arange(len(ids))
        words = ids != padding
        rows: Integers = np.cumsum(words) * words + padding
        return rows

    def _after_pooling(self, vectors: Floats) -> Floats:
        dense = iter(self._dense)
        for step in self._modules.steps:
            if isinstance(step, Dense):
                vectors = _AFTER_DENSE[step.activation](next(dense)(vectors))
            else:
                vectors = _unit(vectors)
        return vectors if self._modules.normalises else _unit(vectors)


class _Linear:
    """The last axis, of size `inner`, mapped to `outer` numbers; the bias may be missing."""

    def __init__(self, weights: Weights, name: str, outer: int, inner: int) -> None:
        self._matrix = sized(weights, f"{name}.weight", outer, inner).T
        bias = f"{name}.bias"
        self._bias = sized(weights, bias, outer) if bias in weights else None

    def __call__(self, states: Floats) -> Floats:
        product: Floats = states @ self._matrix
        if self._bias is not None:
            product += self._bias
        return product


class _Norm:
    """Layer normalisation."""

    def __init__(self, weights: Weights, name: str, shape: Architecture) -> None:
        self._scale = sized(weights, f"{name}.weight", shape.hidden)
        self._bias = sized(weights, f"{name}.bias", shape.hidden)
        self._epsilon = np.float32(shape.epsilon)

    def __call__(self, states: Floats) -> Floats:
        centred = states - states.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        normed: Floats = centred / np.sqrt(variance + self._epsilon) * self._scale + self._bias
        return normed


class _Layer:
    def __init__(self, weights: Weights, name: str, shape: Architecture) -> None:
        hidden = shape.hidden
        inner = sized(weights, f"{name}.intermediate.dense.weight", -1, hidden).shape[0]
        attention = f"{name}.attention"
        self._query, self._key, self._value = (
            _Linear(weights, f"{attention}.self.{which}", hidden, hidden)
            for which in ("query", "key", "value")
        )
        self._attended = _Linear(weights, f"{attention}.output.dense", hidden, hidden)
        self._attended_norm = _Norm(weights, f"{attention}.output.LayerNorm", shape)
        self._inner = _Linear(weights, f"{name}.intermediate.dense", inner, hidden)
        self._outer = _Linear(weights, f"{name}.output.dense", hidden, inner)
        self._outer_norm = _Norm(weights, f"{name}.output.LayerNorm", shape)
        self._activation = _ACTIVATED[ACTIVATIONS[shape.activation]]
        self._heads = shape.heads

    def __call__(self, states: Floats, spans: Sequence[slice]) -> Floats:
        states = self._attended_norm(self._attended(self._attention(states, spans)) + states)
        return self._outer_norm(self._outer(self._activation(self._inner(states))) + states)

    def _attention(self, states: Floats, spans: Sequence[slice]) -> Floats:
        apart = len(states), self._heads, -1
        query, key, value = (
            linear(states).reshape(apart).transpose(1, 0, 2)
            for linear in (self._query, self._key, self._value)
        )
        query = query / np.sqrt(np.float32(query.shape[2]))
        mixed = [_softmax(query[:, one] @ key[:, one].transpose(0, 2, 1)) @ value[:, one] for one in spans]
        return np.concatenate(mixed, axis=1).transpose(1, 0, 2).reshape(states.shape)


def _softmax(scores: Floats) -> Floats:
    powers: Floats = np.exp(scores - scores.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def _gelu(states: Floats) -> Floats:
    return states * (np.float32(0.5) * (1 + erf(states * np.float32(0.5**0.5))))


def erf(x: Floats) -> Floats:
    """The error function, to 1.5e-7 before rounding: Abramowitz & Stegun, formula 7.1.26."""
    size = np.abs(x)
    t: Floats = np.reciprocal(1 + np.float32(0.3275911) * size)
    series = t * np.float32(1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series += np.float32(factor)
        series *= t
    series *= np.exp(-size * size)
    found: Floats = np.copysign(1 - series, x)
    return found


def _gelu_by_tanh(states: Floats) -> Floats:
    """Hendrycks & Gimpel 2016, https://arxiv.org/abs/1606.08415."""
    inner = np.float32((2 / np.pi) ** 0.5) * (states + np.float32(0.044715) * states**3)
    found: Floats = np.tanh(inner)
    return states * (np.float32(0.5) * (1 + found))


def _relu(states: Floats) -> Floats:
    return np.maximum(states, 0)


_ACTIVATED: dict[str, Callable[[Floats], Floats]] = {"erf": _gelu, "tanh": _gelu_by_tanh, "": _relu}

_AFTER_DENSE: dict[str, Callable[[Floats], Floats]] = {
    "Tanh": np.tanh,
    "Identity": lambda states: states,
    "ReLU": _relu,
}

_POOLED: dict[str, Callable[[Floats], Floats]] = {
    "mean": lambda states: states.mean(axis=0),
    "cls": lambda states: states[0],
    "max": lambda states: states.max(axis=0),
    "mean_sqrt_len_tokens": lambda states: states.sum(axis=0) / np.sqrt(np.float32(len(states))),
}


def _unit(vectors: Floats) -> Floats:
    squares = np.square(vectors).sum(axis=-1, keepdims=True)
    unit: Floats = vectors / np.sqrt(np.maximum(squares, np.float32(_LEAST_SQUARE)))
    return unit
