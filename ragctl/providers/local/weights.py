"""A model's weights from `model.safetensors`, under the names that the graph asks for.

Only safetensors is read: a `pytorch_model.bin` is a pickle, which can run any code when it is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragctl.errors import UsageError
from ragctl.providers.local.architecture import Family

Weights = Mapping[str, NDArray[np.float32]]

WORDS = "embeddings.word_embeddings.weight"

_PREFIX = {"bert": "bert.", "roberta": "roberta.", "distilbert": "distilbert."}

_OLD_ENDINGS = (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"))
"""As checkpoints from TensorFlow call them."""

# transformers' DistilBERT → the names that BERT has for the same parts.
_DISTILBERT = (
    ("transformer.layer.", "encoder.layer."),
    (".attention.q_lin.", ".attention.self.query."),
    (".attention.k_lin.", ".attention.self.key."),
    (".attention.v_lin.", ".attention.self.value."),
    (".attention.out_lin.", ".attention.output.dense."),
    (".sa_layer_norm.", ".attention.output.LayerNorm."),
    (".ffn.lin1.", ".intermediate.dense."),
    (".ffn.lin2.", ".output.dense."),
    (".output_layer_norm.", ".output.LayerNorm."),
)


def read_weights(path: Path, family: Family) -> Weights:
    """The tensors of an encoder and of its head, float32, named as transformers' BERT names them.

    Raises:
        UsageError: the file is no safetensors file, or holds numbers of a kind that no weights are.
    """
    return {_named(name, family): tensor for name, tensor in _tensors(path)}


def read_linear(path: Path) -> Weights:
    """`linear.weight` and, where there is one, `linear.bias` of a sentence-transformers `Dense` module.

    Raises:
        UsageError: see `read_weights`.
    """
    return dict(_tensors(path))


def words_in(weights: Weights) -> int:
    """Rows of the table of words; 0 if there is none."""
    table = weights.get(WORDS)
    return 0 if table is None else table.shape[0]


def _named(name: str, family: Family) -> str:
    name = name.removeprefix(_PREFIX[family])
    for old, new in _OLD_ENDINGS:
        name = name.replace(old, new)
    if family == "distilbert":
        for theirs, berts in _DISTILBERT:
            name = name.replace(theirs, berts)
    return name


def _tensors(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as tensors:
            brain = _bfloat16_names(path)
            for name in tensors.keys():  # noqa: SIM118
                if name not in brain:
                    tensor = tensors.get_tensor(name)
                    if tensor.dtype.kind == "f":
                        yield name, np.ascontiguousarray(tensor, np.float32)
        if brain:
            yield from _bfloat16(path, brain)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise UsageError(f"the weights cannot be read: {error}", where=str(path)) from error


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """What the file says of its tensors, and where their bytes begin (safetensors' format)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length)), 8 + length


def _bfloat16_names(path: Path) -> set[str]:
    header, _ = _header(path)
    return {name for name, entry in header.items() if entry.get("dtype") == "BF16"}


def _bfloat16(path: Path, names: set[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """NumPy has no bfloat16: its bits are the upper half of a float32's."""
    header, begin = _header(path)
    data = np.memmap(path, np.uint8, "r")
    for name in sorted(names):
        first, last = (begin + offset for offset in header[name]["data_offsets"])
        upper = data[first:last].view("<u2").astype(np.uint32) << 16
        yield name, upper.view(np.float32).reshape(header[name]["shape"])
