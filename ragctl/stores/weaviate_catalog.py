"""Which generations' collections lie on a server, the note that each carries, and the alias.

The note is the collection's description: it goes into every backup and disappears with the collection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch
from ragctl.stores.found_generation import FoundGeneration, note_of_text
from ragctl.stores.weaviate_faults import RefusedObjects, weaviate_errors
from ragctl.stores.weaviate_schema import collection_name

if TYPE_CHECKING:
    from weaviate import WeaviateClient


class WeaviateCatalog:
    """The generations' collections on a server."""

    def __init__(self, client: WeaviateClient) -> None:
        self._client = client

    def found(self, index: str) -> list[FoundGeneration]:
        """Every generation of an index that has a collection, by number, whatever the state says of it."""
        pattern = re.compile(rf"{re.escape(collection_name(index))}_g([0-9]{{1,9}})")
        with weaviate_errors():
            every = self._client.collections.list_all(simple=True)
        numbers = {
            int(match[1]): config.description
            for name, config in every.items()
            if (match := pattern.fullmatch(name))
        }
        return [
            FoundGeneration(number, documents=True, chunks=True, note=note_of_text(description))
            for number, description in sorted(numbers.items())
        ]

    def write_note(self, prefix: str, note: Mapping[str, Any]) -> None:
        """Puts a note on the collection of a generation, instead of any that it has."""
        with weaviate_errors():
            collection = self._client.collections.use(collection_name(prefix))
            collection.config.update(description=json.dumps(dict(note)))

    def name_of(self, prefix: str) -> str:
        """Of a generation's collection."""
        return collection_name(prefix)

    def refuse_taken(self, index: str) -> None:
        """Sees that the index's name is free for its alias, or is it already.

        Raises:
            Mismatch: a collection has it.
        """
        if self.alias(index) is not None:
            return
        with weaviate_errors():
            taken = self._client.collections.exists(collection_name(index))
        if taken:
            raise Mismatch(
                f"a collection is called {collection_name(index)!r}, which is to be the name of the index's "
                "alias; nothing was written",
                where="store.index",
                hint="give the spec another store.index, or remove that collection",
            )

    def alias(self, index: str) -> str | None:
        """The collection that the index's alias leads to."""
        with weaviate_errors():
            found = self._client.alias.get(alias_name=collection_name(index))
        return found.collection if found is not None else None

    def set_alias(self, index: str, prefix: str) -> None:
        """Readers from outside who ask for the index by its name get this generation from now on.

        Call it once the pointer in the state has been moved. If the process is killed in between, the
        alias is behind until it is called again.

        Raises:
            Mismatch: a collection has that name already, or the generation has none.
        """
        name, target = collection_name(index), collection_name(prefix)
        try:
            with weaviate_errors():
                found = self._client.alias.get(alias_name=name)
                if found is not None and found.collection == target:
                    return
                if found is None:
                    self._client.alias.create(alias_name=name, target_collection=target)
                else:
                    self._client.alias.update(alias_name=name, new_target_collection=target)
        except RefusedObjects as error:
            raise Mismatch(
                f"the alias {name!r} cannot be made to lead to the collection {target!r}: {error.message}",
                where="store.index",
                hint=f"a collection of another program may be called {name!r}: give the spec another "
                "store.index, or remove that collection",
            ) from error

    def remove_alias(self, index: str) -> None:
        """For an index that has no generation to be asked any more."""
        with weaviate_errors():
            self._client.alias.delete(alias_name=collection_name(index))
