"""Files that are no spec at all: not there, not text, not YAML, or YAML that is a trap."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml

from ragctl.errors import SpecError
from ragctl.spec.load import load_spec
from ragctl.spec.mistakes import MistakeFound, Place
from ragctl.spec.plain import read_plain

HEAD = "name: docs\nsources:\n  - {type: directory, path: a}\n"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mistakes_in(content: str | bytes) -> list[str]:
    Path("docs.yaml").write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return mistakes_at("docs.yaml")


def mistakes_at(path: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_spec(Path(path))
    return list(caught.value.mistakes)


# --- the file ---


def test_no_such_file() -> None:
    Path("docs.yaml").touch()
    (Path("sub")).mkdir()
    assert mistakes_at("docs") == ["docs: there is no such file; did you mean 'docs.yaml'?"]
    assert mistakes_at("docs.yml") == ["docs.yml: there is no such file; did you mean 'docs.yaml'?"]
    assert mistakes_at("dosc.yaml") == ["dosc.yaml: there is no such file; did you mean 'docs.yaml'?"]
    assert mistakes_at("sub/x.yaml") == [
        f"{Path('sub/x.yaml')}: there is no such file; `ragctl init` writes a spec to begin with"
    ]


def test_a_directory() -> None:
    Path("specs").mkdir()
    assert mistakes_at("specs") == ["specs: is a directory, not a spec file; name the file in it"]
    Path("specs/one.yaml").touch()
    inside = Path("specs") / "one.yaml"
    assert mistakes_at("specs") == [f"specs: is a directory, not a spec file; did you mean '{inside}'?"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files in a folder")
def test_not_an_ordinary_file() -> None:
    os.mkfifo("pipe")
    assert mistakes_at("pipe") == ["pipe: is not an ordinary file"]


@pytest.mark.skipif(sys.platform == "win32", reason="modes mean something else on Windows")
def test_an_unreadable_file() -> None:
    path = Path("docs.yaml")
    path.write_text(HEAD, encoding="utf-8")
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        assert mistakes_at("docs.yaml") == ["docs.yaml: cannot be read: permission denied"]
    else:
        pytest.skip("this account (root) may read every file")


def test_impossible_file_names() -> None:
    assert len(mistakes_at("a\0b")) == 1
    (found,) = mistakes_at("x" * 5000)
    assert "cannot be read" in found or "no such file" in found


def test_a_file_too_large_for_a_spec() -> None:
    assert mistakes_in(HEAD + "#" * 1024 * 1024) == [
        "docs.yaml: is larger than 1024 KiB, so it is hardly a spec"
    ]


def test_not_utf8() -> None:
    assert mistakes_in(b"name: docs\ntitle: \xc3\xa9t\xe9") == [
        "docs.yaml:2:10: is not UTF-8: byte 0xe9 at offset 21; save the file as UTF-8"
    ]
    assert mistakes_in(HEAD.encode("utf-16")) == ["docs.yaml:1:1: is UTF-16; save the file as UTF-8"]


def test_characters_that_yaml_forbids() -> None:
    assert mistakes_in(b"name: docs\r\nx: a\x00b") == [
        "docs.yaml:2:5: the character U+0000 may not stand in a YAML file; remove it"
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "  ", "\ufeff"])
def test_empty(text: str) -> None:
    (found,) = mistakes_in(text)
    assert found.startswith("docs.yaml:1:1: is empty; a spec needs a name and a source")


@pytest.mark.parametrize("text", ["# nothing\n", "---\n", "~"])
def test_no_content(text: str) -> None:
    (found,) = mistakes_in(text)
    assert "a spec needs a name and a source" in found


@pytest.mark.parametrize(
    ("text", "kind"), [("- a\n- b\n", "a list"), ("docs\n", "a single value"), ("3", "a single")]
)
def test_no_mapping(text: str, kind: str) -> None:
    (found,) = mistakes_in(text)
    assert found.startswith(
        f"docs.yaml:1:1: must be a mapping with keys such as 'name:' and 'sources:', not {kind}"
    )


# --- the syntax, by either of PyYAML's parsers ---

PARSERS = [yaml.SafeLoader] + ([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.__name__)
@pytest.mark.parametrize(
    ("text", "place", "sentence"),
    [
        ("a: 'x", "1:4", "the quote that opens here is never closed"),
        ("a:\n\tb: 1", "2:1", "a tab stands where YAML wants spaces; indent with spaces"),
        ("a: |\n x\n\ty", "3:1", "a tab stands where YAML wants spaces; indent with spaces"),
        (
            "a: b: c",
            "1:5",
            "a ':' stands where no key can be: quote the value if it belongs to it, or check the indentation",
        ),
        ("a: [1, 2", "1:4", "the list that opens with [ here is not closed with ], or lacks a comma"),
        ("a: {b: 1", "1:4", "the mapping that opens with { here is not closed with }, or lacks a comma"),
        ("a: [**/*.md]", "1:5", "a value that begins with * must be quoted, as in '*.md'"),
        ("a: *.md", "1:4", "a value that begins with * must be quoted, as in '*.md'"),
        ("a: @x", "1:4", "a value cannot begin with @; quote it"),
        ("a: %x", "1:4", "a value cannot begin with %; quote it"),
        ("a: !foo!bar 1", "1:4", "a value that begins with ! must be quoted"),
        ("a: - b", "1:4", "a list must begin on a line of its own"),
        ("a: 1\nb", "2:1", "a line that is neither 'key: value' nor '- entry'"),
        (
            "a:\n  - x\n  y: 1",
            "3:3",
            "is indented like an entry of the list above, but does not begin with '-'",
        ),
        (
            "a: 'x' y",
            "1:8",
            "does not fit the lines above: check the indentation, and quotes that end too early",
        ),
        ("a: >x\n y", "1:5", "after | or > the text must begin on the next line"),
        ("a: 1\n...\nb", "3:1", "something follows the end of the document"),
        ("%YAML 3.0\n---\na: 1", "1:1", "is written for another version of YAML; remove the %YAML line"),
        ("]", "1:1", "a value is missing here"),
        ("a: 1\n---\nb: 2", "2:1", "a second YAML document begins here; a file holds one spec"),
        ("a: *b", "1:4", "the alias '*b' names nothing; quote the value if the * belongs to it"),
        ("a: &b [*b]", "1:8", "the alias '*b' stands inside what it names"),
        ("a: " + "[" * 50, "1:28", "is nested more than 24 levels deep"),
        ("a: " + "[" * 100_000, "1:28", "is nested more than 24 levels deep"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_syntax(parser: type, text: str, place: str, sentence: str) -> None:
    with pytest.raises(MistakeFound) as caught:
        read_plain(text, lambda line, column: Place(0, line, column, "f"), parser=parser)
    assert str(caught.value) == f"f:{place}: {sentence}"


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.__name__)
def test_a_backslash_in_double_quotes(parser: type) -> None:
    with pytest.raises(MistakeFound, match=r"in double quotes a \\ begins an escape"):
        read_plain('path: "C:\\docs"', lambda line, column: Place(0, line, column, "f"), parser=parser)


def test_an_alias_bomb() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (found,) = mistakes_in("\n".join(lines))
    assert "holds more than 50000 values, with each alias (*name) written out" in found


def test_an_alias_bomb_of_merges() -> None:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    (found,) = mistakes_in("\n".join(lines))
    assert "holds more than 50000 values, with each alias (*name) written out" in found


# --- values that YAML reads otherwise than a person does ---


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("no", "no is read as a boolean by some YAML readers; quote it ('no') or write false"),
        ("Yes", "quote it ('Yes') or write true"),
        ("ON", "quote it ('ON') or write true"),
        ("off", "write false"),
        ("0256", "0256 is a number to some YAML readers, and not the same one to all"),
        ("0o17", "not the same one to all"),
        ("0x1F", "not the same one to all"),
        ("0b11", "not the same one to all"),
        ("1_000", "not the same one to all"),
        ("12:30", "not the same one to all"),
        ("190:20:30.15", "not the same one to all"),
        ("2024-01-31", "2024-01-31 is read as a date by some YAML readers; quote it: '2024-01-31'"),
        ("2001-12-14t21:59:43.10-05:00", "is read as a date"),
        (".nan", ".nan is no number that a spec can hold"),
        ("-.inf", "-.inf is no number that a spec can hold"),
        ("1e999", "is too large a number"),
        ("9" * 5000, "is too large a number"),
        ("9223372036854775808", "is too large a number"),
        ("!!python/object/apply:os.system [echo]", "has a YAML tag"),
        ("!!binary aGk=", "has a YAML tag"),
        ("!!int x", "has a YAML tag"),
        ("!!set {a, b}", "has a YAML tag"),
        ('"\\0"', "holds a character that no text may have"),
    ],
)
def test_traps(value: str, part: str) -> None:
    (found,) = mistakes_in(f"{HEAD[:-2]}, metadata: {{key: {value}}}}}\n")
    assert found.startswith("docs.yaml:3:")
    assert ": sources.0.metadata.key: " in found
    assert part in found


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("'no'", "no"), ("n", "n"), ("norway", "norway"), ("1.2.3", "1.2.3"), ("v0256", "v0256"),
        ("!!str 0256", "0256"), ("! no", "no"), ("'${'", "${"), ("a$b", "a$b"), ("-7", -7), ("+7", 7),
        ("0", 0), ("1.", 1.0), (".5", 0.5), ("-1.5e-3", -0.0015), ("!!float 3", 3.0), ("True", True),
        ("2024", 2024), ("docs:8080", "docs:8080"), ("🙂", "🙂"),
    ],
)  # fmt: skip
def test_what_is_no_trap(value: str, read: object) -> None:
    Path("docs.yaml").write_text(f"{HEAD[:-2]}, metadata: {{key: {value}}}}}\n", encoding="utf-8")
    found = load_spec(Path("docs.yaml")).spec.sources[0].metadata["key"]
    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("1: x", "4:1: a key must be text, and '1' is not to YAML; quote it"),
        ("? [a]\n: b", "4:3: a key must be text; quote it if it begins with { or ["),
        ("{{ name }}: b", "4:1: a key must be text; quote it if it begins with { or ["),
        (
            "on: x",
            "4:1: as a key, on is read as a boolean by some YAML readers; quote it ('on') or write true",
        ),
        ("<<: 3", "4:5: <<: takes an alias of a mapping, or a list of them"),
    ],
)
def test_keys_that_are_no_text(text: str, mistake: str) -> None:
    assert mistakes_in(HEAD + text + "\n") == [f"docs.yaml:{mistake}"]
