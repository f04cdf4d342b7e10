"""What people are told when a server cannot be reached, will not let them in, or will not do."""

from __future__ import annotations

import socket

import pytest
from contracts.stored import embedded, random_vectors
from fake_weaviate import FakeWeaviate

from ragctl.errors import KeyRejected, Mismatch, Unavailable, UsageError
from ragctl.stores.weaviate_connection import Address, Credentials, connect
from ragctl.stores.weaviate_faults import fault_of


def address(fake: FakeWeaviate) -> Address:
    return Address.of(fake.url, grpc_port=fake.grpc_port)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:8080", ("localhost", 8080, False, "localhost", 50051, False)),
        (
            "https://weaviate.example.org",
            ("weaviate.example.org", 443, True, "weaviate.example.org", 50051, True),
        ),
        (
            "https://x1.c0.weaviate.cloud",
            ("x1.c0.weaviate.cloud", 443, True, "grpc-x1.c0.weaviate.cloud", 443, True),
        ),
        ("http://[::1]:8080/", ("::1", 8080, False, "::1", 50051, False)),
    ],
)
def test_addresses(url: str, expected: tuple[object, ...]) -> None:
    at = Address.of(url)
    assert (at.host, at.port, at.secure, at.grpc_host, at.grpc_port, at.grpc_secure) == expected


def test_the_grpc_side_may_be_elsewhere() -> None:
    at = Address.of("https://a.example", grpc_host="b.example", grpc_port=8443, grpc_secure=False)
    assert (at.grpc_host, at.grpc_port, at.grpc_secure) == ("b.example", 8443, False)


@pytest.mark.parametrize(
    "url", ["", "localhost:8080", "ftp://x", "http://", "http://x:99999", "http://u:secret@x"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="https://HOST:PORT") as refused:
        Address.of(url)
    assert "secret" not in f"{refused.value} {refused.value.hint}"


def test_nobody_is_there() -> None:
    nobody = Address.of(f"http://127.0.0.1:{free_port()}", grpc_port=free_port())
    with pytest.raises(Unavailable, match="does not answer") as refused:
        connect(nobody, seconds=2)
    assert str(nobody) in (refused.value.where or "") and refused.value.may_pass


def test_grpc_is_blocked() -> None:
    """At once, and not after the client's own minute of trying."""
    with (
        FakeWeaviate() as fake,
        pytest.raises(Unavailable, match=r"over HTTP .* and not over gRPC") as refused,
    ):
        connect(Address.of(fake.url, grpc_port=free_port()), seconds=2)
    assert "50051" in (refused.value.hint or "")


def test_something_else_listens_where_grpc_should() -> None:
    with FakeWeaviate(with_grpc=False) as fake, pytest.raises(Unavailable, match="not over gRPC"):
        connect(address(fake), seconds=2)


@pytest.mark.parametrize("version", ["1.31.9", "1.27.0", "1.9.0", "0.23", ""])
def test_an_old_server(version: str) -> None:
    with FakeWeaviate(version=version) as fake, pytest.raises(Mismatch) as refused:
        connect(address(fake))
    assert (
        "upgrade the server" in (refused.value.hint or "")
        and "1.32" in f"{refused.value}{refused.value.hint}"
    )


@pytest.mark.parametrize("version", ["1.32.0", "1.37.2", "2.0.0-rc.1"])
def test_a_server_that_will_do(version: str) -> None:
    with FakeWeaviate(version=version) as fake, connect(address(fake)) as client:
        assert client.is_connected()


@pytest.mark.parametrize("key", [None, "wrong-secret"])
def test_a_wrong_key_or_none(key: str | None) -> None:
    with (
        FakeWeaviate(api_key="right-secret") as fake,
        pytest.raises(KeyRejected, match="does not take the key") as refused,
    ):
        connect(address(fake), Credentials(api_key=key))
    assert "secret" not in f"{refused.value} {refused.value.hint}" and not refused.value.may_pass


def test_the_right_key_goes_over_both_ways() -> None:
    from ragctl.stores.weaviate_catalog import WeaviateCatalog

    with FakeWeaviate(api_key="right-secret") as fake:
        with connect(address(fake), Credentials(api_key="right-secret")) as client:
            assert WeaviateCatalog(client).found("docs") == []
        assert "secret" not in repr(Credentials(api_key="right-secret", client_secret="secret"))


def test_a_token_for_a_clients_secret() -> None:
    with FakeWeaviate(api_key="the token", oidc_secret="client-secret") as fake:
        credentials = Credentials(client_secret="client-secret", scope="extra")
        with connect(address(fake), credentials) as client:
            assert client.collections.list_all() == {}
            assert client.collections.use("Docs").exists() is False
        [asked] = fake.sent("POST token")
        assert (asked["grant_type"], asked["scope"]) == (["client_credentials"], ["weaviate extra"])


def test_a_wrong_clients_secret() -> None:
    with (
        FakeWeaviate(api_key="the token", oidc_secret="client-secret") as fake,
        pytest.raises(KeyRejected, match="no token for Weaviate was given: the secret is not") as refused,
    ):
        connect(address(fake), Credentials(client_secret="wrong-secret"))
    assert "wrong-secret" not in f"{refused.value} {refused.value.hint}"


def test_a_key_that_is_withdrawn(fake: FakeWeaviate, store: object) -> None:
    from ragctl.stores.weaviate import WeaviateStore

    assert isinstance(store, WeaviateStore)
    store.replace([embedded("a.md", ["x"])])
    fake.api_key = "another"
    with pytest.raises(KeyRejected):
        store.search(random_vectors(1, seed=1), k=1)
    with pytest.raises(KeyRejected):
        store.exists()


def test_a_server_that_returns_fewer_results_than_are_asked_for(fake: FakeWeaviate, store: object) -> None:
    from ragctl.stores.weaviate import WeaviateStore

    assert isinstance(store, WeaviateStore)
    fake.most_results = 20
    with pytest.raises(Unavailable, match="fewer results") as refused:
        store.search(random_vectors(1, seed=1), k=50)
    assert "QUERY_MAXIMUM_RESULTS" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("put object: store is read-only", Unavailable),
        ("could not find class Docs_g1 in schema", Mismatch),
        ("cannot process batch: not enough memory", Unavailable),
        ("Query call failed with message extract auth: unauthorized: invalid api key.", KeyRejected),
        ('tenant not found: "acme"', Mismatch),
        ("something that nobody has heard of", None),
    ],
)
def test_what_the_server_says(message: str, kind: type[Exception] | None) -> None:
    fault = fault_of(message)
    assert type(fault) is (kind or type(None))
    if fault is not None:
        assert message in fault.message and fault.hint
