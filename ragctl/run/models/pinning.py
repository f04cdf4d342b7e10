"""What a spec and its lock say together of the embedder: the commit that is pinned, the limit that binds."""

from __future__ import annotations

from ragctl.errors import LockBroken, SpecError
from ragctl.spec.load import LoadedSpec
from ragctl.spec.lock import read_lock


def pinned_commit(loaded: LoadedSpec, model: str) -> str | None:
    """The commit of the hub that the lock pins for this model; None if it pins none.

    A lock that cannot be read pins nothing here: whoever compares the lock says what is wrong with it, and
    `--relock` replaces it.
    """
    try:
        lock = loaded.lock.lock if loaded.lock else read_lock(loaded.path)
    except LockBroken:
        return None
    if lock is None or lock.embedder.get("model") != model:
        return None
    commit = lock.embedder.get("hub_commit")
    return commit if isinstance(commit, str) else None


def refuse_long_chunks(loaded: LoadedSpec, model: str, limit: int) -> None:
    """Compares `chunk.max_tokens` with what the model reads, which a spec alone does not know.

    Raises:
        SpecError: a chunk could be longer.
    """
    chosen, where = loaded.spec.chunk.max_tokens, loaded.where("chunk.max_tokens")
    if chosen > limit:
        text = f"chunk.max_tokens: must be at most {limit}, which is all that {model} reads, not {chosen}"
        raise SpecError(text, where=where, mistakes=(f"{where}: {text}",))
