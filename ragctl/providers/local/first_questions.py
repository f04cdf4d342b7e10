"""The first questions of a process, embedded by NumPy before a model is compiled, if it ever is.

Importing OpenVINO and compiling a model take some 0.3 s, and as the process ends another 0.1 s go into giving
back what they took: far more than one question's embedding.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

from ragctl.providers.local.checks import encoder_check, refuse_other_vocabulary
from ragctl.providers.local.description import CONFIG, WEIGHTS
from ragctl.providers.local.kept_ready import kept

if TYPE_CHECKING:
    from ragctl.providers.local.batches import Batch
    from ragctl.providers.local.model_files import ModelFiles
    from ragctl.providers.local.numpy_forward import NumpyEncoder
    from ragctl.providers.local.tokenizer import LocalTokenizer

_LOG = logging.getLogger("ragctl")

MOST_QUESTIONS = 4
MOST_TOKENS = 256
"""At once. NumPy takes some 0.1 s for that many tokens, a third of what compiling takes."""

FIRST = 32
"""Questions of a process after which the compiled model pays. Warm, it saves 10 ms a question of 10 to 20
tokens (3 ms against 13, two cores, float32), so that what compiling costs is won back by about as many."""


class FirstQuestions:
    """Says which questions NumPy embeds, and keeps the model for it. Threads may share it.

    Args:
        files, tokenizer: called when they are needed.
    """

    def __init__(self, files: Callable[[], ModelFiles], tokenizer: Callable[[], LocalTokenizer]) -> None:
        self._files = files
        self._tokenizer = tokenizer
        self._left = FIRST
        self._encoder: NumpyEncoder | None = None
        self._lock = Lock()

    def begin(self) -> None:
        """Loads the model in a thread. What fails there fails again, and is seen, at the first question."""
        beside = ThreadPoolExecutor(1, thread_name_prefix="ragctl-model")
        beside.submit(self._loaded)
        beside.shutdown(wait=False)

    def encoder(self, batches: Sequence[Batch]) -> NumpyEncoder | None:
        """What embeds these batches; None if that is a compiled model's work.

        Raises:
            UsageError: the model's files do not fit one another.
            Unavailable: a file is damaged.
        """
        lengths = [int(length) for batch in batches for length in batch.lengths]
        if len(lengths) > MOST_QUESTIONS or sum(lengths) > MOST_TOKENS or not all(lengths):
            return None
        found = self._loaded()
        with self._lock:
            self._left -= len(lengths)
            return found if self._left >= 0 else None

    def close(self) -> None:
        """Gives the memory back: no question comes any more."""
        with self._lock:
            self._left = 0
            self._encoder = None

    def _loaded(self) -> NumpyEncoder | None:
        with self._lock:
            if self._encoder is None and self._left > 0:
                ready = kept(self._files())
                self._encoder = ready.encoder if ready else load_encoder(self._files(), self._tokenizer())
                if self._encoder is None:
                    self._left = 0
            return self._encoder


def load_encoder(files: ModelFiles, tokenizer: LocalTokenizer) -> NumpyEncoder | None:
    """The encoder, its files verified and its vectors checked; None if they are not what they should be.

    Raises:
        UsageError: the model's files do not fit one another.
        Unavailable: a file is damaged.
    """
    large = [name for name in files.model.sha256 if name.endswith(WEIGHTS)]
    # Hashing releases the interpreter's lock: on another processor it takes no time of its own.
    with ThreadPoolExecutor(1, thread_name_prefix="ragctl-checksum") as beside:
        intact = [beside.submit(files.verify, name) for name in large]
        try:
            made = _built(files, tokenizer)
            check = encoder_check(files.model, tokenizer, brief=True)
            sound = check.passes(made, None)
        finally:
            for one in intact:
                one.result()  # a damaged file is why anything else failed
    if sound:
        return made
    _LOG.warning("NumPy computes wrong vectors with %s (%s): OpenVINO is used", files.model.name, check.found)
    return None


def _built(files: ModelFiles, tokenizer: LocalTokenizer) -> NumpyEncoder:
    from ragctl.providers.local.architecture import Architecture
    from ragctl.providers.local.numpy_forward import NumpyEncoder
    from ragctl.providers.local.weights import WORDS, read_linear, read_weights
    from ragctl.providers.local.word_rows import WordRows

    shape = Architecture.from_config(json.loads(files.read(CONFIG)))
    path = files.path(WEIGHTS)
    weights = read_weights(path, shape.family, without={WORDS})
    words = WordRows(path, shape.family, shape.hidden)
    if files.model.reference is None:
        refuse_other_vocabulary(tokenizer, words.rows)
    modules = files.model.modules
    dense = [read_linear(files.path(f"{step.folder}/{WEIGHTS}")) for step in modules.dense]
    return NumpyEncoder(shape, weights, words, modules, dense)
