"""Files that are made from the model are current, and the ready specs are sound."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from ragctl.spec.airflow_settings import StageName
from ragctl.spec.example import example_text
from ragctl.spec.load import load_spec
from ragctl.spec.model import Spec
from ragctl.spec.outline import sections
from ragctl.spec.reference import reference_text, title_of
from ragctl.spec.schema import schema, schema_text

ROOT = Path(__file__).resolve().parents[2]
READY = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize(
    ("file", "text", "module"),
    [
        ("configs/ragctl.schema.json", schema_text(), "schema"),
        ("configs/docs.yaml", example_text(), "example"),
        ("docs/spec.md", reference_text(), "reference"),
    ],
)
def test_generated_files_are_current(file: str, text: str, module: str) -> None:
    assert (ROOT / file).read_text(encoding="utf-8") == text, f"python -m ragctl.spec.{module} > {file}"


def test_the_command_that_makes_a_file() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ragctl.spec.reference"], capture_output=True, cwd=ROOT, check=True
    )
    assert done.stdout.decode("utf-8") == reference_text()


def test_there_are_ready_specs() -> None:
    assert {path.name for path in READY} >= {"minimal.yaml", "docs.yaml", "choose.yaml"}


@pytest.mark.parametrize("path", READY, ids=lambda path: path.name)
def test_ready_specs_are_sound(path: Path) -> None:
    loaded = load_spec(path)
    for source in loaded.spec.sources:
        given = getattr(source, "path", None) if "path" in source.path_keys else None
        if given is not None:
            place = loaded.resolve(given)
            assert place.is_dir() if source.type == "directory" else place.is_file()
    first = path.read_text(encoding="utf-8").splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(.+)", first)
    assert match
    assert (path.parent / match.group(1)).is_file()


def test_the_example_shows_every_key_at_its_default() -> None:
    example = load_spec(ROOT / "configs" / "docs.yaml").spec
    short = load_spec(ROOT / "configs" / "minimal.yaml").spec
    assert example.model_dump(exclude={"sources"}) == short.model_dump(exclude={"sources"})
    text = example_text()
    for _, section in sections():
        for key in section.model_fields:
            assert re.search(rf"(?m)^[ #-]*(\w+: {{.*)?\b{key}:", text), key


def test_what_the_example_shows_in_comments_is_sound(tmp_path: Path) -> None:
    text = example_text()
    for key in ("id", "dsn_env", "schedule", "stages", "connections"):
        commented = re.search(rf"(?m)^( *)# {key}:.*\n((?:\1#   .*\n)*)", text)
        assert commented
        block = commented.group().replace(f"{commented.group(1)}# ", commented.group(1))
        text = text.replace(commented.group(), block)
    path = tmp_path / "docs.yaml"
    path.write_text(text, encoding="utf-8")
    spec = load_spec(path).spec
    assert spec.sources[1].type == "jsonl"
    assert spec.sources[1].id == "id"
    assert spec.store.dsn_env == "RAGCTL_DSN"
    assert spec.airflow.schedule == "0 5 * * 2"
    assert [stage for stage in spec.airflow.stages if not spec.airflow.task_of(stage).has_airflow] == [
        "extract", "chunk", "rank",
    ]  # fmt: skip
    (pod,) = [task.kubernetes for task in spec.airflow.stages.values() if task.kubernetes]
    assert pod.requests == {"cpu": "2", "memory": "4Gi"}
    assert spec.airflow.connections["rag_pg"].dsn == "RAGCTL_DSN"


def test_each_embedder_that_the_example_shows_in_comments_is_sound(tmp_path: Path) -> None:
    text = example_text()
    own = re.search(r"(?m)^embed:\n(?:  .*\n)+", text)
    assert own
    blocks = re.findall(r"(?m)^# embed:\n(?:#   .*\n)+", text)
    providers = set()
    for block in blocks:
        alternative = re.sub("(?m)^# ", "", block)
        path = tmp_path / "docs.yaml"
        path.write_text(text.replace(own.group(), alternative), encoding="utf-8")
        embed = load_spec(path).spec.embed
        providers.add(embed.provider)
        if embed.provider != "auto":  # what is shown are the defaults, but for the criteria
            shown = {key: getattr(embed, key) for key in embed.model_fields_set - {"selection_criteria"}}
            required = {"provider": embed.provider, "model": embed.model}
            default = type(embed).model_validate(required)
            assert shown == {key: getattr(default, key) for key in shown}
    assert providers == {"openai", "cohere", "huggingface", "auto"}


def test_the_reference_says_what_a_value_is() -> None:
    rows = dict(re.findall(r"(?m)^\| `(\w+)` \| ([^|]+ \| [^|]+) \|", reference_text()))
    assert rows["single_host"] == "`true` or `false` | `false`"
    assert rows["timeout"] == "whole number, 1 to 604800 | none"
    assert rows["retries"] == "whole number, 0 to 100 | `airflow.retries`"  # a stage's: the later one
    assert rows["metadata_fields"] == "list of texts | `[]`"
    assert rows["id"] == "text | `id`, or `_id` where a record has no `id`"
    assert rows["sources"] == "list of mappings | none: it is required, but for `ask.type: sql`"
    assert rows["tags"] == 'list of texts | `["ragctl"]`'
    assert rows["stages"] == "mapping of mappings | `{}`"
    assert rows["python_version"] == "`3.11` or `3.12` or `3.13` | none"
    assert rows["cost"].startswith("`low` or `medium` or `high` or number, 0 to 1000000 | ")
    assert rows["max_bytes"] == "whole number, 1 to 4294967296 | `67108864`"
    assert "`*` is one of `plan`, `extract`, " in reference_text()
    assert "`*` is the id of an Airflow connection: " in reference_text()


def test_the_reference_names_every_key_once_under_its_section() -> None:
    pages = re.split(r"(?m)^## ", reference_text())
    for where, section in sections():
        title = title_of(where, section)
        assert where.replace(".N", "[]") in title
        (page,) = [page for page in pages if page.split("\n")[0] == title]
        assert re.findall(r"(?m)^\| `(\w+)` \|", page) == list(section.model_fields)
        assert "| |" not in page.replace(" |\n|", "")  # no empty cell


def closed_objects(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for item in node for found in closed_objects(item)]
    if not isinstance(node, dict):
        return []
    here = [node] if "properties" in node and isinstance(node.get("type"), str) else []
    return here + [found for value in node.values() for found in closed_objects(value)]


def test_the_schema_is_as_strict_as_the_model() -> None:
    made = schema()
    objects = closed_objects(made)
    assert len(objects) == len({section for _, section in sections()})
    assert all(one["additionalProperties"] is False for one in objects)
    assert made["required"] == ["name"]
    assert made["anyOf"][0] == {"required": ["sources"]}
    assert set(made["properties"]) == set(Spec.model_fields)
    assert "default_is" not in schema_text()
    stages = made["$defs"]["AirflowSettings"]["properties"]["stages"]
    assert stages["propertyNames"]["enum"] == list(get_args(StageName))
    assert stages["additionalProperties"] == {"$ref": "#/$defs/StageTask"}
