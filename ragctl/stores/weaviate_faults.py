"""What can go wrong with a Weaviate server, in words for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ragctl.errors import KeyRejected, Mismatch, RagctlError, Unavailable


class RefusedObjects(Unavailable):
    """The server takes the other objects of a batch and not these; it would not take them later either."""

    kind = "refused_objects"
    may_pass = False


_KEY = "check the environment variable that the spec names, and that the key is one of this server's"
_AGAIN = "run the same command again: what was committed is kept"

# Parts of the server's messages, which carry no codes over gRPC; the first that fits counts.
_SAID: tuple[tuple[tuple[str, ...], type[RagctlError], str, str], ...] = (
    (
        ("could not find class", "class not found", "class name not found"),
        Mismatch,
        "the collection of the index is gone",
        "run the command again; if it is still gone, `ragctl doctor SPEC` says more",
    ),
    (
        ("vector with length", "vector dimensions do not match", "vector lengths don't match"),
        Mismatch,
        "the vectors have another dimension than those of the index",
        "another model made the index; `ragctl doctor SPEC` says which",
    ),
    (
        ("read-only", "read only", "readonly", "disk usage too high"),
        Unavailable,
        "Weaviate takes no writes",
        "its disk is nearly full, or a shard was set to READONLY: free some space, set the shard to READY",
    ),
    (
        ("not enough memory", "memory pressure"),
        Unavailable,
        "Weaviate has no memory left",
        "give the server more memory (LIMIT_RESOURCES, GOMEMLIMIT), then run the same command again",
    ),
    (
        ("query maximum results exceeded",),
        Unavailable,
        "Weaviate returns fewer results at once than were asked for",
        "raise QUERY_MAXIMUM_RESULTS on the server (its default is 10,000), or lower ask.query.k",
    ),
    (
        ("tenant not found", "tenant not active"),
        Mismatch,
        "the tenant is gone or not active",
        "make it active again; `ragctl ingest SPEC` makes one that is gone",
    ),
    (
        ("unauthorized", "unauthenticated", "invalid api key", "anonymous access not enabled"),
        KeyRejected,
        "Weaviate does not take the key",
        _KEY,
    ),
    (
        ("forbidden", "permission_denied", "permission denied"),
        KeyRejected,
        "the key may not do that",
        "give its role the rights that docs/weaviate.md lists",
    ),
    (
        ("received message larger than max", "sent message larger than max", "resource_exhausted"),
        Unavailable,
        "a message is larger than the server takes",
        "raise GRPC_MAX_MESSAGE_SIZE on the server, or make documents smaller (extract.max_bytes)",
    ),
)


def fault_of(message: str, *, where: str = "store") -> RagctlError | None:
    """The error for a message of the server; None if it says nothing that is known here."""
    said = message.lower()
    for parts, kind, what, hint in _SAID:
        if any(part in said for part in parts):
            return kind(f"{what}: {_first_line(message)}", where=where, hint=hint)
    return None


@contextmanager
def weaviate_errors(where: str = "store") -> Iterator[None]:
    """Turns the client's errors into errors for people.

    Raises:
        Unavailable: the server cannot be reached, or takes nothing now.
        KeyRejected: it does not take the key, or the key may not do that.
        Mismatch: the collection is gone, or holds other vectors.
    """
    import httpx
    from weaviate import exceptions as weaviate

    try:
        yield
    except weaviate.InsufficientPermissionsError as error:
        raise KeyRejected(
            f"the key may not do that: {_said(error.error, error.message)}",
            where=where,
            hint="give its role the rights that docs/weaviate.md lists",
        ) from error
    except weaviate.UnexpectedStatusCodeError as error:
        raise _of_status(error.status_code, _said(error.error, error.message), where) from error
    except weaviate.AuthenticationFailedError as error:
        raise KeyRejected(
            f"Weaviate does not take the credentials: {_first_line(error.message)}",
            where=where,
            hint="check the environment variables that the spec names",
        ) from error
    except weaviate.WeaviateBaseError as error:
        raise _of_client(error, where) from error
    except httpx.HTTPError as error:
        raise _unreachable(str(error) or type(error).__name__, where) from error


def _said(body: object, otherwise: str) -> str:
    """The server's own words in the body of an answer: `{"error": [{"message": …}]}`, or a plain text."""
    if isinstance(body, dict) and isinstance(body.get("error"), list):
        words = [str(one.get("message")) for one in body["error"] if isinstance(one, dict)]
        return _first_line("; ".join(words))
    return _first_line(str(body or otherwise))


def _of_status(status: int, message: str, where: str) -> RagctlError:
    if status == 401:
        return KeyRejected(
            "Weaviate does not take the key, or wants one",
            where=where,
            hint=_KEY,
        )
    known = fault_of(message, where=where)
    if known is not None:
        return known
    if status >= 500 or status == 429:
        return Unavailable(f"Weaviate failed: {_first_line(message)}", where=where, hint=_AGAIN)
    refused = RefusedObjects(f"Weaviate refused: {_first_line(message)}", where=where)
    refused.hint = "a name or a setting does not fit this server; its message says which"
    return refused


def _of_client(error: Exception, where: str) -> RagctlError:
    from weaviate import exceptions as weaviate

    message = str(error)
    if isinstance(error, weaviate.WeaviateGRPCUnavailableError):
        return Unavailable(
            "Weaviate answers over HTTP and not over gRPC, which ragctl needs as well",
            where=where,
            hint="open the gRPC port (50051, or 443 in Weaviate Cloud), or name the right one in the spec",
        )
    if isinstance(error, weaviate.MissingScopeError):
        return KeyRejected(
            "the server names no scope for the client's secret", where=where, hint="name one in the spec"
        )
    if isinstance(error, weaviate.WeaviateStartUpError) and "is not supported" in message:
        return Mismatch(
            f"the server is too old for the client: {_first_line(message)}",
            where=where,
            hint="upgrade the server to Weaviate 1.32 or later",
        )
    unsaid = (
        weaviate.WeaviateConnectionError,
        weaviate.WeaviateStartUpError,
        weaviate.WeaviateTimeoutError,
        weaviate.WeaviateRetryError,
        weaviate.WeaviateClosedClientError,
    )
    if isinstance(error, unsaid):
        return _unreachable(message, where)
    return fault_of(message, where=where) or _unreachable(message, where)


def _unreachable(message: str, where: str) -> Unavailable:
    return Unavailable(f"Weaviate does not answer: {_first_line(message)}", where=where, hint=_AGAIN)


def _first_line(message: str) -> str:
    lines = message.strip().splitlines()
    return lines[0][:500] if lines else "it gave no reason"
