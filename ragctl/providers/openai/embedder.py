"""Embeds with OpenAI's models, or with any server that speaks the same protocol."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Unpack

from ragctl.errors import UsageError
from ragctl.providers.openai.client import make_client, server_key, server_url
from ragctl.providers.openai.faults import fault_of
from ragctl.providers.openai.models import (
    EMBEDDING_MODELS,
    INPUTS_A_REQUEST,
    TOKENS_A_REQUEST,
    TOKENS_AN_INPUT,
)
from ragctl.providers.openai.parameters import Parameters
from ragctl.providers.openai.replies import embedding_answer, rows_of
from ragctl.providers.openai.tokens import tokenizer_for
from ragctl.providers.remote.access import require_sdk
from ragctl.providers.remote.batches import Limits
from ragctl.providers.remote.caller import Answer, AskOtherwise, Service
from ragctl.providers.remote.counting import RemoteTokenizer
from ragctl.providers.remote.embedder import Options, RemoteEmbedder, Use
from ragctl.providers.remote.endpoint import host_of
from ragctl.providers.remote.vectors import checked_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from openai import OpenAI

    Vectors = NDArray[np.float32]


class OpenAIEmbedder(RemoteEmbedder):
    """An embedding model behind OpenAI's protocol; implements `ports.Embedder`.

    Nothing is sent before the first use of `embed` or `embed_queries`, or of `dimension` where the model
    is not known here and `dimensions` is not given. May be shared between threads.

    Args:
        model: as the server names it.
        api_key: None: the server needs none.
        base_url: where the API begins, mostly with /v1 at its end; None: OpenAI itself. Variables of the
            environment change nothing.
        timeout: seconds for an answer.
        max_in_flight: requests at once, at least 1.
        dimensions: of the vectors, for models that can shorten them; None: the model's own.
        max_tokens: longest input that the model reads; None: 8,192, as OpenAI's models do.
        options: see `Options`; the tokenizer as `tokenizer_for` takes it.

    Raises:
        UsageError: a value is out of range, or the address is none.
        MissingPackage: the SDK is not installed.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str | None = None,
        timeout: float = 60.0,
        max_in_flight: int = 8,
        dimensions: int | None = None,
        max_tokens: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        require_sdk("openai")
        self._known = EMBEDDING_MODELS.get(model)
        own = self._known.dimension if self._known else None
        _check(model, own, dimensions)
        self._url = server_url(base_url)
        self._key = server_key(api_key, base_url)
        self._own_server = base_url is not None
        self._timeout, self._max_in_flight, self._dimensions = timeout, max_in_flight, dimensions
        super().__init__(
            Service("openai", model, host_of(self._url), self._key, fault_of),
            options,
            stated_dimension=dimensions or own,
            max_tokens=max_tokens or TOKENS_AN_INPUT,
            limits=Limits(INPUTS_A_REQUEST, TOKENS_A_REQUEST),
            max_in_flight=max_in_flight,
        )
        self._parameters = Parameters({"dimensions": "", "encoding_format": ""})
        self._lock = Lock()

    def _host_in_identity(self) -> list[str]:
        """Of a server that is not OpenAI's own: behind another address another model may have the name."""
        return [f"host={self.endpoint}"] if self._own_server else []

    def _tokenizer(self, prefix: str) -> RemoteTokenizer:
        tokenizer, base = self._tokenizer_of
        return tokenizer_for(self._service.model, tokenizer=tokenizer, base=base, prefix=prefix)

    @cached_property
    def _client(self) -> OpenAI:
        return make_client(
            url=self._url, api_key=self._key, timeout=self._timeout, max_in_flight=self._max_in_flight
        )

    def _connected(self) -> OpenAI:
        with self._lock:
            return self._client

    def _send(self, use: Use, texts: Sequence[str]) -> Answer[list[Any]]:
        import httpx2
        import openai

        # Base64 is a third of the size. Servers of others may know numbers only, and both are read.
        wanted: dict[str, Any] = {"encoding_format": "float" if self._own_server else "base64"}
        if self._dimensions is not None and (self._known is None or self._known.shortens):
            wanted["dimensions"] = self._dimensions
        sent = self._parameters.taken(wanted)
        try:
            # Not `embeddings.create`: that would build an object of each number.
            response = self._connected().post(
                "/embeddings",
                body={"model": self._service.model, "input": list(texts), **sent},
                cast_to=httpx2.Response,
            )
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            if self._parameters.refuse(sent, parameter=error.param, message=str(error)):
                raise AskOtherwise from None
            raise
        return embedding_answer(response.content)

    def _rows(self, data: list[Any], texts: int) -> Sequence[Any]:
        return rows_of(data, texts)

    def _read(self, data: list[Any], texts: int) -> Vectors:
        if self._parameters.is_refused("dimensions"):
            vectors = checked_vectors(self._rows(data, texts), texts=texts, dimension=None)
            if vectors.shape[1] != self.dimension:
                raise UsageError(
                    f"the model gives vectors of {vectors.shape[1]} numbers, and the server does not "
                    f"shorten them to {self.dimension}",
                    where=self._service.where,
                    hint=f"leave dimensions out of the spec, or set it to {vectors.shape[1]}",
                )
        return super()._read(data, texts)


def _check(model: str, own: int | None, dimensions: int | None) -> None:
    if dimensions is None:
        return
    known = EMBEDDING_MODELS.get(model)
    if dimensions < 1 or (own is not None and dimensions > own):
        most = f"between 1 and {own}" if own is not None else "at least 1"
        raise UsageError(f"dimensions of {model} must be {most}, not {dimensions}", where="dimensions")
    if known is not None and not known.shortens and dimensions != known.dimension:
        raise UsageError(f"{model} gives {known.dimension} dimensions, and no others", where="dimensions")
