"""What the fake answers over gRPC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from weaviate.proto.v1 import (
    aggregate_pb2,
    batch_delete_pb2,
    batch_pb2,
    search_get_pb2,
    tenants_pb2,
    weaviate_pb2_grpc,
)

from fake_weaviate.filters import test_of
from fake_weaviate.messages import question_of, result_of, stored_of, tokens
from fake_weaviate.storage import Held, Refused, Stored

if TYPE_CHECKING:
    from fake_weaviate.server import FakeWeaviate

Found = tuple[Stored, dict[str, float]]


class Service(weaviate_pb2_grpc.WeaviateServicer):  # type: ignore[misc]
    def __init__(self, fake: FakeWeaviate) -> None:
        self._fake = fake

    @contextmanager
    def _answering(self, call: str, request: Any, context: grpc.ServicerContext) -> Iterator[None]:
        self._fake.note(call, request)
        try:
            sent = dict(context.invocation_metadata())
            if not self._fake.lets_in(sent.get("authorization")):
                raise Refused("extract auth: unauthorized: invalid api key")
            self._fake.before(call, request)
            with self._fake.storage.lock:
                yield
            self._fake.after(call, request)
        except Refused as error:
            # A Go error without a status is UNKNOWN.
            context.abort(grpc.StatusCode.UNKNOWN, error.message)

    # The names are those of the service.
    def BatchObjects(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._answering("BatchObjects", request, context):
            reply = batch_pb2.BatchObjectsReply()
            for number, sent in enumerate(request.objects):
                try:
                    self._put(sent)
                except Refused as error:
                    reply.errors.append(
                        batch_pb2.BatchObjectsReply.BatchError(index=number, error=error.message)
                    )
            return reply

    def _put(self, sent: batch_pb2.BatchObject) -> None:
        held = self._fake.storage.held(sent.collection)
        objects = held.objects(sent.tenant)
        stored = stored_of(sent, held)
        if self._fake.read_only:
            raise Refused("put object: store is read-only due to: disk usage too high")
        reason = self._fake.refuse_object(stored.properties)
        if reason is not None:
            raise Refused(reason)
        _refuse_other_length(objects, len(stored.vector))
        objects[stored.id] = stored

    def BatchDelete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._answering("BatchDelete", request, context):
            held = self._fake.storage.held(request.collection)
            objects = held.objects(request.tenant)
            fits = test_of(request.filters, held)
            ids = [one.id for one in objects.values() if fits(one)][: self._fake.most_results]
            for one in ids:
                del objects[one]
            return batch_delete_pb2.BatchDeleteReply(matches=len(ids), successful=len(ids))

    def TenantsGet(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._answering("TenantsGet", request, context):
            held = self._fake.storage.held(request.collection)
            status = tenants_pb2.TENANT_ACTIVITY_STATUS_ACTIVE
            names = list(request.names.values) or list(held.tenants)
            return tenants_pb2.TenantsGetReply(
                tenants=[
                    tenants_pb2.Tenant(name=name, activity_status=status)
                    for name in names
                    if name in held.tenants
                ]
            )

    def Aggregate(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._answering("Aggregate", request, context):
            held = self._fake.storage.held(request.collection)
            reply = aggregate_pb2.AggregateReply()
            reply.single_result.objects_count = len(held.objects(request.tenant))
            return reply

    def Search(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._answering("Search", request, context):
            held = self._fake.storage.held(request.collection)
            objects = list(held.objects(request.tenant).values())
            if request.limit + request.offset > self._fake.most_results:
                raise Refused("explorer: list class: search: query maximum results exceeded")
            if request.HasField("filters"):
                if request.after:
                    raise Refused("cursor api: where cannot be set with after and limit parameters")
                fits = test_of(request.filters, held)
                objects = [one for one in objects if fits(one)]
            found = self._search(request, held)(objects)
            page = found[request.offset : request.offset + (request.limit or 10)]
            return search_get_pb2.SearchReply(
                results=[result_of(stored, request, held, **scores) for stored, scores in page]
            )

    def _search(
        self, request: search_get_pb2.SearchRequest, held: Held
    ) -> Callable[[list[Stored]], list[Found]]:
        if request.HasField("near_vector"):
            return lambda objects: _nearest(question_of(request.near_vector), objects)
        if request.HasField("bm25_search"):
            return lambda objects: _by_words(request.bm25_search, objects, held)
        for other in ("hybrid_search", "near_text", "near_object"):
            if request.HasField(other):
                raise Refused(f"the fake knows no {other}")
        after = request.after.replace("-", "")
        return lambda objects: [
            (one, {}) for one in sorted(objects, key=lambda one: one.id) if one.id > after
        ]


def _refuse_other_length(objects: dict[str, Stored], length: int) -> None:
    existing = next(iter(objects.values()), None)
    if existing is not None and len(existing.vector) != length:
        raise Refused(
            f"new node has a vector with length {length}. "
            f"Existing nodes have vectors with length {len(existing.vector)}"
        )


def _nearest(question: np.ndarray[Any, Any], objects: list[Stored]) -> list[Found]:
    if not objects:
        return []
    if len(objects[0].vector) != len(question):
        raise Refused(f"vector lengths don't match: {len(objects[0].vector)} vs {len(question)}")
    stored = np.stack([one.vector for one in objects]).astype(np.float64)
    unit = question / (np.linalg.norm(question) or 1)
    distances = (1 - stored @ unit).astype(np.float32)
    return [(objects[at], {"distance": float(distances[at])}) for at in np.argsort(distances, kind="stable")]


def _by_words(search: Any, objects: list[Stored], held: Held) -> list[Found]:
    """Counts words: more of the question's before fewer, shorter objects before longer ones."""
    searched = [(name, held.property(name)) for name in search.properties]
    for name, prop in searched:
        if not prop.get("indexSearchable"):
            raise Refused(
                f"Searching by property '{name}' requires inverted index. Is `indexSearchable` set?"
            )
    scored: list[Found] = []
    for one in objects:
        score = sum(_word_score(search.query, one.properties.get(name), prop) for name, prop in searched)
        if score:
            scored.append((one, {"score": score}))
    return sorted(scored, key=lambda found: -found[1]["score"])


def _word_score(question: str, value: Any, prop: dict[str, Any]) -> float:
    texts = value if isinstance(value, list) else [value or ""]
    have = Counter(token for text in texts for token in tokens(text, prop["tokenization"]))
    asked = set(tokens(question, prop["tokenization"]))
    return sum(1 + have[token] / (have.total() + 100) for token in asked if token in have)
