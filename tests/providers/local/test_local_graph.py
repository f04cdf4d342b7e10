"""The graph against a plain numpy encoder of another shape than any shipped model's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ragctl.errors import UsageError
from ragctl.providers.local.architecture import Architecture
from ragctl.providers.local.modules import Modules
from ragctl.providers.local.runtime import import_openvino

Array = NDArray[np.float64]

CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "hidden_size": 32,
    "intermediate_size": 48,
    "hidden_act": "gelu_new",
    "layer_norm_eps": 1e-5,
    "max_position_embeddings": 20,
}


def _weights() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(5)
    hidden, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (50, hidden),
        "embeddings.position_embeddings.weight": (20, hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    for layer in range(CONFIG["num_hidden_layers"]):
        for name, out, into in (
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", inner, hidden),
            ("output.dense", hidden, inner),
        ):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (out, into)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (out,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (hidden,)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (hidden,)
    return {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def _encode(weights: dict[str, NDArray[np.float32]], ids: list[int]) -> Array:
    """One input, unpadded, straight from the definition of BERT."""
    heads, epsilon = CONFIG["num_attention_heads"], CONFIG["layer_norm_eps"]

    def linear(x: Array, name: str) -> Array:
        return np.asarray(x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])

    def norm(x: Array, name: str) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
        return np.asarray(scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"])

    def attention(x: Array, name: str) -> Array:
        parts = [np.split(linear(x, f"{name}.{which}"), heads, axis=1) for which in ("query", "key", "value")]
        mixed = []
        for query, key, value in zip(*parts, strict=True):
            scores = np.exp(query @ key.T / math.sqrt(query.shape[1]))
            mixed.append(scores / scores.sum(-1, keepdims=True) @ value)
        return np.concatenate(mixed, axis=1)

    x = weights["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(CONFIG["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        attended = linear(attention(x, f"{name}.attention.self"), f"{name}.attention.output.dense")
        x = norm(attended + x, f"{name}.attention.output.LayerNorm")
        inner = linear(x, f"{name}.intermediate.dense")
        inner = 0.5 * inner * (1 + np.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
        x = norm(linear(inner, f"{name}.output.dense") + x, f"{name}.output.LayerNorm")
    mean = x.mean(0)
    return np.asarray(mean / np.linalg.norm(mean))


def test_the_graph_computes_what_bert_is_defined_as() -> None:
    ov = import_openvino()
    from ragctl.providers.local.graph import encode
    from ragctl.providers.local.pooling import sentence_graph

    weights = _weights()
    inputs = [[3, 14, 15, 9, 2, 6, 5], [3, 5], [49]]
    ids = np.full((3, 9), 7, np.int32)  # padded with a word: only the lengths may tell what counts
    for row, of_input in zip(ids, inputs, strict=True):
        row[: len(of_input)] = of_input
    graph = sentence_graph(encode(Architecture.from_config(CONFIG), weights), Modules(), [])
    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    vectors = compiled({"ids": ids, "lengths": np.array([7, 2, 1], np.int32)})[0]
    np.testing.assert_allclose(vectors, [_encode(weights, of_input) for of_input in inputs], atol=2e-5)


def test_weights_that_do_not_fit_the_configuration_are_named() -> None:
    import_openvino()
    from ragctl.providers.local.graph import encode

    shape = Architecture.from_config(CONFIG)
    for name in ("encoder.layer.2.output.dense.weight", "embeddings.LayerNorm.bias"):
        less = {key: value for key, value in _weights().items() if key != name}
        with pytest.raises(UsageError, match=f"no weights '{name}'"):
            encode(shape, less)
    wrong = {**_weights(), "encoder.layer.1.attention.self.key.weight": np.zeros((32, 31), np.float32)}
    with pytest.raises(UsageError, match=r"key\.weight' have the shape \(32, 31\)"):
        encode(shape, wrong)
