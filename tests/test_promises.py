"""The page of promises names tests that exist, and says of each system what it does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PAGE = (TESTS.parent / "docs" / "promises.md").read_text(encoding="utf-8")
SYSTEMS = ["Haystack", "LlamaIndex", "LangChain", "cocoindex", "Airflow"]
SECTIONS = re.split(r"^## (?=\d)", PAGE, flags=re.MULTILINE)[1:]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_of_the_eight_has_its_section() -> None:
    assert [section[:2] for section in SECTIONS] == [f"{number}." for number in range(1, 9)]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.split("\n")[0])
def test_a_promise_is_held_by_tests_that_exist(section: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", section)
    assert named
    assert section.count("::") == len(named), "a name that is not written as FILE::TEST"
    for path, name in named:
        assert name in functions(TESTS / path), f"{path}::{name}"


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.split("\n")[0])
def test_every_system_is_in_every_table(section: str) -> None:
    assert re.findall(r"^\| (\w+) \| (?!---)", section, re.MULTILINE) == ["system", *SYSTEMS]
