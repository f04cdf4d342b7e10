"""How a spec names a file with a prompt, and what is in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from ragctl.spec.mistakes import KeyPath, shown
from ragctl.spec.section import wrong

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec
    from ragctl.spec.model import Spec

LONGEST = 100_000  # bytes
_KEYS = frozenset({"prompt", "stand_alone_prompt", "combine_prompt", "repair_prompt"})


def _inside(value: str) -> str:
    """Refuses what leads out of the spec's folder: a spec that somebody sends is to read no other file."""
    parts = value.replace("\\", "/").split("/")
    if value.startswith(("/", "\\", "~")) or ".." in parts or parts[0].endswith(":"):
        raise wrong(("", f"must be a file in the spec's folder or below it, not {shown(value)}"))
    if not value.isprintable():
        raise wrong(("", "must be printable characters on one line"))
    return value


PromptFile = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1_000,
        description="A file with another prompt, in the spec's folder or below it: what the system says, a "
        "line `---`, what the user says, with places such as `$question`. docs/answers.md has ragctl's own.",
    ),
    AfterValidator(_inside),
]


def prompt_files(spec: Spec) -> dict[KeyPath, str]:
    """The files with prompts that a spec names, by the key that names them."""
    return dict(_named(spec.ask.model_dump(mode="json"), ("ask",)))


def _named(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            if key in _KEYS and isinstance(one, str):
                yield (*path, key), one
            else:
                yield from _named(one, (*path, key))


def read_prompt(loaded: LoadedSpec, file: str) -> str:
    """The text of a prompt that the spec names, with \\n at the end of its lines.

    Raises:
        ValueError: it cannot be read, is too long or no text, or lies outside the spec's folder by way of a
            link.
    """
    if loaded.prompts is not None and file in loaded.prompts:
        return loaded.prompts[file]
    path = loaded.resolve(file)
    try:
        if not path.resolve().is_relative_to(Path(loaded.base).resolve()):
            raise ValueError("it lies outside the spec's folder")
        with path.open("rb") as opened:
            data = opened.read(LONGEST + 1)
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror or type(error).__name__}") from None
    if len(data) > LONGEST:
        raise ValueError(f"it has more than {LONGEST:,} bytes")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"it is not UTF-8 (line {line})") from None
