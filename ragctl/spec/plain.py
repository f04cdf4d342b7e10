"""YAML text to plain data (dicts, tuples, strings, numbers), with places, and all mistakes on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ragctl.spec.mistakes import KeyPath, Mistake, MistakeFound, Place, PlaceAt, shown
from ragctl.spec.positions import Positions
from ragctl.spec.scalars import Refused, collection_tag_fits, scalar
from ragctl.spec.yaml_nodes import MAX_DEPTH, ListNode, MappingNode, Node, Parser, ScalarNode, compose

MAX_NODES = 50_000
"""Keys and values after aliases are written out; the classic alias bomb makes a billion."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)[^}]*\}?|^\$([A-Za-z_]\w*)")


class Broken:
    """Stands for a value that a mistake was already reported for."""

    def __repr__(self) -> str:
        return "BROKEN"


BROKEN = Broken()

Value = str | int | float | bool | None | tuple["Value", ...] | dict[str, "Value"] | Broken


@dataclass(slots=True)
class Plain:
    """What a text says: data, where everything stands, and what was wrong.

    `empty` is True if there was no value at all, only white space or comments.
    """

    data: Value
    positions: Positions
    mistakes: list[Mistake] = field(default_factory=list)
    empty: bool = False


def read_plain(
    text: str, place_at: PlaceAt, *, root: KeyPath = (), parser: type[Parser] | None = None
) -> Plain:
    """Reads YAML. `root` is where the value goes in the spec, for the mistakes' key paths.

    Raises:
        MistakeFound: nothing can be made of the text; see `compose`.
    """
    positions = Positions(place_at(1, 1))
    node = compose(text, place_at, parser)
    if node is None:
        return Plain(None, positions, empty=True)
    builder = _Builder(positions)
    data = builder.value(node, root, 0)
    return Plain(data, positions, builder.mistakes)


class _Builder:
    def __init__(self, positions: Positions) -> None:
        self.mistakes: list[Mistake] = []
        self._positions = positions
        self._nodes = 0

    def value(self, node: Node, path: KeyPath, depth: int, key: Place | None = None) -> Value:
        self._count(node, path, depth)
        self._positions.add(path, node.place, key)
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, ListNode):
            if not collection_tag_fits(node.tag, "seq"):
                return self._broken(node, path, "has a YAML tag (!…); a spec takes plain values only")
            return tuple(self.value(item, (*path, n), depth + 1) for n, item in enumerate(node.items))
        if not collection_tag_fits(node.tag, "map"):
            return self._broken(node, path, "has a YAML tag (!…); a spec takes plain values only")
        return self._mapping(node, path, depth)

    def _count(self, node: Node, path: KeyPath, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            text = f"holds more than {MAX_NODES} values, with each alias (*name) written out"
            raise MistakeFound(Mistake(node.place, path[:1], text))
        if depth > MAX_DEPTH:
            raise MistakeFound(Mistake(node.place, path[:1], f"is nested more than {MAX_DEPTH} levels deep"))

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Value:
        try:
            value = scalar(node)
        except Refused as refused:
            return self._broken(node, path, str(refused))
        if isinstance(value, str) and (problem := _unusable(value, path)):
            return self._broken(node, path, problem)
        return value

    def _mapping(self, node: MappingNode, path: KeyPath, depth: int) -> dict[str, Value]:
        result: dict[str, Value] = {}
        first: dict[str, Place] = {}
        own = [(key, value) for key, value in node.pairs if not _is_merge(key)]
        # What is merged in comes first, so that this mapping's own keys replace it, places included.
        for source in (value for key, value in node.pairs if _is_merge(key)):
            self._merge(source, path, result, depth)
        for key_node, value_node in own:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in first:
                text = f"is given twice; the first one is at {first[key]}"
                self.mistakes.append(Mistake(key_node.place, (*path, key), text))
                continue
            first[key] = key_node.place
            result[key] = self.value(value_node, (*path, key), depth + 1, key_node.place)
        return result

    def _merge(self, source: Node, path: KeyPath, result: dict[str, Value], depth: int) -> None:
        """`<<: *name` or `<<: [*first, *second]`: other mappings' keys; of two, the first has its way."""
        mappings = source.items if isinstance(source, ListNode) else [source]
        for mapping in reversed(mappings):
            if not isinstance(mapping, MappingNode):
                self._broken(source, path, "<<: takes an alias of a mapping, or a list of them")
                return
            self._count(mapping, path, depth + 1)
            result.update(self._mapping(mapping, path, depth + 1))

    def _key(self, node: Node, path: KeyPath) -> str | None:
        if not isinstance(node, ScalarNode):
            self._broken(node, path, "a key must be text; quote it if it begins with { or [")
            return None
        try:
            value = scalar(node)
        except Refused as refused:
            self._broken(node, path, f"as a key, {refused}")
            return None
        if isinstance(value, str):
            return value
        what = "nothing" if value is None else shown(node.text)
        self._broken(node, path, f"a key must be text, and {what} is not to YAML; quote it")
        return None

    def _broken(self, node: Node, path: KeyPath, text: str) -> Broken:
        self.mistakes.append(Mistake(node.place, path, text))
        return BROKEN


def _is_merge(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.plain and key.text == "<<"


def _unusable(value: str, path: KeyPath) -> str | None:
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        return "holds a character that no text may have (NUL or half of a surrogate pair)"
    if found := _VARIABLE.search(value):
        name = found.group(1) or found.group(2)
        if path and str(path[-1]).endswith("_env"):
            return f"takes the name alone: {name}"
        return (
            f"${{{name}}} stays as it is: nothing expands variables in a spec; write the value, or use --set"
        )
    return None
