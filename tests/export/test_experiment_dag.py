"""The experiment DAG: which task has which settings, and what is in the way of one."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest

from ragctl.errors import SpecError
from ragctl.export.dag_file import export_dag
from ragctl.export.options import ExportOptions, Kind
from ragctl.spec.load import LoadedSpec

SpecOf = Callable[..., LoadedSpec]
OPTIONS = ExportOptions("docs.yaml", kind=Kind.EXPERIMENT)


def decorators(text: str) -> dict[str, str]:
    """Each task's decorator, by the task's name."""
    functions = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef)]
    return {one.name: " ".join(map(ast.unparse, one.decorator_list)) for one in functions}


def test_tasks_have_the_settings_of_the_stages_that_they_stand_for(spec_of: SpecOf) -> None:
    stages = {"embed": {"queue": "gpu"}, "query": {"pool": "models"}, "publish": {"retries": 7}}
    file = export_dag(spec_of({"stages": stages}), OPTIONS)
    assert (file.dag_id, file.tasks) == ("docs_experiment", 4)
    found = decorators(file.text)
    assert "queue='gpu'" in found["ingest_variant"]
    assert "max_active_tis_per_dagrun=1" in found["ingest_variant"]
    assert "pool='models'" in found["evaluate_variant"]
    assert "outlets=[EXPERIMENT]" in found["evaluate_variant"]
    assert "retries=7" in found["compare_variants"]
    assert "trigger_rule='all_done'" in found["compare_variants"]
    assert "gpu" not in found["evaluate_variant"] + found["variants"] + found["compare_variants"]
    needs = {f"{need.what} {need.name}": need.tasks for need in file.needs}
    assert needs["queue gpu"] == ("ingest_variant",)
    assert needs["question file questions.jsonl"] == (
        "variants",
        "ingest_variant",
        "evaluate_variant",
        "compare_variants",
    )


def test_a_task_without_airflow_has_another_tell_what_it_measured(spec_of: SpecOf) -> None:
    python = {"external_python": "/opt/ragctl/bin/python"}
    text = export_dag(spec_of({"stages": {"query": python, "publish": python}}), OPTIONS).text
    found = decorators(text)
    assert "outlets=[EXPERIMENT]" in found["announce"]
    assert "outlets" not in found["evaluate_variant"] + found["compare_variants"]
    assert "map_index_template" not in found["evaluate_variant"]
    assert text.count("announce(") == 3  # its definition, after each variant, after the comparison
    assert "announce" not in decorators(export_dag(spec_of(), OPTIONS).text)


@pytest.mark.parametrize(
    ("experiment", "told"),
    [
        ({}, "names no variant"),
        ({"matrix": {"chunk.max_tokens": [64]}}, "names no questions"),
    ],
)
def test_what_no_experiment_can_be_made_of(spec_of: SpecOf, experiment: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        export_dag(spec_of(experiment=experiment), OPTIONS)
    export_dag(spec_of(experiment=experiment), ExportOptions("docs.yaml"))
