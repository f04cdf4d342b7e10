"""`--set`: replaces values, and is validated like the file."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ragctl.errors import SpecError
from ragctl.spec.load import load_spec
from ragctl.spec.model import Spec

TEXT = """\
name: docs
sources:
  - {type: directory, path: a}
  - {type: directory, path: b}
chunk: {overlap: 16}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "docs.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def overridden(path: Path, *overrides: str) -> Spec:
    return load_spec(path, overrides).spec


def mistakes(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_spec(path, overrides)
    return list(caught.value.mistakes)


def test_values_are_replaced(path: Path) -> None:
    spec = overridden(
        path,
        "sources.1.path=c",
        "chunk.max_tokens=128",
        "ask.query={k: 20}",
        "store.index=other",
        "ask.query.k=30",
    )
    assert [source.name for source in spec.sources] == ["a", "c"]
    assert (spec.chunk.max_tokens, spec.chunk.overlap) == (128, 16)
    assert (spec.ask.query.k, spec.store.index) == (30, "other")


def test_a_whole_section_is_replaced(path: Path) -> None:
    assert overridden(path, "chunk={max_tokens: 200}").chunk.overlap == 25
    assert [one.name for one in overridden(path, "sources=[{type: directory, path: z}]").sources] == ["z"]


def test_a_value_may_hold_equals_signs(path: Path) -> None:
    assert overridden(path, "sources.0.name=a=b").sources[0].name == "a=b"


def test_an_override_mends_the_file(path: Path) -> None:
    path.write_text(TEXT.replace("16", "999"), encoding="utf-8")
    assert overridden(path, "chunk.overlap=8").chunk.overlap == 8


@pytest.mark.parametrize(
    ("override", "mistake"),
    [
        ("chunk.max_tokens=3", "--set chunk.max_tokens: must be at least 16, not 3"),
        ("chunk.max_token=30", "--set chunk.max_token: unknown key; did you mean 'max_tokens'?"),
        ("chunk={max_token: 30}", "--set chunk: chunk.max_token: unknown key; did you mean 'max_tokens'?"),
        ("chunk.overlap=", "--set chunk.overlap: has no value"),
        (
            "name=no",
            "--set name: no is read as a boolean by some YAML readers; quote it ('no') or write false",
        ),
        ("name=[a", "--set name: the list that opens with [ here is not closed with ], or lacks a comma"),
        ("name={a: 1, a: 2}", "--set name: name.a: is given twice; the first one is at --set name"),
        ("sources.2.path=x", "--set sources.2.path: there is no entry 2; 'sources' has 2, counted from 0"),
        (
            "sources.path=x",
            "--set sources.path: 'sources' has no 'path': it is a list; name an entry by its number, from 0",
        ),
        ("name.x=1", "--set name.x: 'name' has no 'x': it is a single value"),
        ("chunk.0=1", "--set chunk.0: 'chunk' has no '0': it is a mapping, not a list"),
        ("chunk.max_tokens", "--set: takes KEY=VALUE, such as chunk.max_tokens=128"),
        ("=3", "--set: takes KEY=VALUE, such as chunk.max_tokens=128"),
        ("chunk..x=3", "--set: takes KEY=VALUE, such as chunk.max_tokens=128"),
        ("postgresql://u:hunter2@h/d?a=b", "--set: takes KEY=VALUE, such as chunk.max_tokens=128"),
        ("store.dsn_env='postgresql://u:hunter2@h/d'", None),
        (f"sources.{'9' * 5000}.path=x", None),
    ],
)
def test_mistakes(path: Path, override: str, mistake: str | None) -> None:
    found = mistakes(path, override)
    assert not any("hunter2" in line for line in found)
    if mistake:
        assert mistake in found
    assert all(line.startswith("--set") for line in found if "given twice" not in line)


def test_each_override_is_judged(path: Path) -> None:
    found = mistakes(path, "chunk.max_tokens=3", "max_failures=-1", "nonsense")
    assert found == [
        "--set chunk.max_tokens: must be at least 16, not 3",
        "--set max_failures: must be at least 0, not -1",
        "--set: takes KEY=VALUE, such as chunk.max_tokens=128",
    ]


def test_a_command_that_is_advised_is_for_the_same_spec(path: Path) -> None:
    given = ("store.index=other", "ask.query={k: 20}")
    words = shlex.split(load_spec(path, given).as_argument)
    assert words == [str(path), "--set", given[0], "--set", given[1]]
    assert load_spec(path).as_argument == shlex.quote(str(path))
