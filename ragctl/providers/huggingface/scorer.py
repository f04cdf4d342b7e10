"""A cross-encoder that is loaded and has shown that it gives the right scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragctl.providers.huggingface.agreement import (
    PROBES,
    logit_agreement,
    near_enough,
    refuse_no_numbers,
    refuse_other_reading,
)
from ragctl.providers.huggingface.cross_model import CrossFiles
from ragctl.providers.huggingface.devices import BATCH_TOKENS, choose_device, choose_precision, stored_in
from ragctl.providers.huggingface.forward import Forward
from ragctl.providers.huggingface.loading import load_cross_encoder
from ragctl.providers.huggingface.torch_runtime import import_torch
from ragctl.providers.local.checks import refuse_other_vocabulary
from ragctl.providers.local.description import CONFIG
from ragctl.providers.local.json_files import read_object
from ragctl.providers.local.pairs import pack_pairs
from ragctl.providers.local.tokenizer import LocalTokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Logits = NDArray[np.float32]


class TorchScorer:
    """A loaded cross-encoder that threads may share.

    Args:
        loaded: a `CrossEncoder`.
    """

    def __init__(
        self, loaded: Any, files: CrossFiles, tokenizer: LocalTokenizer, *, device: str, precision: str
    ) -> None:
        self.loaded = loaded
        self.precision = precision
        self._model = files.model
        self._tokenizer = tokenizer
        self._batch_tokens = BATCH_TOKENS[device]
        self._forward = Forward(
            loaded,
            device=device,
            output="scores",
            padding=loaded.tokenizer.pad_token_id or 0,
            name=files.model.name,
            segments="token_type_ids" in loaded.tokenizer.model_input_names,
        )

    def score(self, question: str, passages: Sequence[str]) -> tuple[list[float], tuple[int, ...]]:
        """Scores in order, and the positions of the passages that were cut.

        The activation is applied in float64, where a sigmoid tells large logits apart.
        """
        logits, truncated = self._logits(question, passages)
        refuse_no_numbers(self._model.name, self.precision, logits)
        activated = self.loaded.activation_fn(import_torch().from_numpy(logits).double())
        return activated[:, 0].tolist(), truncated

    def _logits(self, question: str, passages: Sequence[str]) -> tuple[Logits, tuple[int, ...]]:
        import numpy as np

        own, *of_passages = self._tokenizer.bare_ids([question, *passages])
        pairs = pack_pairs(
            own,
            of_passages,
            self._tokenizer.pair_frame,
            max_tokens=self._model.max_tokens,
            batch_tokens=self._batch_tokens,
        )
        logits = np.empty((len(passages), 1), np.float32)
        for batch, outputs in self._forward.run(map(self._forward.prepare, pairs.batches)):
            logits[list(batch.positions)] = outputs.reshape(len(batch.positions), -1)[:, :1]
        return logits, pairs.truncated

    def probe(self) -> Logits:
        """Logits of those probes that the model reads whole after the first one; they may be no numbers."""
        logits, truncated = self._logits(PROBES[0], PROBES[1:])
        return logits[: min(truncated, default=len(logits))]

    def as_sentence_transformers(self) -> Logits:
        """The same by `CrossEncoder.predict`, which tokenizes by itself."""
        import numpy as np

        theirs = self.loaded.predict(
            [(PROBES[0], text) for text in PROBES[1:]],
            batch_size=1,
            show_progress_bar=False,
            activation_fn=import_torch().nn.Identity(),
        )
        return np.asarray(theirs, np.float32).reshape(-1, 1)


def load_scorer(files: CrossFiles, tokenizer: LocalTokenizer, *, device: str, precision: str) -> TorchScorer:
    """Loads and checks a cross-encoder.

    Args:
        device, precision: as the spec says them; `auto` is decided here.

    Raises:
        See `load_encoder`.
    """
    device = choose_device(device)
    chosen = choose_precision(precision, device)
    name = files.model.name

    def load(in_format: str) -> TorchScorer:
        loaded = load_cross_encoder(files, device, in_format)
        refuse_other_vocabulary(tokenizer, loaded.model.get_input_embeddings().num_embeddings)
        return TorchScorer(loaded, files, tokenizer, device=device, precision=in_format)

    saved = stored_in(read_object(files.folder / CONFIG))
    if precision == "auto" and chosen not in ("fp32", saved):
        made = near_enough(name, load, TorchScorer.probe, logit_agreement, chosen)
    else:
        made = load(chosen)
    found = made.probe()
    refuse_no_numbers(name, made.precision, found)
    refuse_other_reading(name, logit_agreement(found, made.as_sentence_transformers()[: len(found)]))
    return made
