"""Glob patterns: what they match, and what they keep a walk from entering."""

from __future__ import annotations

import pytest

from ragctl.sources.patterns import Patterns


def matches(pattern: str, path: str, *, dots: bool = False) -> bool:
    patterns = Patterns([pattern], dots=dots)
    *directories, name = path.split("/")
    states = patterns.start()
    for directory in directories:
        states = patterns.enter(states, directory)
    return patterns.matches(states, name)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.md", "a.md"),
        ("**/*.md", "a.md"),
        ("**/*.md", "x/y/a.md"),
        ("**/*", "x/y/a"),
        ("**", "x/y/a"),
        ("docs/**", "docs/a/b.txt"),
        ("docs/", "docs/a/b.txt"),
        ("./docs/*.md", "docs/a.md"),
        ("docs/**/*.md", "docs/a.md"),
        ("**/docs/**/*.md", "a/docs/b/c/d.md"),
        ("a**b/c", "axxb/c"),
        ("?.md", "é.md"),
        ("[a-c].md", "b.md"),
        ("[!a-c].md", "d.md"),
        ("[]x].md", "].md"),
        ("[.md", "[.md"),
        ("a[^].md", "a^.md"),
        ("a.md", "a.md"),
        ("e\u0301.md", "\u00e9.md"),
        (".github/**", ".github/a.md"),
        ("**/.hidden/x.md", "a/.hidden/x.md"),
        (".*/a.md", ".config/a.md"),
        (".ragctl/**", ".ragctl/a.md"),
    ],
)
def test_matches(pattern: str, path: str) -> None:
    assert matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.md", "x/a.md"),
        ("*.md", "a.MD"),
        ("*.md", "a.mdx"),
        ("a.md", "axmd"),
        ("docs/*.md", "docs/x/a.md"),
        ("docs/**", "doc/a"),
        ("docs/**", "docs"),
        ("docs/", "docs"),
        ("[a-c].md", "d.md"),
        ("[!a-c].md", "b.md"),
        ("?.md", "ab.md"),
        ("**/*", ".hidden"),
        ("**/*", ".git/config"),
        ("**/*.md", "a/.git/x.md"),
        ("?git", ".git"),
        ("[.]git", ".git"),
        ("**/*.md", ".ragctl/a.md"),
        (".*/**", ".ragctl/a.md"),
        ("*", "a\n/b"),
    ],
)
def test_does_not_match(pattern: str, path: str) -> None:
    assert not matches(pattern, path)


def test_wildcards_of_an_exclude_match_dots() -> None:
    assert matches("**/*.tmp", ".cache/.x.tmp", dots=True)


def test_a_directory_that_nothing_below_can_match_is_not_entered() -> None:
    patterns = Patterns(["docs/**/*.md", "*.txt"], dots=False)
    assert patterns.enter(patterns.start(), "docs")
    assert not patterns.enter(patterns.start(), "src")
    assert not patterns.enter(patterns.start(), ".git")


@pytest.mark.parametrize("pattern", ["", "/", "/etc/*", "../x", "a/../b", "."])
def test_a_pattern_that_is_no_relative_path_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="relative to the source's root"):
        Patterns([pattern], dots=False)


def test_a_set_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a glob pattern"):
        Patterns(["[z-a].md"], dots=False)


@pytest.mark.parametrize(
    ("pattern", "path", "dots", "covered"),
    [
        ("docs/old", "docs/old/a/b.md", True, True),
        ("docs/old", "docs/old", True, True),
        ("docs/o", "docs/old/a.md", True, False),
        ("**/old", "docs/x/old/a.md", True, True),
        ("docs/*.md", "docs/x/a.md", True, False),
        ("docs/**", "docs/.x/a.md", True, True),
        ("docs/**", "docs/.x/a.md", False, False),
        ("docs/\u00e9.md", "docs/e\u0301.md", True, True),
    ],
)
def test_a_path_is_covered_by_a_pattern_for_it_or_for_a_directory_above(
    pattern: str, path: str, dots: bool, covered: bool
) -> None:
    assert Patterns([pattern], dots=dots).cover(path) is covered
