"""What readers and the splitter make of the documents beside this file, in a form that can be pinned.

    python tests/golden/outputs.py

adds what is not pinned yet to `expected.json`, new documents among it, and changes nothing that is. So a
change of output needs a new `output_version`, under which the new output is pinned; old entries may then go.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ragctl.ports import Tokenizer
from ragctl.providers.local.model_files import find_files, known_model
from ragctl.providers.local.tokenizer import LocalTokenizer
from ragctl.readers.auto import AutoReader
from ragctl.splitters.auto import AutoSplitter
from ragctl.types import RECORD_MEDIA_TYPE, Chunk, Document, Item

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "expected.json"

BINARY = frozenset((".docx", ".pptx", ".xlsx", ".odt", ".epub", ".pdf"))

Outputs = dict[str, dict[str, Any]]


def read_all() -> dict[str, Document]:
    """The golden documents, by path."""
    documents: dict[str, Document] = {}
    for path in sorted((HERE / "documents").iterdir()):
        declared = RECORD_MEDIA_TYPE if path.name == "record.json" else None
        item = Item("golden", path.name, f"file:///{path.name}", "f", media_type=declared)
        data = path.read_bytes()
        if path.suffix not in BINARY:  # line ends as in the repository, however it was checked out
            data = data.replace(b"\r\n", b"\n")
        for document in AutoReader().read(item, data):
            documents[document.path] = document
    return documents


def outputs(tokenizer: Tokenizer) -> Outputs:
    """By `name@output_version`, then by file name."""
    made: Outputs = {}
    splitter = AutoSplitter(tokenizer, max_tokens=96, overlap=16, min_tokens=32, embedder_limit=256)
    for name, document in read_all().items():
        made.setdefault(document.reader, {})[name] = _of_reader(document)
        chunks = splitter.split(document).chunks
        made.setdefault(f"auto-splitter@{splitter.output_version}", {})[name] = list(map(_of_chunk, chunks))
    return made


def _of_chunk(chunk: Chunk) -> list[Any]:
    headings = " > ".join(chunk.headings)
    return [chunk.start, chunk.end, chunk.line, chunk.tokens, headings, _digest(chunk.embed_input)]


def _of_reader(document: Document) -> dict[str, Any]:
    return {
        "title": document.title,
        "text": _digest(document.text),
        "characters": len(document.text),
        "sections": [[one.start, one.end, " > ".join(one.headings)] for one in document.sections],
        "anchors": [[one.start, one.line] for one in document.anchors],
        "metadata": dict(document.metadata),
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def expected() -> Outputs:
    """What is pinned."""
    pinned: Outputs = json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.exists() else {}
    return pinned


def _pin() -> None:
    tokenizer = LocalTokenizer(find_files(known_model("all-MiniLM-L6-v2")))
    made, old = outputs(tokenizer), expected()
    pinned = {maker: {**made.get(maker, {}), **old.get(maker, {})} for maker in made.keys() | old.keys()}
    makers = ",\n".join(f" {json.dumps(maker)}: {{\n{_lines(pinned[maker])}\n }}" for maker in sorted(pinned))
    EXPECTED.write_text(f"{{\n{makers}\n}}\n", encoding="utf-8", newline="\n")


def _lines(files: dict[str, Any]) -> str:
    """A line a file, so that a difference shows which."""
    return ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(files[name], ensure_ascii=False)}" for name in sorted(files)
    )


if __name__ == "__main__":
    _pin()
