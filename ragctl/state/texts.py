"""Extracted text, kept so that planning, ingesting and re-chunking parse an item once."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ragctl.types import Anchor, Block, Document, Item, ItemKey, Section

if TYPE_CHECKING:
    from psycopg import Connection

# Written together, in one transaction that does not wait for the disk: what a crash loses is parsed again.
FLUSH_ITEMS = 100
FLUSH_BYTES = 4_000_000


class TextCache:
    """The documents that each item gave, by the item's fingerprint and the recipe's extract part.

    One entry an item: the last one. Compressed JSON in the state's database.

    Args:
        among: the only items that will be looked for; all that there are if None.
    """

    def __init__(
        self,
        connection: Connection[Any],
        index: str,
        extract: str,
        *,
        among: Sequence[ItemKey] | None = None,
    ) -> None:
        self._connection = connection
        self._index = index
        self._extract = extract
        self._among = among
        self._unwritten: dict[tuple[str, str], tuple[str, str, bytes]] = {}
        self._kept: set[ItemKey] | None = None

    def find(self, item: Item, digest: str | None = None) -> list[Document] | None:
        """The item's documents if they were extracted before, else None.

        Args:
            digest: SHA-256 (hex) of the item's bytes, if they were read; without it the fingerprint
                decides, and the item need not be opened.
        """
        if digest is None and not (item.fingerprint and item.settled):
            return None
        if not self._has_any(item):
            return None
        row = self._connection.execute(
            "SELECT documents FROM texts WHERE index_name = %s AND source = %s AND path = %s "
            "AND extract = %s AND (digest = %s OR (%s::text IS NULL AND fingerprint = %s))",
            (self._index, item.source, item.path, self._extract, digest, digest, item.fingerprint),
        ).fetchone()
        return [_document(entry, item) for entry in json.loads(zlib.decompress(row[0]))] if row else None

    def _has_any(self, item: Item) -> bool:
        """Is anything of it kept? Looked up in memory: a first ingest would ask twice for each item."""
        if self._kept is None:
            self._kept = self._look_up()
        return (item.source, item.path) in self._kept

    def _look_up(self) -> set[ItemKey]:
        every = "SELECT source, path FROM texts WHERE index_name = %s AND extract = %s"
        if self._among is None:
            return set(self._connection.execute(every, (self._index, self._extract)).fetchall())
        keys = [source for source, _ in self._among], [path for _, path in self._among]
        only = f"{every} AND (source, path) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
        return set(self._connection.execute(only, (self._index, self._extract, *keys)).fetchall())

    def keep(self, item: Item, digest: str, documents: list[Document]) -> None:
        """Remembers what `item` gave. Written by `flush`, or when enough has come together."""
        packed = zlib.compress(json.dumps([_entry(one) for one in documents]).encode("utf-8"), 1)
        fingerprint = item.fingerprint if item.settled else ""
        self._unwritten[item.source, item.path] = (fingerprint, digest, packed)
        size = sum(len(entry[2]) for entry in self._unwritten.values())
        if len(self._unwritten) >= FLUSH_ITEMS or size >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what is not written yet."""
        if not self._unwritten:
            return
        rows = [(source, path, *entry) for (source, path), entry in self._unwritten.items()]
        with self._connection.transaction():
            self._connection.execute("SET LOCAL synchronous_commit = off")
            self._connection.execute(
                """
                INSERT INTO texts (index_name, extract, source, path, fingerprint, digest, documents)
                SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[])
                ON CONFLICT (index_name, source, path) DO UPDATE SET
                    extract = excluded.extract, fingerprint = excluded.fingerprint,
                    digest = excluded.digest, documents = excluded.documents
                """,
                (self._index, self._extract, *(list(column) for column in zip(*rows, strict=True))),
            )
        if self._kept is not None:
            self._kept.update(self._unwritten)
        self._unwritten.clear()

    def last(self, key: ItemKey) -> list[Document]:
        """What this item gave when it was last read, whatever has become of it; empty if nothing is kept."""
        row = self._connection.execute(
            "SELECT documents FROM texts WHERE index_name = %s AND source = %s AND path = %s",
            (self._index, *key),
        ).fetchone()
        item = Item(*key, uri="", fingerprint="")
        return [_document(entry, item) for entry in json.loads(zlib.decompress(row[0]))] if row else []

    def forget(self, items: list[ItemKey]) -> int:
        """Removes the entries of these items; returns how many there were."""
        return self._connection.execute(
            "DELETE FROM texts WHERE index_name = %s "
            "AND (source, path) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
            (self._index, [source for source, _ in items], [path for _, path in items]),
        ).rowcount


def _entry(document: Document) -> dict[str, Any]:
    entry = asdict(document)
    del entry["source"], entry["item"]
    return entry


def _document(entry: dict[str, Any], item: Item) -> Document:
    sections = tuple(Section(one["start"], one["end"], tuple(one["headings"])) for one in entry["sections"])
    anchors = tuple(Anchor(**one) for one in entry["anchors"])
    blocks = tuple(Block(**one) for one in entry.get("blocks", ()))  # earlier releases had none
    parts = {"sections": sections, "anchors": anchors, "blocks": blocks}
    return Document(**{**entry, "source": item.source, "item": item.path, **parts})
