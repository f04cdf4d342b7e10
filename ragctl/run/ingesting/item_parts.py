"""Documents that are parts of an item: members of an archive, attachments, segments of a large text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeVar

from ragctl.plan import outer_paths
from ragctl.types import ItemKey

Value = TypeVar("Value")


def item_with(known: Mapping[ItemKey, Value], source: str, document: str) -> Value:
    """Of items by key, the one that a document came from.

    Raises:
        KeyError: none of them.
    """
    if (source, document) in known:
        return known[source, document]
    for path in outer_paths(document):
        if (source, path) in known:
            return known[source, path]
    raise KeyError((source, document))


def digest_of_part(digest: str, path: str) -> str:
    """The digest of one of several documents of an item: of the item's digest and of its path.

    It is never the item's own. So as long as only some of them are stored, the item is not taken for stored.
    """
    return hashlib.sha256(f"{digest}\n{path}".encode("utf-8", "surrogatepass")).hexdigest()
