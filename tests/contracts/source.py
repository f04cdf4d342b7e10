"""What every source must do. A source's own tests inherit `SourceContract`."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import asdict
from typing import Protocol

import pytest

from ragctl.errors import ListingFailed, UnreadableDocument
from ragctl.ports import Source
from ragctl.types import Item


class Place(Protocol):
    """Where a source's documents lie, with a way to change them."""

    def source(self, name: str = "docs") -> Source:
        """The source, as a new process would make it."""

    def put(self, **texts: str) -> None:
        """Documents that are to be there, by a name of letters, in place of older ones of that name."""

    def remove(self, name: str) -> None:
        """Takes one away."""

    def destroy(self) -> None:
        """Takes all away, in such a way that the source cannot be listed."""


def listed(source: Source) -> dict[str, Item]:
    """The items by path; there must be nothing else."""
    found = list(source.items())
    items = [one for one in found if isinstance(one, Item)]
    assert len(items) == len(found)
    return {item.path: item for item in items}


def content(source: Source, item: Item) -> bytes:
    with source.open(item) as stream:
        return stream.read()


class SourceContract:
    """Inherit it, and give a fixture `place`."""

    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    def test_it_is_a_source(self, place: Place) -> None:
        source = place.source("some name")
        assert isinstance(source, Source)
        assert source.name == "some name"

    def test_items_are_whole(self, place: Place) -> None:
        place.put(a="first", b="second", c="third")
        items = listed(place.source("here"))
        assert len(items) == 3
        for path, item in items.items():
            assert item.source == "here"
            assert path == unicodedata.normalize("NFC", path)
            assert not path.startswith("/")
            assert item.fingerprint
            scheme, _, rest = item.uri.partition("://")
            assert scheme.isalnum()
            assert rest.isascii()
        assert len({item.uri for item in items.values()}) == 3

    def test_two_listings_are_the_same(self, place: Place) -> None:
        place.put(b="second", a="first", c="third")
        source = place.source()
        first = [(one.path, one.fingerprint) for one in listed(source).values()]
        assert [(one.path, one.fingerprint) for one in listed(source).values()] == first
        assert [(one.path, one.fingerprint) for one in listed(place.source()).values()] == first

    def test_bytes_come_in_any_order_and_again(self, place: Place) -> None:
        place.put(a="first", b="second", c="third")
        source = place.source()
        items = list(listed(source).values())
        in_order = [content(source, item) for item in items]
        assert len(set(in_order)) == 3
        assert [content(source, item) for item in reversed(items)] == in_order[::-1]
        assert [content(source, items[1]), content(source, items[1])] == [in_order[1]] * 2
        assert [item.size for item in items] == [len(data) for data in in_order]

    def test_an_item_is_opened_by_another_process(self, place: Place) -> None:
        place.put(a="first", b="second")
        here = place.source()
        for item in listed(here).values():
            sent = Item(**json.loads(json.dumps(asdict(item))))
            assert content(place.source(), sent) == content(here, item)

    def test_a_change_is_seen_in_its_item_alone(self, place: Place) -> None:
        place.put(a="first", b="second", c="third")
        source = place.source()
        before = listed(source)
        contents = {path: content(source, item) for path, item in before.items()}
        place.put(b="another second")
        source = place.source()
        after = listed(source)
        assert list(after) == list(before)
        changed = [path for path in after if after[path].fingerprint != before[path].fingerprint]
        assert changed == [path for path in after if content(source, after[path]) != contents[path]]
        assert len(changed) == 1

    def test_what_is_gone_is_not_listed(self, place: Place) -> None:
        place.put(a="first", b="second", c="third")
        before = listed(place.source())
        place.remove("b")
        after = listed(place.source())
        assert len(before.keys() - after.keys()) == 1
        assert after.keys() < before.keys()

    def test_what_is_gone_cannot_be_opened(self, place: Place) -> None:
        place.put(a="first", b="second")
        source = place.source()
        before = listed(source)
        place.remove("b")
        (gone,) = before.keys() - listed(place.source()).keys()
        with pytest.raises(UnreadableDocument) as refused:
            content(source, before[gone])
        assert gone in (refused.value.where or "")

    def test_a_source_that_is_not_there_is_no_empty_one(self, place: Place) -> None:
        place.put(a="first")
        place.destroy()
        with pytest.raises(ListingFailed) as refused:
            list(place.source("my source").items())
        assert "my source" in refused.value.message
        assert refused.value.where
        assert refused.value.hint
