"""A client of a Weaviate server: where it is, what it is told to be let in, whether it will do."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ragctl.errors import KeyRejected, Mismatch, Unavailable, UsageError
from ragctl.stores.weaviate_faults import weaviate_errors

if TYPE_CHECKING:
    from weaviate import WeaviateClient
    from weaviate.auth import AuthCredentials

OLDEST = (1, 32)
"""The first release with aliases of collections."""

_GRPC_PORT = 50051
_CLOUD = (".weaviate.cloud", ".weaviate.network")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, over HTTP and over gRPC."""

    host: str
    port: int
    secure: bool
    grpc_host: str
    grpc_port: int
    grpc_secure: bool

    @classmethod
    def of(
        cls,
        url: str,
        *,
        grpc_host: str | None = None,
        grpc_port: int | None = None,
        grpc_secure: bool | None = None,
    ) -> Address:
        """From `http://localhost:8080`; gRPC is at port 50051 of the same host, with TLS if HTTP has it.

        In Weaviate Cloud it is at port 443 of `grpc-` and the host's name.

        Raises:
            UsageError: it is no such address.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1 or parts.username:
            raise UsageError(
                "the address of Weaviate is not of the form https://HOST:PORT",
                where="store.url",
                hint="credentials do not belong into it; the spec names environment variables for them",
            )
        secure = parts.scheme == "https"
        cloud = parts.hostname.endswith(_CLOUD)
        return cls(
            host=parts.hostname,
            port=port or (443 if secure else 80),
            secure=secure,
            grpc_host=grpc_host or (f"grpc-{parts.hostname}" if cloud else parts.hostname),
            grpc_port=grpc_port or (443 if cloud else _GRPC_PORT),
            grpc_secure=secure if grpc_secure is None else grpc_secure,
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key, or a client's secret for OIDC, or neither for a server that lets everybody in."""

    api_key: str | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)
    scope: str | None = None

    def for_client(self) -> AuthCredentials | None:
        from weaviate.classes.init import Auth

        if self.api_key is not None:
            return Auth.api_key(self.api_key)
        if self.client_secret is not None:
            return Auth.client_credentials(self.client_secret, scope=self.scope)
        return None


def connect(
    address: Address,
    credentials: Credentials | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    seconds: float = 10.0,
) -> WeaviateClient:
    """A connected client; whoever asked for it closes it.

    It asks nobody but the server: the client's own check for a newer release of itself is left out.

    Args:
        headers: sent with every request.
        seconds: to wait for the first answers; a query may take 60, a write 180.

    Raises:
        Unavailable: the server cannot be reached, over HTTP or over gRPC.
        KeyRejected: it does not take the credentials.
        Mismatch: it is older than 1.32.
    """
    from authlib.common.errors import AuthlibBaseError
    from weaviate import WeaviateClient
    from weaviate.classes.init import AdditionalConfig, Timeout
    from weaviate.connect import ConnectionParams

    logging.getLogger("weaviate-client").addFilter(_without_objects)
    client = WeaviateClient(
        connection_params=ConnectionParams.from_params(
            http_host=address.host,
            http_port=address.port,
            http_secure=address.secure,
            grpc_host=address.grpc_host,
            grpc_port=address.grpc_port,
            grpc_secure=address.grpc_secure,
        ),
        auth_client_secret=(credentials or Credentials()).for_client(),
        additional_headers=dict(headers or {}) or None,
        additional_config=AdditionalConfig(timeout=Timeout(init=seconds, query=60, insert=180)),
        skip_init_checks=True,
    )
    try:
        with weaviate_errors(f"store ({address})"):
            client.connect()
            _refuse_old(client.get_meta(), address)
        _refuse_without_grpc(address, seconds)
    except AuthlibBaseError as error:  # the provider of tokens refuses
        client.close()
        raise KeyRejected(
            f"no token for Weaviate was given: {error.description or error.error}",
            where=f"store ({address})",
            hint="check the environment variable that the spec names for the client's secret, and the scope",
        ) from error
    except BaseException:
        client.close()
        raise
    return client


def _without_objects(record: logging.LogRecord) -> bool:
    """The client logs refused objects with all of their text; ragctl says itself what was refused and why."""
    return not (isinstance(record.msg, dict) and "errors" in record.msg)


def _refuse_old(meta: Mapping[str, Any], address: Address) -> None:
    version = str(meta.get("version", ""))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise Mismatch(
            f"the server is Weaviate {version or 'of an unknown version'}; ragctl needs "
            f"{'.'.join(map(str, OLDEST))} or later, for aliases of collections",
            where=f"store ({address})",
            hint="upgrade the server",
        )


def _refuse_without_grpc(address: Address, seconds: float) -> None:
    """The client itself would try again for a minute, at the first search or write."""
    import grpc

    target = f"{address.grpc_host}:{address.grpc_port}"
    with (
        grpc.secure_channel(target, grpc.ssl_channel_credentials())
        if address.grpc_secure
        else grpc.insecure_channel(target)
    ) as channel:
        # An empty request; field 1 of the answer is the status, 1 is SERVING.
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=lambda request: request,
            response_deserializer=lambda response: response,
        )
        try:
            serving = check(b"", timeout=seconds) == b"\x08\x01"
        except grpc.RpcError:
            serving = False
    if not serving:
        raise Unavailable(
            f"Weaviate answers over HTTP ({address}) and not over gRPC ({target}), which is needed as well",
            where="store",
            hint="open the port, or name the right one in the spec: 50051, or 443 in Weaviate Cloud",
        )
