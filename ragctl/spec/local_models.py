"""How a spec names a model that runs in this process. What the name stands for is looked up in a run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ragctl.spec.mistakes import closest, shown
from ragctl.spec.section import wrong

LOCAL_MODEL_TOKENS = {"all-MiniLM-L6-v2": 256}
"""Local models that ragctl knows and the longest input each reads, in its own tokens, special ones too."""

_LONGEST_NAME = 1_000
_SAME_BEGINNING = 5


def _place(value: Any) -> Any:
    """A folder, a package or a name on the hub: any text that can be one."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise wrong(("", "must not be empty; name a model, such as all-MiniLM-L6-v2"))
    if value == "~" or value.startswith(("~/", "~\\")):
        raise wrong(("", "~ is not expanded; write the path relative to the spec file, or in full"))
    if not value.isprintable() or len(value) > _LONGEST_NAME:
        raise wrong(("", "must be printable characters on one line, at most 1000"))
    return value


def _encoder(value: Any) -> Any:
    """The same; what looks like a slip of the pen in a known name is taken for one."""
    value = _place(value)
    if isinstance(value, str) and value not in LOCAL_MODEL_TOKENS and not set(value) & set("/\\"):
        near = closest(value, LOCAL_MODEL_TOKENS)
        if near and near[:_SAME_BEGINNING].lower() == value[:_SAME_BEGINNING].lower():
            raise wrong(("", f"unknown model {shown(value)}; did you mean '{near}'?"))
    return value


def _device(value: Any) -> Any:
    """Refuses `gpu`, which is nearer to `cpu` than to what it means."""
    if isinstance(value, str) and value.lower() == "gpu":
        known = "'cuda' is NVIDIA's, 'mps' Apple's, and 'auto' takes what is there"
        raise wrong(("", f"unknown value {shown(value)}; {known}"))
    return value


Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], BeforeValidator(_device)]
ModelPlace = Annotated[str, BeforeValidator(_place)]
EncoderPlace = Annotated[str, BeforeValidator(_encoder)]
