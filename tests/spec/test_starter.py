"""The spec that `ragctl init` writes loads again, whatever the names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragctl.errors import UsageError
from ragctl.spec.load import load_spec
from ragctl.spec.mistakes import Place
from ragctl.spec.names import NAME, slug
from ragctl.spec.plain import read_plain
from ragctl.spec.starter import quoted, starter_spec


def round_trip(tmp_path: Path, name: str, directory: str) -> tuple[str, str]:
    path = tmp_path / "spec.yaml"
    path.write_text(starter_spec(name, directory), encoding="utf-8")
    spec = load_spec(path).spec
    return spec.name, spec.sources[0].path


def test_it_says_nothing_but_name_and_source(tmp_path: Path) -> None:
    assert round_trip(tmp_path, "docs", "docs") == ("docs", "docs")
    written = [line for line in starter_spec("docs", "docs").splitlines() if line and line.strip()[0] != "#"]
    assert [line.split("#")[0].rstrip() for line in written] == [
        "name: docs", "sources:", "  - type: directory", "    path: docs",
    ]  # fmt: skip


def test_what_it_shows_as_comments_is_valid_too(tmp_path: Path) -> None:
    text = starter_spec("docs", "docs")
    bare = re.sub(r"(?m)^( *)# ([a-z_]+:|  [a-z_]+:)", r"\1\2", text)
    assert bare.count("#") < text.count("#") - 8
    path = tmp_path / "spec.yaml"
    path.write_text(bare, encoding="utf-8")
    path_of_the_short_one = tmp_path / "short.yaml"
    path_of_the_short_one.write_text(text, encoding="utf-8")
    loaded, short = load_spec(path).spec, load_spec(path_of_the_short_one).spec
    assert loaded.sources[0].include != short.sources[0].include
    assert loaded.model_dump(exclude={"sources"}) == short.model_dump(
        exclude={"sources"}
    )  # the true defaults


@pytest.mark.parametrize(
    "directory",
    [
        "my docs", "it's", 'say "hi"', "a: b", "a #b", "- a", "*", "[x]", "{x}", "no", "2024-01-01", "12:30",
        "0256", "C:\\docs\\new", "été", "🙂", "a\tb", "a\nb", "trailing ", "@x", "%x", "!x", "&x", "|",
        "a\x85b", "a\u2028b", "a\ufeffb", "null", "1e3", "...", "---", "..", "\x7f", "{{x}}", ".",
    ],
)  # fmt: skip
def test_hostile_directories(tmp_path: Path, directory: str) -> None:
    assert round_trip(tmp_path, "docs", directory) == ("docs", directory)


def test_directories_that_need_help(tmp_path: Path) -> None:
    assert round_trip(tmp_path, "docs", "~/docs") == ("docs", "./~/docs")
    assert round_trip(tmp_path, "docs", "/") == ("docs", "/")  # it gets a name


@pytest.mark.parametrize("name", ["no", "0256", "12", "1e3", "null", "a-b_c", "2024-01-01"])
def test_hostile_names(tmp_path: Path, name: str) -> None:
    assert round_trip(tmp_path, name, "docs") == (name, "docs")


@pytest.mark.parametrize("directory", ["${HOME}", "$HOME/x", "a\0b", "a\udce9", "", "  "])
def test_directories_that_a_spec_cannot_hold(directory: str) -> None:
    with pytest.raises(UsageError):
        starter_spec("docs", directory)


@pytest.mark.parametrize("name", ["", "My Docs", "x\n", "-a", "a" * 41])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        starter_spec(name, "docs")
    assert caught.value.hint is not None
    assert re.fullmatch(NAME, caught.value.hint.split("'")[1])


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_is_quoted_so_that_it_reads_as_itself(text: str) -> None:
    if re.search(r"\$\{[A-Za-z_]|^\$[A-Za-z_]", text):
        return
    plain = read_plain(f"key: {quoted(text)}  # comment\n", lambda line, column: Place(0, line, column, "f"))
    assert (plain.data, plain.mistakes) == ({"key": text}, [])


@given(st.text())
def test_any_text_gives_a_name(text: str) -> None:
    assert re.fullmatch(NAME, slug(text))
