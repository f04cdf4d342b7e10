"""Who asks while documents are replaced sees each of them whole: its old version or its new one.

One document of 50,000 chunks, with made-up vectors, is replaced again and again between two versions
while others ask in a loop; then small documents are, by `ragctl ingest`, while `ragctl ask` runs.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from ragctl.embedded.server import EmbeddedServer
from ragctl.state.migrations import SCHEMA
from ragctl.stores.pgvector import PgVectorStore
from ragctl.types import Chunk, Document, EmbeddedDocument
from workspace import Workspace

CHUNKS = 50_000
DIMENSION = 16
BIG = "big.txt"
REPLACEMENTS = 4
LOOKS_BETWEEN = 3
SMALL_DOCUMENTS = 6
SENTENCES = {"copper": 40, "silver": 80}
ASKED = 200

Connect = Callable[[], psycopg.Connection[Any]]


def big_document(version: str) -> EmbeddedDocument:
    """Every chunk's text begins with the version; `new` has one chunk more than `old`."""
    count = CHUNKS + (version == "new")
    drawn = np.random.default_rng(count).standard_normal((count, DIMENSION), dtype=np.float32)
    texts = [f"{version} {number:05}" for number in range(count)]
    size = len(texts[0])
    return EmbeddedDocument(
        document=Document(
            source="docs",
            path=BIG,
            uri=f"file:///{BIG}",
            text="".join(texts),
            title=version,
            media_type="text/plain",
            sections=(),
            item=BIG,
            digest=version,
            reader="text@1",
        ),
        chunks=tuple(
            Chunk(number, number * size, (number + 1) * size, text, text, tokens=4)
            for number, text in enumerate(texts)
        ),
        vectors=drawn / np.linalg.norm(drawn, axis=1, keepdims=True),
        input_hashes=tuple(text.encode() for text in texts),
    )


@dataclass
class Looks:
    """What one who asks in a loop has seen: each look gives the set of versions that it met."""

    seen: Counter[tuple[str, ...]] = field(default_factory=Counter)
    errors: list[BaseException] = field(default_factory=list)

    def whole(self) -> bool:
        """Did every look meet one version, and all looks together both?"""
        return not self.errors and set(self.seen) == {("old",), ("new",)}


@contextmanager
def looking(*looks: Callable[[], set[str]]) -> Iterator[list[Looks]]:
    """Each of `looks` is called in a loop of a thread of its own while the body runs."""
    ended = threading.Event()
    results = [Looks() for _ in looks]

    def loop(look: Callable[[], set[str]], result: Looks) -> None:
        try:
            while not ended.is_set():
                result.seen[tuple(sorted(look()))] += 1
        except BaseException as error:
            result.errors.append(error)

    threads = [threading.Thread(target=loop, args=pair) for pair in zip(looks, results, strict=True)]
    for thread in threads:
        thread.start()
    try:
        yield results
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def wait_for_looks(results: list[Looks]) -> None:
    """Until each has looked some more times, or has failed."""
    before = [sum(result.seen.values()) for result in results]
    while not all(
        result.errors or sum(result.seen.values()) >= count + LOOKS_BETWEEN
        for result, count in zip(results, before, strict=True)
    ):
        threading.Event().wait(0.01)


@pytest.fixture
def connect(connection: psycopg.Connection[Any], server_base: Path) -> Iterator[Connect]:
    """Opens connections to the session's server, in autocommit mode; they are closed after the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(EmbeddedServer(server_base / ".ragctl").connect(autocommit=True))


def test_a_large_document_is_never_seen_in_part(connect: Connect) -> None:
    def store() -> PgVectorStore:
        return PgVectorStore(connect(), schema=SCHEMA, prefix="whole", dimension=DIMENSION)

    versions = {version: big_document(version) for version in ("old", "new")}
    writer, reader, counting = store(), store(), connect()
    writer.create()
    writer.replace([versions["old"]])
    question = versions["old"].vectors[:1]

    def count() -> set[str]:
        row = counting.execute(
            "SELECT min(split_part(text, ' ', 1)), max(split_part(text, ' ', 1)), "
            f"(SELECT title FROM {SCHEMA}.whole_documents), count(*) FROM {SCHEMA}.whole_chunks"
        ).fetchone()
        assert row is not None
        return {*map(str, row[:3]), {CHUNKS: "old", CHUNKS + 1: "new"}.get(row[3], str(row[3]))}

    def search() -> set[str]:
        [hits] = reader.search(question, k=100)
        assert len(hits) == 100
        return {hit.text.split(" ")[0] for hit in hits} | {hit.title for hit in hits}

    with looking(count, search) as results:
        for version in itertools.islice(itertools.cycle(("new", "old")), REPLACEMENTS):
            wait_for_looks(results)
            writer.replace([versions[version]])
        wait_for_looks(results)
    writer.drop()
    for result in results:
        assert result.whole(), result


def write_version(workspace: Workspace, metal: str) -> None:
    """Documents of several chunks, each of which names the version; `silver` has more of them."""
    for number in range(SMALL_DOCUMENTS):
        text = " ".join(f"Part {part} of {number} is of {metal}." for part in range(SENTENCES[metal]))
        workspace.write(f"{number}.txt", text + "\n")


def chunks_of(workspace: Workspace) -> dict[str, int]:
    """How many chunks each document has."""
    names = [f"{number}.txt" for number in range(SMALL_DOCUMENTS)]
    return {name: len(workspace.call("show", name, "--format", "json").json["chunks"]) for name in names}


def test_ask_sees_whole_documents_while_they_are_ingested(workspace: Workspace) -> None:
    workspace.spec(ask={"query": {"k": 500}, "rank": {"top_n": 500}}, chunk={"overlap": 0})
    whole = {}
    for metal in SENTENCES:
        write_version(workspace, metal)
        workspace.ingest()
        whole[metal] = chunks_of(workspace)
    assert 1 < min(whole["copper"].values()) < min(whole["silver"].values())
    questions = workspace.base / f"{workspace.name}.questions"
    questions.write_text("\n".join(f"What is number {n} made of?" for n in range(ASKED)), encoding="utf-8")
    asking = workspace.process("ask", "--questions", str(questions), "--format", "json")
    with ThreadPoolExecutor() as listener:
        listening = listener.submit(asking.communicate)
        for metal in itertools.cycle(("copper", "silver")):
            write_version(workspace, metal)
            assert workspace.ingest()["counts"]["changed"] == SMALL_DOCUMENTS
            if listening.done():
                break
        answers, errors = listening.result()
    assert asking.returncode == 0, errors
    looks = [look(json.loads(line)["hits"]) for line in answers.splitlines()]
    assert len(looks) == ASKED
    for seen in looks:
        assert set(seen) == set(whole["copper"])
        for document, metals in seen.items():
            assert len(set(metals)) == 1, seen
            assert len(metals) == whole[metals[0]][document], seen
    assert {metals[0] for seen in looks for metals in seen.values()} == set(whole)


def look(hits: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The version of each chunk that was found, by document."""
    seen: dict[str, list[str]] = {}
    for hit in hits:
        [metal] = [one for one in SENTENCES if one in hit["text"]]
        seen.setdefault(hit["document"], []).append(metal)
    return seen
