"""Objects of a collection: from a document with its vectors, and to a hit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.stores.conditions import terms_of
from ragctl.stores.text_analysis import words
from ragctl.stores.weaviate_schema import UNSPACED, document_key, object_id
from ragctl.types import EmbeddedDocument, Hit, ItemKey

if TYPE_CHECKING:
    from weaviate.classes.data import DataObject

VECTOR = "default"
"""The name of the one vector of an object."""

HIT_PROPERTIES = [
    "source",
    "path",
    "version",
    "ordinal",
    "uri",
    "title",
    "metadata",
    "media_type",
    "span_start",
    "span_end",
    "text",
    "headings",
    "line",
    "page",
    "sheet",
]


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object to be written.

    Attributes:
        where: document and chunk, for people.
        bytes: about so many go over the wire.
    """

    data: DataObject[dict[str, Any], None]
    where: str
    bytes: int


def new_objects(
    document: EmbeddedDocument, *, version: int, fingerprint: str, language: str
) -> Iterator[NewObject]:
    """An object a chunk; what is not known of one is left out."""
    from weaviate.classes.data import DataObject

    one = document.document
    key = (one.source, one.path)
    shared = {
        "document": document_key(key),
        "version": version,
        "source": one.source,
        "path": one.path,
        "item": one.item,
        "uri": one.uri,
        "title": one.title,
        "media_type": one.media_type,
        "digest": one.digest,
        "reader": one.reader,
        "fingerprint": fingerprint,
        "metadata": json.dumps(dict(one.metadata)),
        "chunks": len(document.chunks),
    }
    shared["terms"] = terms_of(shared, one.metadata)
    for chunk, vector, digest in zip(document.chunks, document.vectors, document.input_hashes, strict=True):
        values = {
            **shared,
            "ordinal": chunk.ordinal,
            "span_start": chunk.start,
            "span_end": chunk.end,
            "text": chunk.text,
            "headings": list(chunk.headings),
            "line": chunk.line,
            "page": chunk.page,
            "sheet": chunk.sheet,
            "tokens": chunk.tokens,
            "input_hash": digest.hex(),
            "words": " ".join(words(chunk.embed_input)) if language in UNSPACED else None,
        }
        known = {name: value for name, value in values.items() if value is not None}
        text_bytes = sum(len(value.encode()) for value in known.values() if isinstance(value, str))
        yield NewObject(
            data=DataObject(
                properties=known,
                uuid=object_id(key, version, chunk.ordinal),
                vector={VECTOR: vector.tolist()},
            ),
            where=f"{one.source}:{one.path}, chunk {chunk.ordinal}",
            bytes=text_bytes + vector.nbytes + 1024,
        )


def key_of(values: Mapping[str, Any]) -> ItemKey:
    """(source, path) of an object's document."""
    return values["source"], values["path"]


def is_current(values: Mapping[str, Any], current: Mapping[ItemKey, int]) -> bool:
    """Is the object of the version that its document has there?"""
    return bool(current.get(key_of(values)) == values["version"])


def hit_of(kind: str, number: int, score: float, values: Mapping[str, Any]) -> Hit:
    """The `number`th hit, from 1, of a search of this kind (`dense`, `lexical`)."""
    return Hit(
        score=score,
        source=values["source"],
        document=values["path"],
        uri=values["uri"],
        title=values["title"],
        start=values["span_start"],
        end=values["span_end"],
        text=values["text"],
        headings=tuple(values.get("headings") or ()),
        line=values.get("line"),
        page=values.get("page"),
        sheet=values.get("sheet"),
        metadata=json.loads(values["metadata"]),
        trail={kind: {"rank": number, "score": score}},
    )


def chunk_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """A chunk as `show` lists it."""
    return {
        "ordinal": values["ordinal"],
        "start": values["span_start"],
        "end": values["span_end"],
        "line": values.get("line"),
        "page": values.get("page"),
        "sheet": values.get("sheet"),
        "headings": list(values.get("headings") or ()),
        "tokens": values["tokens"],
        "text": values["text"],
    }
