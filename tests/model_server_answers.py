"""What the stand-in of a model server answers: the wire formats of OpenAI and of Cohere's second version.

No model is behind it. A vector is made of the text's hash, a relevance of the words in common, and a chat
model's reply is the next of a script.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import sys
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from model_server_faults import Fault

Json = dict[str, Any]
DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "embed-v4.0": 1536,
    "embed-english-v3.0": 1024,
    "embed-multilingual-v3.0": 1024,
    "embed-english-light-v3.0": 384,
    "embed-multilingual-light-v3.0": 384,
}
FIXED_DIMENSION = re.compile(r"ada-002|-v3\.0$")
OPENAI_INPUTS, COHERE_TEXTS, COHERE_DOCUMENTS = 2048, 96, 1000


class Refused(Exception):
    """The request is answered with an error of this status; `code` is OpenAI's word for it."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What the stand-in of a chat model says; `finish` is OpenAI's word for why it ended."""

    text: str
    finish: Literal["stop", "length", "content_filter"] = "stop"


@dataclass(slots=True)
class Embedded:
    """An answer with vectors, and the texts that they are of."""

    body: Json
    texts: tuple[str, ...] = ()


@dataclass(slots=True)
class Streamed:
    """An answer in server-sent events: the objects of their `data:` lines."""

    events: list[Json] = field(default_factory=list)


@lru_cache(maxsize=65536)
def unit_vector(key: str, dimension: int) -> array[float]:
    """A vector of length 1 made of a text's hash; a shorter one is the start of a longer one, rescaled."""
    raw = array("h", hashlib.shake_256(key.encode("utf-8", "surrogatepass")).digest(2 * dimension))
    if sys.byteorder == "big":
        raw.byteswap()
    length = math.sqrt(sum(number * number for number in raw))
    return array("f", [number / length for number in raw])


def words(text: str) -> int:
    """What the stand-in calls tokens: words, at least 1."""
    return max(1, len(text.split()))


@dataclass(slots=True)
class Answers:
    """Answers requests as the services of the names would, as far as a client can tell.

    Attributes:
        models: the models that there are; None: any name.
        dimension: of a model that is not in `DIMENSIONS`.
        max_tokens: words of the longest text that is taken; None: any.
        length: of the vectors.
        rejects: a request with a text that holds this is refused whole.
    """

    replies: Sequence[str | ChatReply] | Callable[[list[Json]], str | ChatReply] | None
    models: frozenset[str] | None
    dimension: int
    max_tokens: int | None
    length: float
    rejects: str
    _said: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def vector(
        self, text: str, *, model: str, dimension: int | None = None, input_type: str = ""
    ) -> list[float]:
        """What a good answer gives for the text."""
        size = dimension or DIMENSIONS.get(model, self.dimension)
        return [number * self.length for number in unit_vector(f"{model}\n{input_type}\n{text}", size)]

    def openai_embeddings(self, body: Json, fault: Fault | None) -> Embedded:
        model, texts = self._model(body), _texts(body.get("input"))
        if len(texts) > OPENAI_INPUTS:
            raise Refused(400, f"'input' has {len(texts)} items; at most {OPENAI_INPUTS} are allowed")
        self._check_texts(texts)
        dimension = self._dimension(model, body.get("dimensions"))
        vectors = [self.vector(text, model=model, dimension=dimension) for text in texts]
        encode = _as_base64 if body.get("encoding_format") == "base64" else list
        data = [
            {"object": "embedding", "index": index, "embedding": encode(vector)}
            for index, vector in enumerate(spoiled(vectors, fault))
        ]
        if fault and fault.kind == "shuffled":
            data.reverse()
        if fault and fault.kind == "bad_index":
            data[-1]["index"] = data[0]["index"] if len(data) > 1 else 1
        tokens = sum(map(words, texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return Embedded({"object": "list", "data": data, "model": model, "usage": usage}, tuple(texts))

    def cohere_embed(self, body: Json, fault: Fault | None) -> Embedded:
        model, texts = self._model(body), _texts(body.get("texts"))
        if len(texts) > COHERE_TEXTS:
            raise Refused(400, f"total number of texts must be at most {COHERE_TEXTS}, received {len(texts)}")
        if body.get("input_type") not in ("search_document", "search_query"):
            raise Refused(400, "invalid request: valid input_type must be provided with the provided model")
        self._check_texts(texts)
        dimension = self._dimension(model, body.get("output_dimension"))
        vectors = [
            self.vector(text, model=model, dimension=dimension, input_type=body["input_type"])
            for text in texts
        ]
        made = spoiled(vectors, fault)
        if fault and fault.kind == "shuffled":
            made.reverse()
        return Embedded(
            {
                "id": "stand-in",
                "embeddings": {
                    kind: [_as_base64(vector) for vector in made] if kind == "base64" else made
                    for kind in body.get("embedding_types") or ["float"]
                },
                "texts": texts,
                "meta": {
                    "api_version": {"version": "2"},
                    "billed_units": {"input_tokens": sum(map(words, texts))},
                },
                "response_type": "embeddings_by_type",
            },
            tuple(texts),
        )

    def cohere_rerank(self, body: Json, fault: Fault | None) -> Json:
        self._model(body)
        documents = _texts(body.get("documents"))
        if len(documents) > COHERE_DOCUMENTS:
            raise Refused(400, f"too many documents: {len(documents)}; at most {COHERE_DOCUMENTS}")
        self._check_texts(documents, long=False)
        scores = [relevance(str(body.get("query")), document) for document in documents]
        results: list[Json] = [
            {"index": index, "relevance_score": score} for index, score in enumerate(scores)
        ]
        results.sort(key=lambda result: -result["relevance_score"])
        if fault and fault.kind == "wrong_count":
            results.pop()
        if fault and fault.kind == "bad_index":
            results[-1]["index"] = results[0]["index"] if len(results) > 1 else 1
        if fault and fault.kind == "nan":
            results[0]["relevance_score"] = math.nan
        if fault and fault.kind == "shuffled":
            results.reverse()
        return {"id": "stand-in", "results": results, "meta": {"billed_units": {"search_units": 1}}}

    def openai_chat(self, body: Json, fault: Fault | None) -> Json | Streamed:
        model, messages = self._model(body), body.get("messages") or []
        prompt = "\n".join(str(message.get("content")) for message in messages)
        self._check_texts([prompt])
        if (body.get("response_format") or {}).get("type") == "json_object" and "json" not in prompt.lower():
            raise Refused(400, "'messages' must contain the word 'json' to use 'json_object'")
        reply = _shortened(self._reply(messages), body.get("max_completion_tokens") or body.get("max_tokens"))
        usage = {
            "prompt_tokens": words(prompt),
            "completion_tokens": words(reply.text),
            "total_tokens": words(prompt) + words(reply.text),
        }
        head: Json = {"id": "stand-in", "created": 0, "model": model}
        if body.get("stream"):
            with_usage = (body.get("stream_options") or {}).get("include_usage")
            return Streamed(list(_events(head, reply, usage if with_usage else None, fault)))
        message = {"role": "assistant", "content": reply.text}
        choice = {"index": 0, "message": message, "finish_reason": reply.finish}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}

    def openai_models(self) -> Json:
        models = sorted(self.models if self.models is not None else DIMENSIONS)
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "stand-in"} for name in models]
        return {"object": "list", "data": rows}

    def _model(self, body: Json) -> str:
        model = str(body.get("model"))
        if self.models is not None and model not in self.models:
            raise Refused(404, f"The model `{model}` does not exist", "model_not_found")
        return model

    def _dimension(self, model: str, asked: int | None) -> int:
        if asked is not None and FIXED_DIMENSION.search(model):
            raise Refused(400, f"{model} does not support another dimension")
        return asked or DIMENSIONS.get(model, self.dimension)

    def _check_texts(self, texts: Sequence[str], *, long: bool = True) -> None:
        if any(self.rejects in text for text in texts):
            raise Refused(400, "Invalid 'input': a text was rejected")
        if any(not text for text in texts):
            raise Refused(400, "Invalid 'input': a text is empty")
        if long and self.max_tokens is not None and max(map(words, texts)) > self.max_tokens:
            raise too_long(self.max_tokens, max(map(words, texts)))

    def _reply(self, messages: list[Json]) -> ChatReply:
        with self._lock:
            turn, self._said = self._said, self._said + 1
        if callable(self.replies):
            said = self.replies(messages)
        elif self.replies is None:
            said = str(messages[-1]["content"])
        elif turn < len(self.replies):
            said = self.replies[turn]
        else:
            raise Refused(400, f"the script has no reply number {turn + 1}")
        return said if isinstance(said, ChatReply) else ChatReply(said)


def too_long(limit: int, asked: int) -> Refused:
    """OpenAI's refusal of a text with more tokens than the model reads."""
    message = f"This model's maximum context length is {limit} tokens, however you requested {asked} tokens."
    return Refused(400, message, "context_length_exceeded")


def relevance(question: str, document: str) -> float:
    """Share of the question's words that the document has, 0 to 1."""
    asked, there = (set(re.findall(r"\w+", text.lower())) for text in (question, document))
    return round(len(asked & there) / max(1, len(asked)), 6)


def spoiled(vectors: list[list[float]], fault: Fault | None) -> list[list[float]]:
    """The vectors with what the fault does to them."""
    match fault.kind if fault else None:
        case "wrong_count":
            return vectors[:-1]
        case "wrong_dimension":
            return [vectors[0][:-1], *vectors[1:]]
        case "nan":
            return [[math.nan, *vectors[0][1:]], *vectors[1:]]
        case "zero":
            return [[0.0] * len(vectors[0]), *vectors[1:]]
        case _:
            return vectors


def _texts(given: object) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise Refused(400, "the texts must be a list of strings that is not empty")
    return texts


def _as_base64(vector: Sequence[float]) -> str:
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode("ascii")


def _shortened(reply: ChatReply, most: int | None) -> ChatReply:
    if most is None or words(reply.text) <= most:
        return reply
    return ChatReply(" ".join(reply.text.split()[:most]), "length")


def _events(head: Json, reply: ChatReply, usage: Json | None, fault: Fault | None) -> Iterator[Json]:
    """A reply word by word, then why it ended, then its usage if that was asked for."""
    head = {**head, "object": "chat.completion.chunk"}
    pieces = re.findall(r"\S+\s*|\s+", reply.text)
    for number, piece in enumerate(pieces):
        if fault and fault.kind == "stream_error" and 2 * number >= len(pieces):
            yield {"error": {"message": "The server had an error", "type": "server_error", "code": None}}
            return
        delta = {"role": "assistant", "content": piece} if number == 0 else {"content": piece}
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish}]}
    if usage is not None:
        yield {**head, "choices": [], "usage": usage}
