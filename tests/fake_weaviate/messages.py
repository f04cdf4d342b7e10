"""Between the client's messages and the fake's objects."""

from __future__ import annotations

import re
import struct
import uuid
from typing import Any

import numpy as np
from weaviate.proto.v1 import base_pb2, batch_pb2, properties_pb2, search_get_pb2

from fake_weaviate.storage import Held, Refused, Stored


def stored_of(sent: batch_pb2.BatchObject, held: Held) -> Stored:
    """An object as it is kept; refused where a type or the vector does not fit."""
    values: dict[str, Any] = dict(sent.properties.non_ref_properties)
    for array in sent.properties.text_array_properties:
        values[array.prop_name] = list(array.values)
    for name in sent.properties.empty_list_props:
        values[name] = []
    for name, value in values.items():
        values[name] = _fitting(name, value, held.property(name)["dataType"][0])
    return Stored(uuid.UUID(sent.uuid).hex, values, _vector_of(sent))


def _fitting(name: str, value: Any, kind: str) -> Any:
    if kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind == "text" and isinstance(value, str):
        return value
    if kind == "text[]" and isinstance(value, list):
        return value
    raise Refused(f"invalid {kind} property '{name}' on class: not a {kind}, but {value!r:.60}")


def _vector_of(sent: batch_pb2.BatchObject) -> np.ndarray[Any, Any]:
    if sent.vector_bytes or sent.vector or [one.name for one in sent.vectors] != ["default"]:
        raise Refused("the fake wants one vector, named default")
    vector = np.frombuffer(sent.vectors[0].vector_bytes, dtype="<f4")
    length = float(np.linalg.norm(vector.astype(np.float64)))
    return vector if not length else (vector / np.float32(length)).astype(np.float32)


def result_of(
    stored: Stored,
    request: search_get_pb2.SearchRequest,
    held: Held,
    *,
    distance: float | None = None,
    score: float | None = None,
) -> search_get_pb2.SearchResult:
    """What was asked for of an object, and nothing else."""
    result = search_get_pb2.SearchResult()
    meta = result.metadata
    if request.metadata.uuid:
        meta.id_as_bytes = bytes.fromhex(stored.id)
    if request.metadata.creation_time_unix:
        meta.creation_time_unix, meta.creation_time_unix_present = 1, True
        meta.last_update_time_unix, meta.last_update_time_unix_present = 1, True
    if distance is not None and request.metadata.distance:
        meta.distance, meta.distance_present = distance, True
    if score is not None and request.metadata.score:
        meta.score, meta.score_present = score, True
    if request.metadata.vector or request.metadata.vectors:
        meta.vectors.append(
            base_pb2.Vectors(
                name="default",
                vector_bytes=stored.vector.astype("<f4").tobytes(),
                type=base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32,
            )
        )
    if request.properties.return_all_nonref_properties or not request.HasField("properties"):
        raise Refused("the fake wants to be told which properties to return")
    result.properties.target_collection = held.config["class"]
    fields = result.properties.non_ref_props.fields
    for name in request.properties.non_ref_properties:
        _set(fields[name], stored.properties.get(name), held.property(name)["dataType"][0])
    return result


def _set(field: properties_pb2.Value, value: Any, kind: str) -> None:
    if value is None:
        field.null_value = 0
    elif kind == "int":
        field.int_value = value
    elif kind == "text":
        field.text_value = value
    else:
        field.list_value.text_values.values.extend(value)


def question_of(near: Any) -> np.ndarray[Any, Any]:
    """The vector of a search; it has to be for the one that there is."""
    if list(near.targets.target_vectors) not in ([], ["default"]):
        raise Refused("there is one vector, named default")
    sent = near.vector_bytes or (near.vectors[0].vector_bytes if near.vectors else b"")
    for one in near.vector_for_targets:
        sent = sent or one.vector_bytes or one.vectors[0].vector_bytes
    if not sent:
        raise Refused("the fake finds no vector in the search")
    return np.array(struct.unpack(f"<{len(sent) // 4}f", sent))


def tokens(text: str, tokenization: str) -> list[str]:
    """`word` and `whitespace` as Weaviate has them."""
    if tokenization == "whitespace":
        return text.split()
    return [token.lower() for token in re.findall(r"[^\W_]+", text)]
