"""Sends batches through a model: copies and computing overlap, and a batch too large for memory is halved."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from ragctl.errors import Unavailable
from ragctl.providers.huggingface.torch_runtime import import_torch
from ragctl.providers.local.batches import Batch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Outputs = NDArray[np.float32]

_LOG = logging.getLogger("ragctl")

_IN_FLIGHT = 3
"""Batches whose kernels are queued on a GPU before the first one's outputs are waited for."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A batch as tensors in memory from which a GPU can copy while it computes.

    Attributes:
        tokens: int32, shape (rows, width): ids, padded with 0.
        spans: int32, shape (rows, 2): tokens that count, and where the second segment begins.
    """

    batch: Batch
    tokens: Any
    spans: Any

    def half(self, first: bool) -> Prepared:
        middle = len(self.batch.positions) // 2
        rows = slice(0, middle) if first else slice(middle, None)
        batch = self.batch
        second = None if batch.second is None else batch.second[rows]
        part = Batch(batch.positions[rows], batch.ids[rows], batch.lengths[rows], second)
        return Prepared(part, self.tokens[rows], self.spans[rows])


@dataclass(frozen=True, slots=True, eq=False)
class _Flying:
    batch: Batch
    outputs: Any
    done: Any


class Forward:
    """A model that threads may share; one batch at a time is handed to it.

    Args:
        model: takes a dictionary of features and returns one, as modules of sentence-transformers do.
        device: `cpu`, `cuda` or `mps`.
        output: name of the output; float, shape (rows, numbers).
        padding: id of the padding token.
        segments: the model is told which text of a pair a token belongs to.
        name: of the model, for messages.
    """

    def __init__(
        self,
        model: Callable[[dict[str, Any]], dict[str, Any]],
        *,
        device: str,
        output: str,
        padding: int,
        name: str,
        segments: bool = False,
    ) -> None:
        self._torch = import_torch()
        self._model = model
        self._device = self._torch.device(device)
        self._output = output
        self._padding = padding
        self._segments = segments
        self._name = name
        self._lock = Lock()
        self._most: int | None = None
        self._told = False

    def prepare(self, batch: Batch) -> Prepared:
        """Tensors of a batch; may run in another thread than the model."""
        import numpy as np

        torch = self._torch
        second = np.full_like(batch.lengths, batch.ids.shape[1]) if batch.second is None else batch.second
        tokens, spans = torch.from_numpy(batch.ids), torch.from_numpy(np.stack([batch.lengths, second], 1))
        if self._device.type == "cuda":
            tokens, spans = tokens.pin_memory(), spans.pin_memory()
        return Prepared(batch, tokens, spans)

    def run(self, batches: Iterable[Prepared], **extra: Any) -> Iterator[tuple[Batch, Outputs]]:
        """Outputs in order, float32, shape (rows, numbers); a batch may come out in several.

        Args:
            extra: further features, the same for every batch.

        Raises:
            Unavailable: there is not enough memory for one input.
        """
        flying: deque[_Flying] = deque()
        depth = _IN_FLIGHT if self._device.type == "cuda" else 0
        for prepared in batches:
            for one in self._launched(prepared, extra):
                flying.append(one)
                while len(flying) > depth:
                    yield _landed(flying.popleft())
        while flying:
            yield _landed(flying.popleft())

    def _launched(self, prepared: Prepared, extra: dict[str, Any]) -> list[_Flying]:
        rows, width = prepared.batch.ids.shape
        if self._most is None or rows * width <= self._most or rows == 1:
            try:
                with self._lock, self._torch.inference_mode():
                    return [self._launch(prepared, extra)]
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
                if rows == 1:
                    raise self._too_large(width) from error
            # Out of the handler, whose traceback would hold the tensors.
            self._give_way(rows, width)
        return [one for first in (True, False) for one in self._launched(prepared.half(first), extra)]

    def _launch(self, prepared: Prepared, extra: dict[str, Any]) -> _Flying:
        torch, device = self._torch, self._device
        tokens = prepared.tokens.to(device, non_blocking=True).long()
        spans = prepared.spans.to(device, non_blocking=True).long()
        places = torch.arange(tokens.shape[1], device=device)[None]
        real = places < spans[:, :1]
        features = {
            "input_ids": tokens.masked_fill(~real, self._padding),
            "attention_mask": real.long(),
            **extra,
        }
        if self._segments:
            features["token_type_ids"] = (real & (places >= spans[:, 1:])).long()
        outputs = self._model(features)[self._output].float()
        if device.type != "cuda":
            return _Flying(prepared.batch, outputs.cpu(), None)
        held = torch.empty(outputs.shape, dtype=outputs.dtype, pin_memory=True)
        held.copy_(outputs, non_blocking=True)
        done = torch.cuda.Event()
        done.record()
        return _Flying(prepared.batch, held, done)

    def _give_way(self, rows: int, width: int) -> None:
        self._most = max(width, rows * width // 2)
        if self._device.type == "cuda":
            self._torch.cuda.empty_cache()
        if not self._told:
            self._told = True
            _LOG.warning(
                "%s: no memory on %s for a batch of %d tokens; going on with half of that, and less if need "
                "be (embed.batch_tokens says how many to begin with)",
                self._name,
                self._device.type,
                rows * width,
            )

    def _too_large(self, width: int) -> Unavailable:
        return Unavailable(
            f"{self._name}: not enough memory on {self._device.type} for one input of {width} tokens",
            hint="free some, choose a smaller model or shorter chunks, or use device: cpu",
        )


def _landed(flying: _Flying) -> tuple[Batch, Outputs]:
    if flying.done is not None:
        flying.done.synchronize()
    return flying.batch, flying.outputs.numpy().copy()


def _out_of_memory(error: BaseException) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        part in said for part in ("out of memory", "can't allocate memory", "not enough memory")
    )
