"""Where each key and each value of a spec stands in its text."""

from __future__ import annotations

from ragctl.spec.mistakes import KeyPath, Place


class Positions:
    """Places of keys and values by path; a path that is not there gives its nearest ancestor's place."""

    def __init__(self, start: Place) -> None:
        self._values: dict[KeyPath, Place] = {(): start}
        self._keys: dict[KeyPath, Place] = {}

    def add(self, path: KeyPath, value: Place, key: Place | None = None) -> None:
        """Remembers where the value stands and, for an entry of a mapping, where its key does."""
        self._values[path] = value
        if key is not None:
            self._keys[path] = key

    def override(self, path: KeyPath, place: Place) -> None:
        """From now on everything at and under `path` comes from `place`."""
        for places in (self._values, self._keys):
            for old in [known for known in places if known[: len(path)] == path]:
                del places[old]
        self._values[path] = place

    def fill(self, path: KeyPath, place: Place) -> None:
        """What lies on the way to `path` and stands nowhere yet comes from `place`."""
        for length in range(1, len(path)):
            self._values.setdefault(path[:length], place)

    def value(self, path: KeyPath) -> Place:
        """Where the value begins."""
        while path and path not in self._values:
            path = path[:-1]
        return self._values[path]

    def key(self, path: KeyPath) -> Place:
        """Where the key begins; the value's place if there is no key, as in a list."""
        return self._keys.get(path) or self.value(path)
