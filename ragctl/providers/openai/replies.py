"""Reads an answer to a request for embeddings as servers send it, without building the SDK's objects.

A request of 2,048 texts is answered by up to 6 million numbers.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragctl.errors import WrongVectors
from ragctl.providers.remote.caller import Answer, UnreadableReply

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


def embedding_answer(content: bytes) -> Answer[list[Any]]:
    """The entries of `data`, and the tokens that the server counted.

    Raises:
        UnreadableReply: it is not JSON, or not of that form.
    """
    try:
        reply = json.loads(content)
    except ValueError:
        raise UnreadableReply("the server answered with something that is not JSON") from None
    data = reply.get("data") if isinstance(reply, Mapping) else None
    if not isinstance(data, list):
        raise UnreadableReply("the server's answer holds no list of embeddings")
    usage = reply.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return Answer(data, tokens if isinstance(tokens, int) and tokens > 0 else None)


def rows_of(data: list[Any], texts: int) -> list[ArrayLike]:
    """One vector a text, in the order of the texts, whatever the order in which they came.

    Raises:
        WrongVectors: not one for each text.
    """
    entries = [entry if isinstance(entry, Mapping) else {} for entry in data]
    indexes = [entry.get("index") for entry in entries]
    if all(index is None for index in indexes):
        indexes = list(range(len(entries)))  # some servers leave them out
    places = {index: entry for index, entry in zip(indexes, entries, strict=True) if isinstance(index, int)}
    if len(entries) != texts or set(places) != set(range(texts)):
        raise WrongVectors(
            f"the server returned {len(entries)} vectors for {texts} texts"
            if len(entries) != texts
            else f"the server returned {texts} vectors that do not belong to the {texts} texts one by one"
        )
    return [_numbers(places[index].get("embedding")) for index in range(texts)]


def _numbers(embedding: object) -> ArrayLike:
    """A list of numbers, or base64 of 32-bit floats, little-endian."""
    import numpy as np

    if isinstance(embedding, list):
        return embedding
    if not isinstance(embedding, str):
        raise WrongVectors("the server returned a text without its vector")
    try:
        decoded: NDArray[np.float32] = np.frombuffer(base64.b64decode(embedding, validate=True), "<f4")
    except (binascii.Error, ValueError):
        raise WrongVectors("the server returned a vector that is no base64 of 32-bit numbers") from None
    return decoded
