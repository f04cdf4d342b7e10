"""A limit on how long an answer may take as a whole: a server that drips keeps every other timeout away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any


def total_timeout(stream_class: type[Any], timeout: type[Exception], seconds: float) -> Callable[[Any], None]:
    """A response hook for a client of `httpx` or of its like.

    A streamed reply (`text/event-stream`) is let alone: it may take as long as it goes on.

    Args:
        stream_class: the client library's `SyncByteStream`.
        timeout: what it raises when reading takes too long; raised by the hook's stream as well.
        seconds: for the body of the answer, counted from its head on.
    """

    class Limited(stream_class):  # type: ignore[misc]
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            end = time.monotonic() + seconds
            for piece in self._stream:
                if time.monotonic() > end:
                    raise timeout(f"the answer was not whole after {seconds:g} s")
                yield piece

        def close(self) -> None:
            self._stream.close()

    def hook(response: Any) -> None:
        if "text/event-stream" not in response.headers.get("content-type", ""):
            response.stream = Limited(response.stream)

    return hook
