"""Real repositories, fetched by git itself from the disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from contracts.source import content, listed
from sources.git_commands import commit, git

from ragctl.errors import ListingFailed, UnreadableDocument, UsageError
from ragctl.sources.git import GitSource
from ragctl.sources.git_repository import GitFailed, GitRepository, is_remote, is_revision
from ragctl.types import Failure, Item


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    made = tmp_path / "repository"
    git("init", "--quiet", "--initial-branch=main", str(made))
    write(
        made, **{"README.md": "read me", "docs/a.md": "first", "docs/v1/b.md": "second", "src/c.py": "pass"}
    )
    commit(made)
    return made


def write(repository: Path, **texts: str) -> None:
    for name, text in texts.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text, encoding="utf-8")


def source(repository: Path, **given: Any) -> GitSource:
    return GitSource("repo", str(repository), work_directory=repository.parent / ".ragctl", **given)


def test_a_folder_by_the_patterns(repository: Path) -> None:
    items = listed(source(repository, path="docs/", include=["**/*.md"], exclude=["a*"]))
    assert list(items) == ["v1/b.md"]
    assert content(source(repository, path="docs"), items["v1/b.md"]) == b"second"
    assert items["v1/b.md"].uri == f"{repository.as_uri()}#docs/v1/b.md"


def test_branches_tags_and_commits(repository: Path) -> None:
    first = git("rev-parse", "HEAD", at=repository)
    git("tag", "v1.0", at=repository)
    git("checkout", "--quiet", "-b", "dev/next", at=repository)
    write(repository, **{"README.md": "newer"})
    commit(repository)
    git("checkout", "--quiet", "main", at=repository)

    def readme(revision: str | None) -> bytes:
        made = source(repository, revision=revision)
        return content(made, listed(made)["README.md"])

    assert readme(None) == readme("main") == readme("v1.0") == readme(first) == b"read me"
    assert readme("dev/next") == b"newer"


def test_no_history_is_fetched(repository: Path) -> None:
    for number in range(3):
        write(repository, **{"README.md": f"{number}"})
        commit(repository)
    made = GitRepository(str(repository), "main", repository.parent / "copies")
    last = made.fetch()
    (copy,) = (repository.parent / "copies").glob("*.git")
    assert git("rev-list", "--count", last, at=copy) == "1"


def test_what_was_committed_elsewhere_changes_no_fingerprint(repository: Path) -> None:
    before = listed(source(repository))
    write(repository, **{"docs/a.md": "changed"})
    commit(repository)
    git("mv", "src/c.py", "src/d.py", at=repository)
    commit(repository)
    after = listed(source(repository))
    assert after["src/d.py"].fingerprint == before["src/c.py"].fingerprint
    same = before.keys() & after.keys()
    assert {path for path in same if after[path].fingerprint != before[path].fingerprint} == {"docs/a.md"}


def test_links_submodules_and_pointers(repository: Path) -> None:
    (repository / "link.md").symlink_to("README.md")
    git("update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},module", at=repository)
    write(
        repository,
        **{"big.md": f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"},
    )
    git("add", "link.md", "big.md", at=repository)
    git("commit", "--quiet", "--message=more", at=repository)
    made = source(repository)
    items = listed(made)
    assert "big.md" in items
    assert not {"link.md", "module"} & set(items)
    with pytest.raises(UnreadableDocument, match="Git LFS"):
        content(made, items["big.md"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_are_no_text(repository: Path) -> None:
    (repository / os.fsdecode(b"caf\xe9.md")).write_text("x", encoding="utf-8")
    write(repository, **{"\u00fc.md": "one", "u\u0308.md": "two"})
    commit(repository)
    found = list(source(repository, include=["*.md"]).items())
    # of the two that differ in Unicode form alone, git lists the longer spelling first: u, U+0308
    assert {one.path for one in found if isinstance(one, Item)} == {"README.md", "\u00fc.md"}
    assert {one.document for one in found if isinstance(one, Failure)} == {"caf\\xe9.md", "\\xfc.md"}


def test_a_repository_that_cannot_be_listed_any_more(repository: Path) -> None:
    made = source(repository)
    assert listed(made)
    with pytest.raises(ListingFailed, match="nothing is known about what is gone"):
        list(source(repository, revision="gone").items())
    with pytest.raises(ListingFailed):
        list(source(repository, path="nowhere").items())
    shutil.rmtree(repository)
    with pytest.raises(ListingFailed) as refused:
        list(made.items())
    assert "repo" in refused.value.message


def test_a_listing_that_breaks_half_way(repository: Path) -> None:
    """An object of the copy is gone: git says so after it has listed what comes before."""
    made = GitRepository(str(repository), "main", repository.parent / "copies")
    last = made.fetch()
    (copy,) = (repository.parent / "copies").glob("*.git")
    unpack(copy)
    tree = git("rev-parse", "HEAD:src", at=repository)
    (copy / "objects" / tree[:2] / tree[2:]).unlink()
    entries = made.tree(last, "")
    assert next(entries).endswith(b"README.md")
    with pytest.raises(GitFailed, match=tree):
        list(entries)
    again = GitSource("repo", str(repository), revision="main", work_directory=repository.parent)
    (repository.parent / "copies").rename(repository.parent / "git")
    with pytest.raises(ListingFailed, match="nothing is known about what is gone"):
        list(again.items())


def unpack(copy: Path) -> None:
    """Makes every object a file of its own."""
    for pack in list(copy.glob("objects/pack/*.pack")):
        apart = copy / pack.name
        pack.rename(apart)
        with apart.open("rb") as data:
            subprocess.run(["git", "-C", str(copy), "unpack-objects", "-q"], stdin=data, check=True)


def test_a_copy_that_was_deleted_is_made_again(repository: Path) -> None:
    items = listed(source(repository))
    shutil.rmtree(repository.parent / ".ragctl")
    assert content(source(repository), items["README.md"]) == b"read me"


def test_hooks_and_configuration_of_the_user_are_not_used(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = repository.parent / "home"
    (home / "hooks").mkdir(parents=True)
    for hook in ("reference-transaction", "post-checkout", "post-update"):
        (home / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {home}/ran\n", encoding="utf-8")
        (home / "hooks" / hook).chmod(0o755)
    (home / ".gitconfig").write_text(
        f'[core]\n\thooksPath = {home}/hooks\n[url "/nowhere/"]\n\tinsteadOf = file://\n', encoding="utf-8"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.hooksPath=/nowhere'")
    assert listed(source(repository, environment=dict(os.environ)))
    assert not (home / "ran").exists()


ADDRESSES = [
    "--upload-pack=touch /tmp/x",
    "-oProxyCommand=touch x",
    "ext::sh -c touch% x",
    "ssh://-oProxyCommand=touch/x",
    "-x@host.example:path",
    "host.example;touch:/x",
    "http://git.example/docs.git",
    "git://git.example/docs.git",
    "ftp://git.example/docs.git",
    "https://git.example/docs.git --upload-pack=x",
    "https://me:secret@git.example/docs.git",
    "file::https://git.example/docs",
    "fd::17",
    "https://git.example",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_that_are_none(address: str, tmp_path: Path) -> None:
    assert not is_remote(address)
    with pytest.raises(ValueError, match="is no address"):
        GitRepository(address, "main", tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        "https://git.example/docs.git",
        "https://git.example:8443/group/docs",
        "ssh://git@git.example:22/docs.git",
        "git@git.example:group/docs.git",
    ],
)
def test_addresses_that_are_some(address: str) -> None:
    assert is_remote(address)


@pytest.mark.parametrize(
    "revision",
    [
        "--upload-pack=x",
        "-x",
        "a..b",
        "main:refs/heads/x",
        "+main",
        "HEAD~1",
        "main^{tree}",
        "a b",
        "",
        "@{-1}",
    ],
)
def test_revisions_that_are_none(revision: str, tmp_path: Path) -> None:
    assert not is_revision(revision)
    with pytest.raises(ValueError, match="is no branch"):
        GitRepository(str(tmp_path), revision, tmp_path)


def test_a_token_is_in_no_argument_and_no_error(repository: Path) -> None:
    made = GitRepository("https://127.0.0.1:1/docs.git", "main", repository.parent, token="hunter2")
    with pytest.raises(GitFailed, match=r"127\.0\.0\.1") as refused:
        made.fetch()
    assert "hunter2" not in str(refused.value)
    with pytest.raises(UsageError, match="TOKEN, which is not set"):
        list(source(repository, token_env="TOKEN", environment={}).items())
