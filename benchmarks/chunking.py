"""How fast documents are cut, token counts included, beside other libraries' splitters.

    make bench-chunking

Text: the Markdown of this project's own documentation, and prose made of it, repeated to a few megabytes. In
turns, so that a busy machine hits all alike; the medians are printed. The others count tokens with the same
tokenizer, since sizes in tokens are what is compared; they keep no places, headings or embed inputs.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from ragctl.providers.local.model_files import find_files, known_model
from ragctl.providers.local.tokenizer import LocalTokenizer
from ragctl.readers.auto import AutoReader
from ragctl.registry import adapter_class
from ragctl.types import Document, Item

ROOT = Path(__file__).resolve().parents[1]
SPLITTERS = ("auto", "recursive", "sentence", "token")
MAX_TOKENS, OVERLAP = 256, 32


def documents(kind: str, megabytes: float) -> list[Document]:
    """Documents as a reader makes them, of some 100 kB each."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))]
    whole = "\n\n".join(texts)
    if kind == "prose":
        whole = re.sub(r"```.*?```", "", whole, flags=re.DOTALL)
        whole = re.sub(r"^(\||#).*$", "", whole, flags=re.MULTILINE)
        whole = re.sub(r"[`*\[\]]", "", whole)
    name = "a.md" if kind == "markdown" else "a.txt"
    made, size = [], 0
    while size < megabytes * 1e6:
        for start in range(0, len(whole), 100_000):
            data = whole[start : start + 100_000].encode("utf-8")
            if not data.strip() or size >= megabytes * 1e6:
                continue
            made += AutoReader().read(Item("docs", name, "file:///a", "f"), data)
            size += len(data)
    return made


def ours(name: str, tokenizer: LocalTokenizer) -> Callable[[list[Document]], int]:
    splitter = adapter_class("splitter", name)(
        tokenizer, max_tokens=MAX_TOKENS, overlap=OVERLAP, embedder_limit=MAX_TOKENS
    )
    return lambda some: sum(len(splitter.split(one).chunks) for one in some)


def langchain(tokenizer: LocalTokenizer) -> Callable[[list[Document]], int]:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        chunk_size=MAX_TOKENS,
        chunk_overlap=OVERLAP,
        length_function=lambda text: tokenizer.count([text])[0],
    )
    return lambda some: sum(len(splitter.split_text(one.text)) for one in some)


def langchain_markdown(tokenizer: LocalTokenizer) -> Callable[[list[Document]], int]:
    from langchain_text_splitters import MarkdownHeaderTextSplitter, RecursiveCharacterTextSplitter

    headers = MarkdownHeaderTextSplitter([("#" * level, str(level)) for level in range(1, 5)])
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=MAX_TOKENS,
        chunk_overlap=OVERLAP,
        length_function=lambda text: tokenizer.count([text])[0],
    )
    return lambda some: sum(len(splitter.split_documents(headers.split_text(one.text))) for one in some)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=("markdown", "prose"), action="append")
    given = parser.parse_args()
    tokenizer = LocalTokenizer(find_files(known_model("all-MiniLM-L6-v2")))
    for kind in given.kind or ("markdown", "prose"):
        some = documents(kind, given.megabytes)
        size = sum(len(one.text.encode("utf-8")) for one in some) / 1e6
        sides = {f"ragctl {name}": ours(name, tokenizer) for name in SPLITTERS}
        sides["ragctl counting alone"] = lambda docs: sum(tokenizer.count([one.text])[0] for one in docs)
        sides["langchain recursive"] = langchain(tokenizer)
        if kind == "markdown":
            sides["langchain headings, recursive"] = langchain_markdown(tokenizer)
        took: dict[str, list[float]] = {name: [] for name in sides}
        chunks: dict[str, int] = {}
        for side in sides.values():
            side(some[:1])  # what is loaded at the first call
        for _ in range(given.rounds):
            for name, side in sides.items():
                before = time.process_time()
                chunks[name] = side(some)
                took[name].append(time.process_time() - before)
        print(f"\n{kind}: {len(some)} documents, {size:.2f} MB")
        for name, seconds in took.items():
            middle = statistics.median(seconds)
            print(f"  {name:<30} {size / middle:7.2f} MB/s of CPU time   {chunks[name]:>8,} chunks")


if __name__ == "__main__":
    main()
