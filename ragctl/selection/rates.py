"""Tokens a second of an embedder that no run has measured yet: assumptions, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

_LOCAL_A_CORE = 5_000.0
_TORCH_A_CORE = 1_700.0
_TORCH_ON_GPU = 200_000.0
_REMOTE = 1_000_000 / 60


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens a second, and where the number is from. `measured`: by a run of this very index."""

    tokens_per_second: float
    source: str
    measured: bool = False


def assumed_rate(
    provider: str, *, on_gpu: bool = False, cores: int = 1, tokens_per_minute: int | None = None
) -> Rate:
    """What to reckon with until a run has measured it.

    Args:
        provider: of an embedder: local, huggingface, openai or cohere.
        on_gpu: huggingface will run on a GPU.
        cores: processors that this process may use.
        tokens_per_minute: the spec's own limit, which a server is not asked beyond.

    `local`: 60 to 86 texts of some 165 tokens a second on 2 cores of an AMD EPYC of the fourth generation by
    all-MiniLM-L6-v2, see docs/measurements.md. `huggingface` on the CPU: 21 of these texts a second there by
    `SentenceTransformer.encode(batch_size=32)`. A larger model is slower in proportion to its size. On a GPU:
    not measured. A server: 1,000,000 tokens a minute, the order of the limits that providers set for new
    customers; not measured, as it depends on server, network and contract.
    """
    if provider == "local":
        return Rate(_LOCAL_A_CORE * cores, f"assumed of a small model on {_cores(cores)}")
    if provider == "huggingface" and on_gpu:
        return Rate(_TORCH_ON_GPU, "assumed of a small model on a GPU, not measured")
    if provider == "huggingface":
        return Rate(_TORCH_A_CORE * cores, f"assumed of a small model by PyTorch on {_cores(cores)}")
    if tokens_per_minute is not None and tokens_per_minute / 60 < _REMOTE:
        return Rate(tokens_per_minute / 60, "the spec's tokens_per_minute")
    return Rate(_REMOTE, "assumed of a server, not measured")


def _cores(cores: int) -> str:
    return "1 core" if cores == 1 else f"{cores} cores"
