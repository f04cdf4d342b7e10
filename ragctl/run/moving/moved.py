"""What was carried, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA_VERSION = 1


@dataclass(slots=True)
class Moved:
    """What a copy, an export or an import did.

    Attributes:
        origin, target: an index and where its spec is, or a file.
        generation: number of the generation that was read (an export) or made (the others).
        written: documents that were written; the others lay there already, from a run that was stopped.
        content: the sum of the documents' digests, see `ContentSum`.
        published: the generation is the one that is asked now.
        interrupted: it was asked to stop before the end.
        notes: what is to be known about it besides.
        bytes: of the files that were written or read; None of a copy.
    """

    action: Literal["copy", "export", "import"]
    origin: str
    target: str
    generation: int = 0
    documents: int = 0
    chunks: int = 0
    written: int = 0
    content: str = ""
    published: bool = False
    interrupted: bool = False
    seconds: float = 0.0
    bytes: int | None = None
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The document of `--format json`; fields may be added, none changed."""
        return {
            "schema_version": SCHEMA_VERSION,
            "action": self.action,
            "from": self.origin,
            "to": self.target,
            "generation": self.generation,
            "documents": self.documents,
            "chunks": self.chunks,
            "written": self.written,
            "embedded": 0,
            "content": self.content,
            "published": self.published,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
            "bytes": self.bytes,
            "notes": self.notes,
        }
