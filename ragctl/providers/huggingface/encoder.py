"""A sentence encoder that is loaded and has shown that it gives the right vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ragctl.errors import UsageError, WrongVectors
from ragctl.providers.huggingface.agreement import (
    PROBES,
    cosines,
    near_enough,
    refuse_no_numbers,
    refuse_other_reading,
)
from ragctl.providers.huggingface.devices import BATCH_TOKENS, choose_device, choose_precision, stored_in
from ragctl.providers.huggingface.forward import Forward, Prepared
from ragctl.providers.huggingface.loading import load_sentence_encoder
from ragctl.providers.huggingface.sentence_model import Model, SentenceFiles
from ragctl.providers.local.batches import Batch, pack
from ragctl.providers.local.checks import refuse_other_vocabulary
from ragctl.providers.local.description import CONFIG
from ragctl.providers.local.json_files import read_object
from ragctl.providers.local.tokenizer import LocalTokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


class TorchEncoder:
    """A loaded sentence encoder that threads may share.

    Args:
        loaded: a `SentenceTransformer`.

    Attributes:
        device: `cpu`, `cuda` or `mps`.
        precision: `fp32`, `bf16` or `fp16`.
        batch_tokens: tokens in a batch, padding included, to begin with.
    """

    def __init__(
        self,
        loaded: Any,
        model: Model,
        tokenizer: LocalTokenizer,
        *,
        device: str,
        precision: str,
        batch_tokens: int,
    ) -> None:
        self.loaded = loaded
        self.device = device
        self.precision = precision
        self.batch_tokens = batch_tokens
        self._model = model
        self._tokenizer = tokenizer
        self._forward = Forward(
            loaded,
            device=device,
            output="sentence_embedding",
            padding=loaded.tokenizer.pad_token_id or 0,
            name=model.name,
        )

    def prepare(self, batch: Batch) -> Prepared:
        """See `Forward.prepare`."""
        return self._forward.prepare(batch)

    def run(self, batches: Iterable[Prepared], prefix: str) -> Iterator[tuple[Batch, Vectors]]:
        """Vectors of unit length, shape (rows, dimension), in order.

        Args:
            prefix: what stands before every text, for models that leave it out of pooling.

        Raises:
            WrongVectors: there are numbers that are none, or nothing but zeros.
            Unavailable: see `Forward.run`.
        """
        import numpy as np

        extra = {"prompt_length": self._prompt_tokens(prefix)} if prefix else {}
        for batch, outputs in self._forward.run(batches, **extra):
            outputs = outputs[:, : self._model.dimension]
            lengths = np.linalg.norm(outputs, axis=1, keepdims=True)
            if not (np.isfinite(lengths).all() and lengths.all()):
                raise WrongVectors(
                    f"{self._model.name} gives vectors with numbers that are none, or of length 0, in "
                    f"{self.precision}",
                    hint="set precision: fp32" if self.precision != "fp32" else None,
                )
            yield batch, outputs / lengths

    def _prompt_tokens(self, prefix: str) -> int:
        """As sentence-transformers counts them: special tokens before it included."""
        _, after = self._tokenizer.frame
        return len(self._tokenizer.token_ids([""], prefix=prefix)[0]) - len(after)

    def probe(self) -> Vectors:
        """Vectors of those probes that the model reads whole, in order; they may be no numbers."""
        import numpy as np

        ids = self._tokenizer.token_ids(self.probes, prefix="")
        batches = map(self.prepare, pack(ids, batch_tokens=1 << 20))
        found = np.zeros((len(ids), self._model.dimension), np.float32)
        for batch, outputs in self._forward.run(batches):
            if outputs.shape[1] < self._model.dimension:
                raise UsageError(
                    f"{self._model.name} gives vectors of {outputs.shape[1]} numbers, and its files say "
                    f"{self._model.dimension}"
                )
            found[list(batch.positions)] = outputs[:, : self._model.dimension]
        with np.errstate(invalid="ignore"):
            return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)

    @property
    def probes(self) -> list[str]:
        counted = self._tokenizer.token_ids(PROBES, prefix="")
        return [text for text, ids in zip(PROBES, counted, strict=True) if len(ids) <= self._model.max_tokens]

    def as_sentence_transformers(self) -> Vectors:
        """The same by `SentenceTransformer.encode`, which tokenizes by itself."""
        import numpy as np

        vectors = self.loaded.encode(
            self.probes,
            prompt="",
            batch_size=1,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_tensor=True,
        )
        return np.asarray(vectors.float().cpu().numpy()[:, : self._model.dimension], np.float32)


def load_encoder(
    files: SentenceFiles,
    tokenizer: LocalTokenizer,
    *,
    device: str,
    precision: str,
    batch_tokens: int | None,
) -> TorchEncoder:
    """Loads and checks an encoder.

    Args:
        device, precision: as the spec says them; `auto` is decided here.
        batch_tokens: None: as the device is made for.

    Raises:
        MissingPackage: torch or sentence-transformers is not installed.
        UsageError: the model cannot be loaded, or its files do not fit one another.
        Unavailable: the device is not there, a file is damaged, or it gives numbers that are none.
    """
    device = choose_device(device)
    chosen = choose_precision(precision, device)
    name = files.model.name

    def load(in_format: str) -> TorchEncoder:
        loaded = load_sentence_encoder(files, device, in_format)
        rows = loaded.transformers_model.get_input_embeddings().num_embeddings
        refuse_other_vocabulary(tokenizer, rows)
        return TorchEncoder(
            loaded,
            files.model,
            tokenizer,
            device=device,
            precision=in_format,
            batch_tokens=batch_tokens or BATCH_TOKENS[device],
        )

    saved = stored_in(read_object(files.folder / CONFIG))
    if precision == "auto" and chosen not in ("fp32", saved):
        made = near_enough(name, load, TorchEncoder.probe, cosines, chosen)
    else:
        made = load(chosen)
    found = made.probe()
    refuse_no_numbers(name, made.precision, found)
    refuse_other_reading(name, cosines(found, made.as_sentence_transformers()))
    return made
