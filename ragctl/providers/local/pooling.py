"""From an encoder's states to one vector a text: the modules of sentence-transformers, as graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset16 as ops

from ragctl.providers.local.graph import Encoded, Parts, integer, integers, model_of
from ragctl.providers.local.modules import Dense, Modules
from ragctl.providers.local.weights import Weights

_LEAST = np.float32(-1e30)
"""Below any state; finite, as the number format may not hold infinity times zero."""

_AFTER_DENSE = {"Tanh": ops.tanh, "Identity": lambda state: state, "ReLU": ops.relu}


def sentence_graph(encoded: Encoded, modules: Modules, dense: Sequence[Weights]) -> ov.Model:
    """A graph whose output is float32 (batch, dimension), of unit length.

    Args:
        dense: the weights of `modules.steps` that are `Dense`, in order.

    Raises:
        UsageError: weights have another shape than their configuration says.
    """
    pooled = [_POOLED[mode](encoded) for mode in modules.pooling]
    state = pooled[0] if len(pooled) == 1 else ops.concat(pooled, 1)
    weights = iter(dense)
    for step in modules.steps:
        state = _dense(state, step, next(weights)) if isinstance(step, Dense) else _unit(state)
    ends_normalised = bool(modules.steps) and not isinstance(modules.steps[-1], Dense)
    return model_of(encoded, state if ends_normalised else _unit(state), "encoder")


def _unit(state: Any) -> Any:
    return ops.normalize_l2(state, integers(1), eps=1e-12, eps_mode="max")


def _dense(state: Any, step: Dense, weights: Weights) -> Any:
    outer = Parts(weights).linear(state, "linear", step.inner, step.outer)
    return _AFTER_DENSE[step.activation](outer)


def _sum(encoded: Encoded) -> Any:
    kept = ops.multiply(encoded.states, ops.unsqueeze(ops.convert(encoded.counts, "f32"), integer(2)))
    return ops.reduce_sum(kept, integer(1), keep_dims=False)


def _lengths(encoded: Encoded) -> Any:
    return ops.unsqueeze(ops.convert(encoded.lengths, "f32"), integer(1))


def _mean(encoded: Encoded) -> Any:
    return ops.divide(_sum(encoded), _lengths(encoded))


def _mean_of_root(encoded: Encoded) -> Any:
    return ops.divide(_sum(encoded), ops.sqrt(_lengths(encoded)))


def _first(encoded: Encoded) -> Any:
    return ops.gather(encoded.states, integer(0), integer(1))


def _maximum(encoded: Encoded) -> Any:
    kept = ops.select(ops.unsqueeze(encoded.counts, integer(2)), encoded.states, ops.constant(_LEAST))
    return ops.reduce_max(kept, integer(1), keep_dims=False)


_POOLED = {"mean": _mean, "cls": _first, "max": _maximum, "mean_sqrt_len_tokens": _mean_of_root}
