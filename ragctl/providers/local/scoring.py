"""From an encoder's states to one score a pair of texts: transformers' classification heads, as graph."""

from __future__ import annotations

from typing import Any

import openvino as ov
from openvino import opset16 as ops

from ragctl.providers.local.architecture import Architecture
from ragctl.providers.local.graph import Encoded, Parts, integer, model_of
from ragctl.providers.local.weights import Weights


def scoring_graph(shape: Architecture, encoded: Encoded, weights: Weights) -> ov.Model:
    """A graph whose output is float32 (batch, 1): the logit, before any activation.

    Raises:
        UsageError: the model has no classification head, or not one of a single number.
    """
    parts, hidden = Parts(weights), shape.hidden
    first: Any = ops.gather(encoded.states, integer(0), integer(1))
    if shape.family == "roberta":
        inner = ops.tanh(parts.linear(first, "classifier.dense", hidden, hidden))
        logit = parts.linear(inner, "classifier.out_proj", hidden, 1)
    elif shape.family == "distilbert":
        inner = ops.relu(parts.linear(first, "pre_classifier", hidden, hidden))
        logit = parts.linear(inner, "classifier", hidden, 1)
    else:
        inner = ops.tanh(parts.linear(first, "pooler.dense", hidden, hidden))
        logit = parts.linear(inner, "classifier", hidden, 1)
    return model_of(encoded, logit, "cross-encoder")
