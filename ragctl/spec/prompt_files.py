"""How a spec names a file with a prompt."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ragctl.spec.mistakes import shown
from ragctl.spec.section import wrong


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
