"""The example's commands, against a scripted model on loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sql.sql_script import SqlScript, block

from model_server import ModelServer
from workspace import call

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "sql-music"
QUESTION = "Which two genres have the most tracks?"
SQL = (
    "SELECT g.name, count(*) AS tracks FROM track t JOIN genre g ON g.id = t.genre_id"
    " GROUP BY g.name ORDER BY tracks DESC, g.name LIMIT 2"
)


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in EXAMPLE.iterdir():
        if file.suffix in (".py", ".yaml"):
            shutil.copy(file, tmp_path)
    subprocess.run([sys.executable, "make_shop.py"], cwd=tmp_path, check=True)
    monkeypatch.setenv("OPENAI_API_KEY", "a key of nobody")
    spec = str(tmp_path / "music.yaml")
    assert call("check", spec).code == 0
    sentence = json.dumps({"candidate": 1, "sentence": "Folk and Jazz have the most tracks."})
    script = SqlScript(rephrase="1. What genres lead?\n2. The top genres?", sql=block(SQL), conclude=sentence)
    with ModelServer(replies=script) as server:
        url = f"{server.url}/v1"
        key = "OPENAI_API_KEY"
        here = [f"ask.{role}.{name}={value}" for role in ("query", "answer") for name, value in _at(url, key)]
        overrides = [part for one in here for part in ("--set", one)]
        people = call("ask", spec, QUESTION, *overrides)
        found = call("ask", spec, QUESTION, "--format", "json", *overrides).json["sql"]
        assert call("ask", spec, QUESTION, "--no-execute", *overrides).code == 0
    assert people.code == 0, people.err
    assert len(found["rows"]) == 2
    assert found["agreement"] == {"versions": 3, "of": 3}
    assert "a key of nobody" not in people.out + people.err
    shown = script.of("sql")[0]
    assert "@example.org" not in shown
    assert "'Malmö'" in shown
    exported = call("export-dag", spec, "--kind", "ask", "-o", str(tmp_path / "music_ask.py"))
    assert exported.code == 0, exported.err


def _at(url: str, key: str) -> list[tuple[str, str]]:
    return [("base_url", url), ("api_key_env", key)]
