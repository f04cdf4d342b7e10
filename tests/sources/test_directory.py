"""A directory as a source: what is listed, what is refused, and that nothing outside is opened."""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ragctl.errors import ListingFailed, UnreadableDocument
from ragctl.ports import Source
from ragctl.sources.directory import DirectorySource
from ragctl.types import Failure, Item

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX file names and links")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that keeps names as bytes")
A_MINUTE_NS = 60_000_000_000


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path, encoding="utf-8")


def listed(source: DirectorySource) -> list[Item]:
    return [one for one in source.items() if isinstance(one, Item)]


def failed(source: DirectorySource) -> list[Failure]:
    return [one for one in source.items() if isinstance(one, Failure)]


def paths(root: Path, **options: Any) -> list[str]:
    return [item.path for item in listed(DirectorySource("docs", root, **options))]


def test_it_is_a_source(tmp_path: Path) -> None:
    assert isinstance(DirectorySource("docs", tmp_path), Source)


def test_items_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    write(tmp_path, "b.md", "a/z.md", "a-b.md", "a.md", "a/b/c.md", "B.md", "a0.md", "ü.md", "z/a.md")
    found = paths(tmp_path)
    assert found == sorted(found)
    assert len(found) == 9
    assert paths(tmp_path) == found


def test_an_item_says_where_it_is(tmp_path: Path) -> None:
    write(tmp_path, "a dir/b#1.md")
    (item,) = listed(DirectorySource("docs", tmp_path, metadata={"team": "core"}))
    assert item.source == "docs"
    assert item.path == "a dir/b#1.md"
    assert item.locator == ""
    assert item.uri == (tmp_path.resolve() / "a dir" / "b#1.md").as_uri()
    assert item.size == len("a dir/b#1.md")
    assert item.metadata == {"team": "core"}
    assert item.fingerprint


def test_include_and_exclude(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.txt", "docs/c.md", "docs/build/d.md", "docs/build/x/e.md", "docs/f.rst")
    assert paths(tmp_path, include=["**/*.md"]) == [
        "a.md",
        "docs/build/d.md",
        "docs/build/x/e.md",
        "docs/c.md",
    ]
    assert paths(tmp_path, include=["**/*.md"], exclude=["**/build"]) == ["a.md", "docs/c.md"]
    assert paths(tmp_path, include=["docs/*"], exclude=["**/*.rst"]) == ["docs/c.md"]


def test_hidden_files_need_to_be_named(tmp_path: Path) -> None:
    write(tmp_path, "a.md", ".b.md", ".git/c.md", ".ragctl/d.md", ".github/e.md")
    assert paths(tmp_path) == ["a.md"]
    assert paths(tmp_path, include=["**/*", ".github/**"]) == [".github/e.md", "a.md"]
    assert paths(tmp_path, include=[".*/**"]) == [".git/c.md", ".github/e.md"]
    assert paths(tmp_path, include=[".ragctl/**"]) == [".ragctl/d.md"]


def test_a_change_changes_the_fingerprint(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    source = DirectorySource("docs", tmp_path)
    (before,) = listed(source)
    (again,) = listed(source)
    assert again.fingerprint == before.fingerprint
    status = (tmp_path / "a.md").stat()
    (tmp_path / "a.md").write_text("A.md", encoding="utf-8")  # the same size
    os.utime(tmp_path / "a.md", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    (after,) = listed(source)
    assert after.fingerprint != before.fingerprint


@POSIX
def test_a_file_put_in_anothers_place_changes_the_fingerprint(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.md")
    source = DirectorySource("docs", tmp_path, include=["a.md"])
    (before,) = listed(source)
    status = (tmp_path / "a.md").stat()
    os.utime(tmp_path / "b.md", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "b.md").replace(tmp_path / "a.md")
    (after,) = listed(source)
    assert after.size == before.size
    assert after.fingerprint != before.fingerprint


def test_what_changed_just_now_is_not_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.md")
    source = DirectorySource("docs", tmp_path)
    assert [item.settled for item in listed(source)] == [False]
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + A_MINUTE_NS)
    assert [item.settled for item in listed(source)] == [True]


@POSIX
def test_a_time_stamp_in_the_future_settles_by_its_change_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.md")
    now = time.time_ns()
    os.utime(tmp_path / "a.md", ns=(now, now + 60 * A_MINUTE_NS))
    monkeypatch.setattr(time, "time_ns", lambda: now + A_MINUTE_NS)
    assert [item.settled for item in listed(DirectorySource("docs", tmp_path))] == [True]


def test_nothing_is_opened_while_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.md", "b/c.md")
    opened: list[object] = []
    monkeypatch.setattr(os, "open", lambda path, *rest, **named: opened.append(path))
    monkeypatch.setattr("io.open", lambda path, *rest, **named: opened.append(path))
    assert len(listed(DirectorySource("docs", tmp_path))) == 2
    assert opened == []


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_root_that_is_no_directory_is_no_listing(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "root"
    if kind == "a file":
        root.write_text("", encoding="utf-8")
    with pytest.raises(ListingFailed) as caught:
        list(DirectorySource("docs", root).items())
    assert "docs" in caught.value.message
    assert caught.value.where == str(root)


def test_an_empty_root_lists_nothing(tmp_path: Path) -> None:
    assert list(DirectorySource("docs", tmp_path).items()) == []


def test_a_directory_that_cannot_be_read_fails_the_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a/b.md", "secret/c.md", "z.md")
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    source = DirectorySource("docs", tmp_path)
    with pytest.raises(ListingFailed, match="Permission denied") as caught:
        list(source.items())
    assert caught.value.where == str(tmp_path.resolve() / "secret")
    assert paths(tmp_path, exclude=["secret/**"]) == ["a/b.md", "z.md"]
    assert paths(tmp_path, exclude=["secret"]) == ["a/b.md", "z.md"]


class _BreakingHalfWay:
    """A directory whose listing fails after its first entry, as on a network share that goes away."""

    def __init__(self, entries: Any) -> None:
        self._entries = entries

    def __enter__(self) -> _BreakingHalfWay:
        return self

    def __exit__(self, *_: object) -> None:
        self._entries.close()

    def __iter__(self) -> Iterator[Any]:
        yield next(self._entries)
        raise OSError(5, "Input/output error")


def test_a_listing_that_breaks_half_way_fails_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.md", "b.md", "c.md")
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: _BreakingHalfWay(scandir(path)))
    with pytest.raises(ListingFailed, match="Input/output error"):
        list(DirectorySource("docs", tmp_path).items())


def test_a_file_that_goes_while_listing_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.md", "c.md")
    items = DirectorySource("docs", tmp_path).items()
    first = next(items)
    (tmp_path / "b.md").unlink()
    assert [one.path if isinstance(one, Item) else one for one in (first, *items)] == ["a.md", "c.md"]


@LINUX
def test_names_are_normalized_and_the_real_one_kept(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "é/ü.md")
    write(tmp_path, decomposed)
    source = DirectorySource("docs", tmp_path)
    (item,) = listed(source)
    assert item.path == "é/ü.md"
    assert item.locator == decomposed
    with source.open(item) as stream:
        assert stream.read().decode() == decomposed


@LINUX
def test_names_that_differ_only_in_unicode_form(tmp_path: Path) -> None:
    composed, decomposed = "é.md", unicodedata.normalize("NFD", "é.md")
    write(tmp_path, "a.md", decomposed, composed, "z.md")
    source = DirectorySource("docs", tmp_path)
    assert [item.path for item in listed(source)] == ["a.md", "z.md", composed]
    assert listed(source)[2].locator == ""
    (failure,) = failed(source)
    assert failure.stage == "list"
    assert failure.document == "e\\xcc\\x81.md"
    assert "Unicode form" in failure.message


@LINUX
def test_directories_that_differ_only_in_unicode_form_are_one(tmp_path: Path) -> None:
    write(tmp_path, "é/a.md", unicodedata.normalize("NFD", "é") + "/b.md")
    source = DirectorySource("docs", tmp_path)
    assert [item.path for item in listed(source)] == ["é/a.md", "é/b.md"]
    for item in listed(source):
        with source.open(item) as stream:
            assert stream.read()


@LINUX
def test_a_name_that_is_not_utf8_fails_alone(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "z.md")
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("x", encoding="utf-8")
    (tmp_path / os.fsdecode(b"d\xff")).mkdir()
    (tmp_path / os.fsdecode(b"d\xff") / "inner.md").write_text("x", encoding="utf-8")
    source = DirectorySource("docs", tmp_path)
    assert [item.path for item in listed(source)] == ["a.md", "z.md"]
    assert sorted(failure.document for failure in failed(source)) == ["caf\\xe9.md", "d\\xff/inner.md"]
    assert all(failure.stage == "list" and "UTF-8" in failure.message for failure in failed(source))


@POSIX
def test_links_to_files_inside_are_read(tmp_path: Path) -> None:
    write(tmp_path, "data/a.md")
    (tmp_path / "link.md").symlink_to("data/a.md")
    source = DirectorySource("docs", tmp_path)
    assert [item.path for item in listed(source)] == ["data/a.md", "link.md"]
    with source.open(listed(source)[1]) as stream:
        assert stream.read() == b"data/a.md"


@POSIX
def test_links_never_lead_out_of_the_root(tmp_path: Path) -> None:
    write(tmp_path, "outside/secret.md", "root/a.md")
    (tmp_path / "root" / "file.md").symlink_to(tmp_path / "outside" / "secret.md")
    (tmp_path / "root" / "folder").symlink_to(tmp_path / "outside")
    source = DirectorySource("docs", tmp_path / "root")
    assert [item.path for item in listed(source)] == ["a.md"]
    assert [failure.document for failure in failed(source)] == ["file.md", "folder"]
    assert all("leads out of the source" in failure.message for failure in failed(source))
    excluding = DirectorySource("docs", tmp_path / "root", exclude=["file.md", "folder"])
    assert failed(excluding) == []


@POSIX
def test_loops_of_links_end(tmp_path: Path) -> None:
    write(tmp_path, "a/b.md")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "self").symlink_to(".")
    (tmp_path / "one.md").symlink_to("two.md")
    (tmp_path / "two.md").symlink_to("one.md")
    (tmp_path / "broken.md").symlink_to("nowhere.md")
    source = DirectorySource("docs", tmp_path)
    assert [item.path for item in listed(source)] == ["a/b.md"]
    assert [failure.document for failure in failed(source)] == ["broken.md", "one.md", "two.md"]


@POSIX
def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path, "real/a.md")
    (tmp_path / "current").symlink_to("real")
    source = DirectorySource("docs", tmp_path / "current")
    (item,) = listed(source)
    with source.open(item) as stream:
        assert stream.read() == b"real/a.md"


@POSIX
def test_pipes_are_never_opened(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    os.mkfifo(tmp_path / "pipe.md")
    source = DirectorySource("docs", tmp_path)
    assert [item.path for item in listed(source)] == ["a.md"]
    assert failed(source) == []
    (item,) = listed(source)
    (tmp_path / "a.md").unlink()
    os.mkfifo(tmp_path / "a.md")  # put in its place after the listing: must not block
    with pytest.raises(UnreadableDocument, match="no regular file"):
        source.open(item)


def test_a_removed_file_is_unreadable(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    source = DirectorySource("docs", tmp_path)
    (item,) = listed(source)
    (tmp_path / "a.md").unlink()
    with pytest.raises(UnreadableDocument, match="No such file") as caught:
        source.open(item)
    assert caught.value.where == "docs:a.md"
    assert caught.value.retryable


def test_a_file_that_may_not_be_read_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.md")
    source = DirectorySource("docs", tmp_path)
    (item,) = listed(source)

    def refusing(path: Any, *_: Any) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(UnreadableDocument, match="Permission denied") as caught:
        source.open(item)
    assert caught.value.hint


@POSIX
@pytest.mark.parametrize("what", ["file", "directory"])
def test_a_link_swapped_in_after_the_listing_is_not_followed(tmp_path: Path, what: str) -> None:
    write(tmp_path, "outside/a.md", "root/d/a.md")
    source = DirectorySource("docs", tmp_path / "root")
    (item,) = listed(source)
    (tmp_path / "root" / "d" / "a.md").unlink()
    if what == "file":
        (tmp_path / "root" / "d" / "a.md").symlink_to(tmp_path / "outside" / "a.md")
    else:
        (tmp_path / "root" / "d").rmdir()
        (tmp_path / "root" / "d").symlink_to(tmp_path / "outside")
    with pytest.raises(UnreadableDocument, match="leads out of"):
        source.open(item)


def test_a_path_that_climbs_out_is_not_opened(tmp_path: Path) -> None:
    write(tmp_path, "secret.md", "root/a.md")
    source = DirectorySource("docs", tmp_path / "root")
    with pytest.raises(UnreadableDocument, match="leads out of"):
        source.open(Item("docs", "../secret.md", "", ""))


def test_a_disk_that_fails_while_reading_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A descriptor that fails to read after it was opened stands for a bad sector."""
    write(tmp_path, "a.md")
    source = DirectorySource("docs", tmp_path)
    (item,) = listed(source)
    with source.open(item) as stream:
        os.close(stream.fileno())
        with pytest.raises(UnreadableDocument, match="cannot be read") as caught:
            stream.read()
        assert caught.value.where == "docs:a.md"
        # the stream closes its own descriptor at the end
        os.dup2(os.open(tmp_path / "a.md", os.O_RDONLY), stream.fileno())


def test_a_path_that_is_no_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'/etc/\\*'"):
        DirectorySource("docs", tmp_path, include=["/etc/*"])
