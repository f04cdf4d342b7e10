"""Counts tokens for Cohere's models, whose tokenizers come with no package."""

from __future__ import annotations

from pathlib import Path

from ragctl.providers.remote.counting import ByteTokenizer, RemoteTokenizer
from ragctl.providers.remote.tokenizer_file import FileTokenizer

BYTES = "bytes"
"""As `tokenizer`: the upper bound, said aloud."""


def tokenizer_for(
    tokenizer: Path | str | None, *, base: Path | None = None, prefix: str = ""
) -> RemoteTokenizer:
    """Counts as the model does, or an upper bound; see its `exact`.

    Args:
        tokenizer: None or `bytes` for the upper bound; otherwise a `tokenizer.json`, or a folder or an
            installed package with one. Cohere publishes them on the model hub, and names the address of
            each in the answer to `GET /v1/models/MODEL`.
        base: the directory that `tokenizer` is relative to.
        prefix: what stands before every passage.

    Raises:
        UsageError: `tokenizer` names nothing.
    """
    if tokenizer is None or str(tokenizer) == BYTES:
        return ByteTokenizer(prefix)
    return FileTokenizer(tokenizer, base=base, prefix=prefix)
