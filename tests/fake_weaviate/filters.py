"""The fake's filters: a request's tree made into a test of an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weaviate.proto.v1 import base_pb2

from fake_weaviate.storage import Held, Refused, Stored

Test = Callable[[Stored], bool]

_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "OPERATOR_EQUAL": lambda have, want: have == want,
    "OPERATOR_NOT_EQUAL": lambda have, want: have != want,
    "OPERATOR_GREATER_THAN": lambda have, want: have > want,
    "OPERATOR_GREATER_THAN_EQUAL": lambda have, want: have >= want,
    "OPERATOR_LESS_THAN": lambda have, want: have < want,
    "OPERATOR_LESS_THAN_EQUAL": lambda have, want: have <= want,
}


def test_of(filters: base_pb2.Filters, held: Held) -> Test:
    """Of the operators that ragctl uses; others are refused."""
    operator = base_pb2.Filters.Operator.Name(filters.operator)
    if operator in ("OPERATOR_AND", "OPERATOR_OR"):
        parts = [test_of(one, held) for one in filters.filters]
        joined = all if operator == "OPERATOR_AND" else any
        return lambda stored: joined(part(stored) for part in parts)
    name = filters.target.property
    kind = filters.WhichOneof("test_value")
    if name == "_id":
        wanted = _ids(filters, kind)
        return lambda stored: stored.id in wanted
    prop = held.property(name)
    if not prop.get("indexFilterable"):
        raise Refused(f"Filtering by property '{name}' requires inverted index. Is `indexFilterable` set?")
    whole_text = prop["dataType"] == ["text"]
    if operator == "OPERATOR_CONTAINS_ANY" and kind == "value_text_array" and prop["dataType"] != ["int"]:
        among = {_whole(value, prop) for value in filters.value_text_array.values}
        if not among:
            raise Refused("filter value of ContainsAny is empty")
        if not whole_text:
            return lambda stored: any(_whole(one, prop) in among for one in stored.properties.get(name) or ())
        return lambda stored: _whole(stored.properties.get(name) or "", prop) in among
    if operator not in _COMPARED or kind != ("value_text" if whole_text else "value_int"):
        raise Refused(f"data type of {name} does not fit {operator} of {kind}")
    compare = _COMPARED[operator]
    if whole_text:
        text = _whole(filters.value_text, prop)
        return lambda stored: compare(_whole(stored.properties.get(name) or "", prop), text)
    number = filters.value_int
    return lambda stored: stored.properties.get(name) is not None and compare(stored.properties[name], number)


def _whole(value: str, prop: dict[str, Any]) -> str:
    """`field` leaves out white space at both ends, which a store that filters by paths must know."""
    if prop["tokenization"] != "field":
        raise Refused("the fake filters whole texts alone")
    return value.strip()


def _ids(filters: base_pb2.Filters, kind: str | None) -> set[str]:
    values = filters.value_text_array.values if kind == "value_text_array" else [filters.value_text]
    return {value.replace("-", "") for value in values}
