"""What of a search's conditions the server decides: `=` and `in`, by the terms that objects carry.

The others (`!=`, `<`, `<=`, `>`, `>=`) are decided on what comes back, and more is asked for until enough of
it is left. The server's answer has no more than `MOST_RESULTS` objects; where too few of them are left, the
documents that fulfil the conditions are looked up in the whole collection, and only these are searched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from ragctl.conditions import DOCUMENT_KEYS, Condition
from ragctl.stores.conditions import fulfils, wanted_terms
from ragctl.stores.weaviate_writing import any_of

if TYPE_CHECKING:
    from weaviate.collections import Collection as Objects
    from weaviate.collections.classes.filters import _Filters

_PAGE = 1_000
# Each is 32 characters of a request.
_DOCUMENTS_AT_ONCE = 2_000


class WeaviateFilter:
    """Conditions on the documents of one search; there may be none."""

    def __init__(self, where: Sequence[Condition]) -> None:
        self._where = tuple(where)

    def keeps(self, values: Mapping[str, Any]) -> bool:
        """Does the document of an object fulfil all of them?"""
        return not self._where or fulfils(self._where, values, json.loads(values["metadata"]))

    @property
    def decided_by_server(self) -> bool:
        """Is what the server leaves out all that there is to be left out, but for rare accidents?"""
        return all(wanted_terms(one) is not None for one in self._where)

    def for_server(self) -> _Filters | None:
        """What the server is told; None if it is told nothing."""
        told = [any_of("terms", terms) for one in self._where if (terms := wanted_terms(one)) is not None]
        return reduce(and_, told) if told else None

    def of_documents(self, collection: Objects[Any, Any]) -> Iterator[_Filters]:
        """Filters that let through the documents that fulfil the conditions, and no others.

        By a look at every object: for where too few of an answer are left.
        """
        names = ["document", "metadata", *DOCUMENT_KEYS]
        objects = collection.iterator(return_properties=names, cache_size=_PAGE)
        found = sorted({one.properties["document"] for one in objects if self.keeps(one.properties)})
        for start in range(0, len(found), _DOCUMENTS_AT_ONCE):
            yield any_of("document", found[start : start + _DOCUMENTS_AT_ONCE])
