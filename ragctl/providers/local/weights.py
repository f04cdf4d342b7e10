"""A model's weights from `model.safetensors`, under the names that the graph asks for.

Only safetensors is read: a `pytorch_model.bin` is a pickle, which can run any code when it is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragctl.errors import UsageError
from ragctl.providers.local.architecture import Family

Weights = Mapping[str, NDArray[np.float32]]

WORDS = "embeddings.word_embeddings.weight"

_MOST_HEADER_BYTES = 100_000_000
"""As safetensors has it."""

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


def read_weights(path: Path, family: Family, *, without: Collection[str] = ()) -> Weights:
    """The tensors of an encoder and of its head, float32, named as transformers' BERT names them.

    Args:
        without: names of tensors that are not to be read.

    Raises:
        UsageError: the file is no safetensors file, or holds numbers of a kind that no weights are.
    """
    wanted = _tensors(path, lambda name: _named(name, family) not in without)
    return {_named(name, family): tensor for name, tensor in wanted}


def sized(weights: Weights, name: str, *shape: int) -> NDArray[np.float32]:
    """One of them, if it is as large as it should be.

    Args:
        shape: what it must be; -1 is any size.

    Raises:
        UsageError: there is no such weight, or its shape is another.
    """
    if name not in weights:
        raise UsageError(f"the model has no weights {name!r}", hint="is it the file of another model?")
    refuse_other_shape(name, weights[name].shape, shape)
    return weights[name]


def refuse_other_shape(name: str, found: Sequence[int], shape: Sequence[int]) -> None:
    """
    Raises:
        UsageError: see `sized`.
    """
    sizes = zip(found, shape, strict=False)
    if len(found) != len(shape) or any(want not in (-1, size) for size, want in sizes):
        raise UsageError(
            f"the weights {name!r} have the shape {tuple(found)}, config.json says {tuple(shape)}",
            hint="is config.json that of another model?",
        )


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


def _tensors(
    path: Path, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as tensors:
            names = [name for name in tensors.keys() if wanted(name)]  # noqa: SIM118
            header, begin = _header(path)
            brain = [name for name in names if header[name].get("dtype") == "BF16"]
            for name in names:
                if name not in brain:
                    tensor = tensors.get_tensor(name)
                    if tensor.dtype.kind == "f":
                        yield name, np.ascontiguousarray(tensor, np.float32)
        data = np.memmap(path, np.uint8, "r")
        for name in sorted(brain):
            first, last = (begin + offset for offset in header[name]["data_offsets"])
            yield name, as_floats(data[first:last].view("<u2").reshape(header[name]["shape"]), "BF16")
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise UsageError(f"the weights cannot be read: {error}", where=str(path)) from error


def as_floats(numbers: NDArray[Any], kind: str) -> NDArray[np.float32]:
    """float32 of what the file calls `kind`.

    NumPy has no bfloat16: its bits, read as unsigned numbers, are the upper half of a float32's.
    """
    if kind == "BF16":
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return np.ascontiguousarray(numbers, np.float32)


def read_header(path: Path, family: Family) -> tuple[dict[str, Any], int]:
    """What the file says of its tensors, named as `read_weights` names them, and where their bytes begin.

    Raises:
        UsageError: it is no safetensors file.
    """
    try:
        header, begin = _header(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"the weights cannot be read: {error}", where=str(path)) from error
    return {_named(name, family): entry for name, entry in header.items()}, begin


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """safetensors' format: the header's length, the header, the tensors."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _MOST_HEADER_BYTES:
            raise ValueError("it is no safetensors file")
        return json.loads(file.read(length)), 8 + length
