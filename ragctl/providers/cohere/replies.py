"""Reads what the `cohere` SDK hands over: it does not check a server's answer itself."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ragctl.errors import WrongVectors
from ragctl.providers.remote.caller import Answer, UnreadableReply

if TYPE_CHECKING:
    import numpy as np
    from cohere import EmbedByTypeResponse, V2RerankResponse
    from numpy.typing import ArrayLike, NDArray


@contextmanager
def reading() -> Iterator[None]:
    """Around a call of the SDK, which raises `TypeError` where a list or text stands for an object.

    Raises:
        UnreadableReply: it did.
    """
    try:
        yield
    except TypeError:
        raise UnreadableReply("the server's answer is not of the form that Cohere's have") from None


def embedding_answer(reply: EmbedByTypeResponse) -> Answer[list[Any]]:
    """The vectors as they came, as base64 or as numbers, and the tokens that are charged.

    Raises:
        UnreadableReply: it is not of that form.
    """
    embeddings = getattr(reply, "embeddings", None)
    rows = getattr(embeddings, "base64", None)
    if rows is None:
        rows = getattr(embeddings, "float_", None)
    if not isinstance(rows, list):
        raise UnreadableReply("the server's answer holds no list of embeddings")
    tokens = _billed(reply, "input_tokens")
    return Answer(rows, tokens if tokens else None)


def rows_of(rows: Sequence[Any]) -> list[ArrayLike]:
    """Lists of numbers, or what base64 of 32-bit floats, little-endian, says.

    Raises:
        WrongVectors: one is neither.
    """
    return [_numbers(row) for row in rows]


def rerank_answer(reply: V2RerankResponse) -> Answer[list[tuple[object, object]]]:
    """(index, score) of each result, and the search units that are charged. Tokens are not counted.

    Raises:
        UnreadableReply: it is not of that form.
    """
    results = getattr(reply, "results", None)
    if not isinstance(results, list):
        raise UnreadableReply("the server's answer holds no list of results")
    pairs = [(getattr(result, "index", None), getattr(result, "relevance_score", None)) for result in results]
    return Answer(pairs, tokens=0, searches=_billed(reply, "search_units") or 0)


def scores_of(results: Sequence[tuple[object, object]], passages: int) -> list[float]:
    """One score a passage, in the order of the passages.

    Raises:
        WrongVectors: not one for each, or something that is no finite number.
    """
    scores = {index: score for index, score in results if isinstance(index, int)}
    if len(results) != passages or set(scores) != set(range(passages)):
        raise WrongVectors(
            f"the server returned {len(results)} scores for {passages} passages"
            if len(results) != passages
            else f"the server returned {passages} scores that do not belong to the {passages} passages "
            "one by one"
        )
    ordered = [scores[index] for index in range(passages)]
    found = [float(score) for score in ordered if isinstance(score, int | float) and math.isfinite(score)]
    if len(found) != passages:
        raise WrongVectors("the server returned a score that is no finite number")
    return found


def _billed(reply: object, unit: str) -> int | None:
    number = getattr(getattr(getattr(reply, "meta", None), "billed_units", None), unit, None)
    if isinstance(number, int | float) and math.isfinite(number) and number >= 0:
        return math.ceil(number)
    return None


def _numbers(row: object) -> ArrayLike:
    import numpy as np

    if isinstance(row, list):
        return row
    if not isinstance(row, str):
        raise WrongVectors("the server returned something that is no vector")
    try:
        decoded: NDArray[np.float32] = np.frombuffer(base64.b64decode(row, validate=True), "<f4")
    except (binascii.Error, ValueError):
        raise WrongVectors("the server returned a vector that is no base64 of 32-bit numbers") from None
    return decoded
