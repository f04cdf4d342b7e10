"""Files by name, ignore files, and links that are followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from contracts.source import content, listed

from ragctl.errors import ListingFailed
from ragctl.sources.directory import DirectorySource
from ragctl.sources.files import FilesSource
from ragctl.types import Failure, Item


def write(root: Path, **texts: str) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def test_names_and_patterns(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": "a", "b.md": "b", "docs/c.md": "c", "docs/d.txt": "d", ".x.md": "x"})
    assert list(listed(FilesSource("f", tmp_path, ["./a.md", "docs/*.md", ".x.md"]))) == [
        ".x.md",
        "a.md",
        "docs/c.md",
    ]


def test_a_name_without_its_file_fails_alone(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": "a"})
    found = list(FilesSource("f", tmp_path, ["gone.md", "a.md"]).items())
    assert [one.path for one in found if isinstance(one, Item)] == ["a.md"]
    assert [one.document for one in found if isinstance(one, Failure)] == ["gone.md"]
    with pytest.raises(ListingFailed, match="none of its files is there"):
        list(FilesSource("f", tmp_path, ["gone.md"]).items())


def test_ignore_files_by_git_s_rules(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            ".gitignore": "# built\n*.log\n/build/\nsecret*\n!secret-not.md\n",
            "a.md": "",
            "x.log": "",
            "build/a.md": "",
            "docs/build/b.md": "",
            "docs/.gitignore": "!keep.log\n*.tmp\n",
            "docs/keep.log": "",
            "docs/other.log": "",
            "docs/c.tmp": "",
            "c.tmp": "",
            "secret.md": "",
            "secret-not.md": "",
            "kept/.ragctlignore": "*\n",
            "kept/a.md": "",
        },
    )
    with_git = DirectorySource("d", tmp_path, ignore_files=[".gitignore"])
    assert list(listed(with_git)) == [
        "a.md",
        "c.tmp",
        "docs/build/b.md",
        "docs/keep.log",
        "kept/a.md",
        "secret-not.md",
    ]
    with_both = DirectorySource("d", tmp_path, ignore_files=[".gitignore", ".ragctlignore"])
    assert "kept/a.md" not in listed(with_both)
    assert "x.log" in listed(DirectorySource("d", tmp_path))


def test_an_ignore_file_that_cannot_be_read_lists_nothing(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": "a"})
    (tmp_path / ".gitignore").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ListingFailed):
        list(DirectorySource("d", tmp_path, ignore_files=[".gitignore"]).items())


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A root with links out of it and back into it, and round and round."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(root, **{"a.md": "a", "sub/b.md": "b"})
    write(outside, **{"c.md": "c", "deep/d.md": "d"})
    for link, target in {
        "root/out": outside,
        "root/again": outside,
        "root/inside": root / "sub",
        "root/sub/up": root,
        "outside/back": root,
        "outside/deep/round": outside,
        "outside/parent": tmp_path,
        "root/one.md": outside / "c.md",
    }.items():
        (tmp_path / link).symlink_to(target, target_is_directory=target.is_dir())
    return root


@pytest.mark.skipif(os.name == "nt", reason="links need a right there that tests may not have")
def test_links_are_followed_once_and_end(linked: Path) -> None:
    source = DirectorySource("d", linked, follow_links=True)
    items = listed(source)
    assert [
        one for one in items if one in ("a.md", "one.md", "sub/b.md", "again/c.md", "again/deep/d.md")
    ] == [
        "a.md",
        "again/c.md",
        "again/deep/d.md",
        "one.md",
        "sub/b.md",
    ]
    assert len(items) == 5
    assert content(source, items["again/deep/d.md"]) == b"d"


@pytest.mark.skipif(os.name == "nt", reason="links need a right there that tests may not have")
def test_links_are_not_followed_otherwise(linked: Path) -> None:
    found = list(DirectorySource("d", linked).items())
    assert [one.path for one in found if isinstance(one, Item)] == ["a.md", "sub/b.md"]
    assert {one.document for one in found if isinstance(one, Failure)} == {"again", "one.md", "out"}
