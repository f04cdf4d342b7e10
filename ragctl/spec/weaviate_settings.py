"""The model of `store` with `type: weaviate`: where the server is, how it lets in, how it is written to."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from ragctl.spec.index_settings import IndexSettings
from ragctl.spec.names import HOST_NAME, TENANT
from ragctl.spec.section import Problem, wrong
from ragctl.spec.server_settings import KeyVariable, Url


def _root(value: str) -> str:
    """The client takes host and port alone; a path would be left out without a word."""
    if urlsplit(value).path not in ("", "/"):
        raise wrong(("", "must end after host and port, as in 'http://localhost:8080'"))
    return value


class WeaviateStore(IndexSettings):
    """Weaviate 1.32 or later, through its REST and gRPC ports. The state lies in PostgreSQL, see `state`."""

    example = "{type: weaviate, url: 'http://localhost:8080'}"

    type: Literal["weaviate"] = Field(description="The kind of store.")
    url: Annotated[Url, AfterValidator(_root)] = Field(
        description="Address of the server's REST port.", examples=["http://localhost:8080"]
    )
    grpc_host: Annotated[str, Field(pattern=HOST_NAME)] | None = Field(
        default=None,
        description="Host of its gRPC port, where that is not the host of `url`; in Weaviate Cloud it is "
        "`grpc-` and that host of itself.",
    )
    grpc_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Its gRPC port: 50051 if left out, in Weaviate Cloud 443.",
    )
    grpc_secure: bool | None = Field(
        default=None, description="Whether gRPC goes over TLS; as `url` does if left out."
    )
    api_key_env: KeyVariable | None = Field(
        default=None, description="Name of the environment variable that holds an API key."
    )
    client_secret_env: KeyVariable | None = Field(
        default=None,
        description="Name of the environment variable that holds a client's secret, for a server that takes "
        "tokens of OpenID Connect; in place of an API key.",
    )
    scope: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        default=None,
        description="Scope of those tokens; as the server says if left out.",
    )
    tenant: Annotated[str, Field(pattern=TENANT)] | None = Field(
        default=None,
        description="A tenant: the collections have tenants then, and this spec keeps to that one.",
    )
    consistency: Literal["ONE", "QUORUM", "ALL"] | None = Field(
        default=None,
        description="How many replicas must answer a read or a write; the server's default if left out.",
    )
    batch_size: int = Field(
        default=200, ge=1, le=10_000, description="The most objects (chunks) that one request writes."
    )
    concurrency: int = Field(
        default=2, ge=1, le=64, description="Requests under way at once in writing a batch of documents."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> WeaviateStore:
        problems: list[Problem] = []
        if self.api_key_env is not None and self.client_secret_env is not None:
            problems.append(
                ("client_secret_env", "is for servers without `api_key_env`; give one of the two")
            )
        if self.scope is not None and self.client_secret_env is None:
            problems.append(("scope", "is for `client_secret_env`, which is missing"))
        if problems:
            raise wrong(*problems)
        return self
