"""What a generation is called in Weaviate, and what its collection is made of."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ragctl.stores.lexical_question import K1, B
from ragctl.types import ItemKey

if TYPE_CHECKING:
    from weaviate.classes.config import Property

Kind = Literal["name", "number", "count", "shown", "searched", "searched list", "words", "terms"]

PROPERTIES: dict[str, Kind] = {
    "document": "name",
    "version": "number",
    "source": "name",
    "path": "name",
    "item": "name",
    "uri": "shown",
    "title": "searched",
    "media_type": "name",
    "digest": "shown",
    "reader": "shown",
    "fingerprint": "shown",
    "metadata": "shown",
    "terms": "terms",
    "chunks": "count",
    "ordinal": "number",
    "span_start": "count",
    "span_end": "count",
    "text": "searched",
    "headings": "searched list",
    "line": "count",
    "page": "count",
    "sheet": "shown",
    "tokens": "count",
    "input_hash": "name",
    "words": "words",
}
"""Every object is a chunk, and carries what is known of its document too.

`document` is a digest of source and path: Weaviate trims white space from a text before it compares it
whole. `chunks` is how many the document has in this version. `words` is filled where Weaviate's own
`word` tokenization finds none, see `UNSPACED`. `terms` are what conditions of a search are looked for by, see
`ragctl.stores.conditions`.
"""

UNSPACED = frozenset({"chinese", "japanese", "korean"})
"""Languages without spaces between words. Weaviate can cut them only where its server was told to."""

_NAMESPACE = uuid.UUID("3a1f6f0e-7d1f-5c7e-9a46-6f1f0b7c2d51")
_PLAIN = re.compile(r"[a-z][a-z0-9_]*")


def collection_name(name: str) -> str:
    """The collection or alias for an index `docs` or a generation's prefix `docs_g3`: `Docs`, `Docs_g3`.

    Weaviate wants a capital letter first; a name that begins with a digit gets `IX` before it.

    Raises:
        ValueError: it has other characters than lower-case letters, digits and _.
    """
    plain = name if name[:1].isalpha() else f"ix{name}"
    if not name or not _PLAIN.fullmatch(plain):
        raise ValueError(f"{name!r} is no name of an index")
    return f"IX{name}" if plain != name else name[0].upper() + name[1:]


def document_key(document: ItemKey) -> str:
    """32 hexadecimal digits for (source, path)."""
    return uuid.uuid5(_NAMESPACE, json.dumps(document)).hex


def object_id(document: ItemKey, version: int, ordinal: int) -> uuid.UUID:
    """The same for the same chunk of the same version: what is sent twice is there once."""
    return uuid.uuid5(_NAMESPACE, json.dumps([*document, version, ordinal]))


def searched_properties(language: str) -> list[str]:
    """Those that a search by words looks at."""
    return ["words"] if language in UNSPACED else ["text", "headings", "title"]


def properties(names: Sequence[str] = tuple(PROPERTIES)) -> list[Property]:
    """Their definitions."""
    return [_property(name, PROPERTIES[name]) for name in names]


def _property(name: str, kind: Kind) -> Property:
    from weaviate.classes.config import DataType, Property, Tokenization

    if kind in ("number", "count"):
        used = kind == "number"
        return Property(name=name, data_type=DataType.INT, index_filterable=used, index_range_filters=used)
    tokenization = {"searched": Tokenization.WORD, "searched list": Tokenization.WORD}.get(
        kind, Tokenization.WHITESPACE if kind == "words" else Tokenization.FIELD
    )
    return Property(
        name=name,
        data_type=DataType.TEXT_ARRAY if kind in ("searched list", "terms") else DataType.TEXT,
        index_filterable=kind in ("name", "terms"),
        index_searchable=kind in ("searched", "searched list", "words"),
        tokenization=tokenization,
    )


def configuration(
    *, language: str, tenants: bool, ef_construction: int, max_connections: int
) -> dict[str, Any]:
    """The other arguments of `collections.create`: own vectors, HNSW by cosine, BM25 as pgvector's."""
    from weaviate.classes.config import Configure, StopwordsPreset, VectorDistances

    hnsw = Configure.VectorIndex.hnsw(
        distance_metric=VectorDistances.COSINE,
        ef_construction=ef_construction,
        max_connections=max_connections,
    )
    stopwords = StopwordsPreset.EN if language == "english" else StopwordsPreset.NONE
    return {
        "vector_config": Configure.Vectors.self_provided(vector_index_config=hnsw),
        "inverted_index_config": Configure.inverted_index(bm25_k1=K1, bm25_b=B, stopwords_preset=stopwords),
        "multi_tenancy_config": Configure.multi_tenancy(enabled=tenants),
    }
