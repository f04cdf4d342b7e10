"""Object storage, over HTTP from moto's server: an S3 of Python for tests, no other vendor's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from contracts.source import Place, SourceContract, content, listed

from ragctl.errors import ListingFailed, UnreadableDocument, UsageError
from ragctl.ports import Source
from ragctl.sources.object_storage import ObjectStorageSource
from ragctl.types import Item

pytest.importorskip("s3fs", reason="needs the driver for S3")
moto_server = pytest.importorskip("moto.server", reason="needs a server that speaks S3's protocol")
boto3 = pytest.importorskip("boto3", reason="needs a client that makes buckets")

KEYS = {"KEY": "test", "SECRET": "test"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@dataclass
class Bucket:
    """Documents as objects below a prefix."""

    client: Any
    name: str
    endpoint: str

    def source(self, name: str = "docs", **given: Any) -> Source:
        options: dict[str, Any] = {"key_env": "KEY", "secret_env": "SECRET", "environment": KEYS, **given}
        return ObjectStorageSource(name, f"s3://{self.name}/in", endpoint_url=self.endpoint, **options)

    def put(self, **texts: str) -> None:
        for name, text in texts.items():
            self.put_key(f"in/{name}.txt", text)

    def put_key(self, key: str, text: str) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=text.encode("utf-8"))

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=f"in/{name}.txt")

    def destroy(self) -> None:
        for one in self.client.list_objects_v2(Bucket=self.name).get("Contents", ()):
            self.client.delete_object(Bucket=self.name, Key=one["Key"])
        self.client.delete_bucket(Bucket=self.name)


@pytest.fixture
def bucket(endpoint: str, request: pytest.FixtureRequest) -> Bucket:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    name = f"bucket-{abs(hash(request.node.nodeid)):x}"
    client.create_bucket(Bucket=name)
    return Bucket(client, name, endpoint)


class TestObjectStorage(SourceContract):
    @pytest.fixture
    def place(self, bucket: Bucket) -> Place:
        return bucket


def test_folders_in_the_order_of_their_keys_by_the_patterns(bucket: Bucket) -> None:
    for key in ("in/b/2.md", "in/b/1.md", "in/a.md", "in/b.md", "in/.hidden.md", "in/c/x.bin", "out/z.md"):
        bucket.put_key(key, key)
    bucket.put_key("in/empty/", "")  # the marker of a folder
    items = listed(bucket.source(include=["**/*.md"], exclude=["b/2*"]))
    assert list(items) == ["a.md", "b.md", "b/1.md"]
    assert items["b/1.md"].uri == f"s3://{bucket.name}/in/b/1.md"
    assert items["b/1.md"].size == len("in/b/1.md")


def test_equal_content_that_is_put_again_is_not_read_again(bucket: Bucket) -> None:
    bucket.put(a="same")
    before = listed(bucket.source())
    bucket.put(a="same")
    assert [one.fingerprint for one in listed(bucket.source()).values()] == [
        one.fingerprint for one in before.values()
    ]


def test_more_than_one_answer_of_the_server(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")  # keys in an answer
    for number in range(35):
        bucket.put_key(f"in/{number:05}.txt", str(number))
    items = listed(bucket.source())
    assert list(items) == [f"{number:05}.txt" for number in range(35)]


def test_a_name_in_another_unicode_form(bucket: Bucket) -> None:
    bucket.put_key("in/u\u0308ber.txt", "text")
    source = bucket.source()
    ((path, item),) = listed(source).items()
    assert path == "\u00fcber.txt"
    assert content(source, item) == b"text"


def test_a_listing_that_breaks_half_way(bucket: Bucket) -> None:
    bucket.put(a="first")
    bucket.put_key("in/b/c.txt", "second")
    found = bucket.source().items()
    assert isinstance(next(found), Item)
    bucket.destroy()
    with pytest.raises(ListingFailed, match="nothing is known about what is gone"):
        list(found)


def test_keys_that_are_not_set() -> None:
    source = ObjectStorageSource("docs", "s3://bucket/in", key_env="KEY", environment={})
    with pytest.raises(UsageError, match="KEY, which is not set"):
        list(source.items())


def test_an_object_that_goes_while_it_is_read(bucket: Bucket) -> None:
    bucket.put(a="first")
    source = bucket.source()
    (item,) = listed(source).values()
    bucket.remove("a")
    with pytest.raises(UnreadableDocument, match="it is not there"):
        content(source, item)
