"""YAML text to a tree of nodes with places: bounded, without tags that make objects.

The tree is built from the parser's events and not by PyYAML's own composer, because that one
recurses as deep as the text nests, and because aliases must be counted where they are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import yaml

from ragctl.spec.mistakes import Mistake, MistakeFound, Place, PlaceAt, shown
from ragctl.spec.yaml_errors import syntax_mistake

MAX_DEPTH = 24
"""Levels of nesting; a spec needs five."""


@dataclass(slots=True)
class ScalarNode:
    """A value without parts. `plain`: neither quoted nor a block nor tagged, so YAML guesses its type."""

    text: str
    plain: bool
    tag: str | None
    place: Place


@dataclass(slots=True)
class ListNode:
    tag: str | None
    place: Place
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class MappingNode:
    tag: str | None
    place: Place
    pairs: list[tuple[Node, Node]] = field(default_factory=list)


Node = ScalarNode | ListNode | MappingNode
N = TypeVar("N", ScalarNode, ListNode, MappingNode)


class Parser(Protocol):
    """What is used of PyYAML's two parsers."""

    def __init__(self, stream: str) -> None: ...

    def check_event(self, *choices: type) -> bool: ...

    def get_event(self) -> Any: ...


def parser_class() -> type[Parser]:
    """libyaml's parser where PyYAML was built with it, else the one in Python: the same events, slower."""
    chosen: type[Parser] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return chosen


def compose(text: str, place_at: PlaceAt, parser: type[Parser] | None = None) -> Node | None:
    """The tree of the text's one document; None if it holds none. An alias is the very node it names.

    Raises:
        MistakeFound: the text is not YAML, nests too deep, holds several documents, or an alias
            names nothing or what it stands in itself.
    """
    try:
        return _Composer(_events(text, parser or parser_class()), place_at).document()
    except yaml.YAMLError as error:
        raise MistakeFound(syntax_mistake(error, text, place_at)) from None


def _events(text: str, parser: type[Parser]) -> Iterator[Any]:
    loader = parser(text)
    while loader.check_event():
        yield loader.get_event()


class _Composer:
    def __init__(self, events: Iterator[Any], place_at: PlaceAt) -> None:
        self._events = events
        self._place_at = place_at
        self._anchors: dict[str, Node] = {}
        self._open: set[int] = set()

    def document(self) -> Node | None:
        next(self._events)  # the start of the stream
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return None
        root = self._node(next(self._events), 0)
        next(self._events)  # the end of the document
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            text = "a second YAML document begins here; a file holds one spec"
            raise self._mistake(event, text)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._mistake(event, f"is nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        place = self._place(event)
        if isinstance(event, yaml.ScalarEvent):
            plain = event.tag is None and not event.style
            return self._anchored(event, ScalarNode(event.value, plain, event.tag, place))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(self._anchored(event, ListNode(event.tag, place)), depth)
        return self._mapping(self._anchored(event, MappingNode(event.tag, place)), depth)

    def _list(self, node: ListNode, depth: int) -> ListNode:
        self._open.add(id(node))
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            node.items.append(self._node(event, depth + 1))
        self._open.remove(id(node))
        return node

    def _mapping(self, node: MappingNode, depth: int) -> MappingNode:
        self._open.add(id(node))
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            node.pairs.append((key, self._node(next(self._events), depth + 1)))
        self._open.remove(id(node))
        return node

    def _anchored(self, event: Any, node: N) -> N:
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _aliased(self, event: Any) -> Node:
        node = self._anchors.get(event.anchor)
        alias = f"the alias {shown('*' + event.anchor)}"
        if node is None:
            text = f"{alias} names nothing; quote the value if the * belongs to it"
            raise self._mistake(event, text)
        if id(node) in self._open:
            raise self._mistake(event, f"{alias} stands inside what it names")
        return node

    def _place(self, event: Any) -> Place:
        return self._place_at(event.start_mark.line + 1, event.start_mark.column + 1)

    def _mistake(self, event: Any, text: str) -> MistakeFound:
        return MistakeFound(Mistake(self._place(event), (), text))
