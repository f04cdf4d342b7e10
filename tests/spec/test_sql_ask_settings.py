"""`ask.type: sql` in a spec: what it takes, and each mistake with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragctl.errors import SpecError
from ragctl.spec.embedded_spec import load_embedded
from ragctl.spec.load import LoadedSpec, load_spec
from ragctl.spec.sql_ask_settings import SqlAskSettings

GOOD = """\
name: shop
ask:
  type: sql
  database: {sqlite: shop.db}
  query: {provider: openai}
"""


def loaded(tmp_path: Path, text: str) -> LoadedSpec:
    file = tmp_path / "shop.yaml"
    file.write_text(text, encoding="utf-8")
    return load_spec(file)


def mistakes(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as found:
        loaded(tmp_path, text)
    return [one.rpartition("shop.yaml:")[2] for one in found.value.mistakes]


def test_a_short_spec_and_its_defaults(tmp_path: Path) -> None:
    spec = loaded(tmp_path, GOOD).spec
    assert isinstance(spec.ask, SqlAskSettings)
    assert (spec.asks_database, spec.ask_of_file, spec.sources) == (True, True, ())
    assert (spec.ask.rephrase.provider, spec.ask.answer.provider) == ("same", "same")
    assert spec.database == (None, "state.dsn_env")


def test_documents_are_asked_unless_it_says_otherwise(tmp_path: Path) -> None:
    text = "name: shop\nsources: [{type: directory, path: .}]\nask: {rank: {top_n: 3}}\n"
    spec = loaded(tmp_path, text).spec
    assert (spec.ask.type, spec.asks_database, spec.document_ask.rank.top_n) == ("documents", False, 3)


def test_it_travels_in_a_dag(tmp_path: Path) -> None:
    spec = loaded(tmp_path, GOOD).spec
    content = spec.model_dump(mode="json", exclude={"sources"})
    again = load_embedded(content, path=tmp_path / "shop.yaml", sha256="0", lock=None)
    assert again.spec == spec


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("{sqlite: shop.db}", "{}", "4:13: ask.database: takes one of `dsn_env: NAME` (PostgreSQL) and"),
        ("{sqlite: shop.db}", "{sqlite: a, dsn_env: A}", "4:13: ask.database: takes one of"),
        ("{sqlite: shop.db}", "{sqlite: a, search_path: [x]}", "4:38: ask.database.search_path: is for"),
        ("{sqlite: shop.db}", "{dsn_env: 'postgresql://u:hunter2@h/d'}", "4:23: ask.database.dsn_env: must"),
        ("{provider: openai}", "{model: x}", "5:10: ask.query.provider: is missing; it takes"),
        ("type: sql", "type: sqll", "3:9: ask.type: unknown type 'sqll'; did you mean 'sql'?"),
        ("query: {provider: openai}", "rank: {max_row: 3}", "5:10: ask.rank.max_row: unknown key; did you"),
        ("query: {provider: openai}", "rank: {max_rows: 0}", "5:20: ask.rank.max_rows: must be at least 1"),
        ("query: {provider: openai}", "rank: {repair: true}", "3:3: ask.query: is missing; for example"),
        ("name: shop", "name: shop\nsources: [{type: directory, path: a}]", "2:10: sources: is for quest"),
        ("name: shop", "name: shop\nchunk: {max_tokens: 128}", "2:8: chunk: is for questions to documents"),
    ],
)
def test_each_mistake_has_its_place(tmp_path: Path, old: str, new: str, mistake: str) -> None:
    found = mistakes(tmp_path, GOOD.replace(old, new))
    assert any(one.startswith(mistake) for one in found), found
    assert "hunter2" not in "".join(found)


def test_a_spec_that_asks_documents_still_needs_sources(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "name: shop\nask: {query: {k: 0}}\n")
    assert found == [
        "1:1: sources: is missing; for example `sources: [{type: directory, path: docs}]`",
        "2:18: ask.query.k: must be at least 1, not 0",
    ]
