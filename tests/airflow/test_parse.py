"""Exported files as Airflow sees them: they import, and their tasks are what the spec says."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("airflow.sdk", reason="runs in the environment with Airflow: make airflow-parity")

from ragctl.export.dag_file import export_dag
from ragctl.export.options import AirflowVersion, ExportOptions, Kind, Layout
from ragctl.spec.load import load_spec

if TYPE_CHECKING:
    from airflow.sdk import DAG

POD = {
    "kubernetes": {
        "image": "registry.example/ragctl:0.1.0",
        "namespace": "rag",
        "requests": {"cpu": 2},
        "limits": {"nvidia.com/gpu": 1},
        "env_from_secrets": ["rag-dsn"],
    }
}
VIRTUALENV = {"virtualenv": {"requirements": ["ragctl==0.1.0"], "python_version": "3.12"}}
EXTERNAL: dict[str, Any] = {"external_python": sys.executable}
EVERYTHING = {
    "queue": "gpu",
    "pool": "default_pool",
    "executor": "LocalExecutor",
    "retries": 5,
    "timeout": 60,
    "parallel": 3,
}
STAGES = "plan extract chunk embed store publish rephrase query dedupe rank answer".split()
PLACES: dict[str, Mapping[str, Any]] = {
    "one in another Python": {"embed": EXTERNAL, "query": EXTERNAL},
    "the last in another Python": {"publish": EXTERNAL, "answer": EXTERNAL},
    "all in another Python": dict.fromkeys(STAGES, EXTERNAL),
    "all in virtual environments": dict.fromkeys(STAGES, VIRTUALENV),
    "with every setting": {stage: {**EVERYTHING, **EXTERNAL} for stage in STAGES},
    "nothing said": {},
}
SCHEDULES: dict[str, Mapping[str, Any]] = {
    "none": {},
    "cron": {"schedule": "0 5 * * 2"},
    "cron elsewhere": {"schedule": "@daily", "timezone": "Europe/Berlin"},
    "continuous": {"schedule": "@continuous"},
    "once": {"schedule": "@once"},
    "assets": {"assets": ["s3://bucket/docs", "x-ragctl://pgvector/other", "a name"]},
}


def export(folder: Path, airflow: Mapping[str, Any] | None = None, **options: Any) -> str:
    """The text of a DAG for a spec with this section `airflow`, in `folder`."""
    spec = folder / "docs.yaml"
    content = {
        "name": "docs",
        "sources": [{"type": "directory", "path": "docs", "metadata": {"note": 'a "quoted" {{ text }}'}}],
        "store": {"type": "pgvector", "dsn_env": "RAGCTL_DSN"},
        "experiment": {"matrix": {"chunk.max_tokens": [64, 128]}, "queries": "questions.jsonl"},
        "airflow": dict(airflow or {}),
    }
    spec.write_text(json.dumps(content), encoding="utf-8")
    return export_dag(load_spec(spec), ExportOptions(spec="docs.yaml", **options)).text


def parsed(folder: Path, texts: Mapping[str, str]) -> dict[str, DAG]:
    """The one DAG of each file, by the file's name."""
    from airflow.dag_processing.dagbag import DagBag

    found = {}
    for name, text in texts.items():
        file = folder / f"{name}.py"
        file.write_text(text, encoding="utf-8")
        bag = DagBag(file)
        assert not bag.import_errors, bag.import_errors
        [found[name]] = bag.dags.values()
    return found


def parse(folder: Path, airflow: Mapping[str, Any] | None = None, **options: Any) -> DAG:
    return parsed(folder, {"exported": export(folder, airflow, **options)})["exported"]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("place", PLACES)
def test_every_place_and_layout_imports(place: str, kind: Kind, tmp_path: Path) -> None:
    texts = {
        f"{layout}_{embed}": export(
            tmp_path, {"stages": PLACES[place]}, kind=kind, layout=layout, embed_spec=embed
        )
        for layout, embed in itertools.product(Layout, (False, True))
    }
    for dag in parsed(tmp_path, texts).values():
        assert dag.dag_id == f"docs_{kind}"


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_imports_and_needs_no_start_date(schedule: str, tmp_path: Path) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    dag = parse(tmp_path, SCHEDULES[schedule])
    assert (dag.start_date, dag.catchup, dag.max_active_runs) == (None, False, 1)
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    upcoming = stored.next_dagrun_info(last_automated_run_info=None)
    assert (upcoming is not None) == ("schedule" in SCHEDULES[schedule])


@pytest.mark.skipif(
    importlib.util.find_spec("kubernetes") is None,
    reason="needs apache-airflow-providers-cncf-kubernetes, which no other test does",
)
@pytest.mark.parametrize("kind", Kind)
def test_pods_import(kind: Kind, tmp_path: Path) -> None:
    dag = parse(tmp_path, {"stages": dict.fromkeys(STAGES, POD)}, kind=kind, embed_spec=True)
    pods = [task for task in dag.tasks if task.task_id.rpartition(".")[2] != "announce"]
    assert all(task.do_xcom_push and task.env_from for task in pods)
    assert not any("@" in task.get_python_source() for task in pods)


def test_tasks_of_an_ingest(tmp_path: Path) -> None:
    dag = parse(tmp_path, {"retries": 3, "retry_delay": 7, "stages": {"embed": EVERYTHING}})
    group = [f"per_batch.{stage}" for stage in ("extract", "chunk", "embed", "store")]
    assert [task.task_id for task in dag.topological_sort()] == ["plan", *group, "publish"]
    publish, embed = dag.get_task("publish"), dag.get_task("per_batch.embed")
    assert publish.upstream_task_ids == {"plan", "per_batch.store"}
    assert publish.trigger_rule == "all_done"
    assert [(asset.name, asset.uri) for asset in publish.outlets] == [
        ("ragctl:pgvector:docs", "x-ragctl://pgvector/docs")
    ]
    assert (publish.retries, publish.retry_delay) == (3, timedelta(seconds=7))
    assert (embed.queue, embed.pool, embed.executor) == ("gpu", "default_pool", "LocalExecutor")
    assert (embed.retries, embed.execution_timeout) == (5, timedelta(minutes=1))
    assert embed.max_active_tis_per_dag == 3
    assert not any(getattr(task, "multiple_outputs", False) for task in dag.tasks)
    assert dag.params["allow_delete"] is None


def test_fused_tasks_of_an_ingest(tmp_path: Path) -> None:
    dag = parse(tmp_path, {"stages": {"store": {"parallel": 1}}}, layout=Layout.FUSED)
    assert {"per_batch.extract_chunk_embed", "per_batch.store"} <= set(dag.task_ids)
    whole = parse(tmp_path, layout=Layout.FUSED)
    assert set(whole.task_ids) == {"plan", "per_batch.extract_chunk_embed_store", "publish"}


def test_a_publish_without_airflow_is_announced_by_a_task_that_has_it(tmp_path: Path) -> None:
    dag = parse(tmp_path, {"stages": {"publish": EXTERNAL}})
    publish, announce = dag.get_task("publish"), dag.get_task("announce")
    assert publish.trigger_rule == "all_done"
    assert publish.upstream_task_ids == {"plan", "per_batch.store"}
    assert announce.upstream_task_ids == {"publish"}
    assert (publish.outlets, len(announce.outlets)) == ([], 1)


@pytest.mark.parametrize("last", ["airflow", "elsewhere"])
@pytest.mark.parametrize("layout", Layout)
def test_the_last_task_of_an_ask_is_the_result(layout: Layout, last: str, tmp_path: Path) -> None:
    stages = {"answer": EXTERNAL} if last == "elsewhere" else {}
    dag = parse(tmp_path, {"stages": stages}, kind=Kind.ASK, layout=layout)
    ordered = list(dag.topological_sort())
    assert [task.returns_dag_result for task in ordered] == [False] * (len(ordered) - 1) + [True]
    assert (dag.max_active_runs, dag.dagrun_timeout) == (64, timedelta(minutes=10))
    assert all((task.retries, task.retry_delay) == (1, timedelta(seconds=1)) for task in dag.tasks)


def test_params_are_validated_by_their_schema(tmp_path: Path) -> None:
    from airflow.sdk.definitions.param import ParamsDict

    def problem(dag: DAG, **given: object) -> bool:
        params = ParamsDict(dict(dag.params.items()))
        try:
            for name, value in given.items():
                params[name] = value
            params.validate()
        except Exception:
            return True
        return False

    ask, ingest = parse(tmp_path, kind=Kind.ASK), parse(tmp_path)
    assert not problem(ask, question="How?", top_n=3)
    assert not problem(ask, questions=["How?"] * 100)
    assert problem(ask, question="")
    assert problem(ask, questions=["How?"] * 101)
    assert problem(ask, top_n=0)
    assert not problem(ingest, allow_delete=3, max_cost=0.5, allow_partial=True)
    assert problem(ingest, allow_delete=-1)
    assert problem(ingest, retry_failed="yes")


def test_the_source_of_a_task_elsewhere_stands_alone(tmp_path: Path) -> None:
    dag = parse(tmp_path, {"stages": dict.fromkeys(STAGES, EXTERNAL)}, kind=Kind.ASK)
    for task in dag.tasks:
        source = task.get_python_source()
        assert "@" not in source
        names: dict[str, Any] = {}
        exec(source, names)
        assert "run_stage" not in names
        function = names[task.task_id]
        assert set(function.__code__.co_names) <= {"ragctl.run.tasks.without_airflow", "run_stage"}
        inspect.signature(function).bind(**task.op_kwargs, **({"given": 1} if task.op_args else {}))


def test_what_a_task_elsewhere_is_told(tmp_path: Path) -> None:
    """The spec as it is, braces and all; the run and its conf filled in."""
    dag = parse(tmp_path, {"stages": {"plan": EXTERNAL}}, embed_spec=True)
    task = dag.get_task("plan")
    context: Any = {
        "dag": dag,
        "run_id": "manual__1",
        "dag_run": type("Run", (), {"conf": {"allow_delete": 3, "text": 'é"<'}}),
    }
    told = task.render_template(task.op_kwargs, context, task.get_template_env(dag))
    assert told["run"] == "docs_ingest/manual__1"
    assert json.loads(told["run_conf"]) == {"allow_delete": 3, "text": 'é"<'}
    assert told["spec"]["path"] == str(tmp_path / "docs.yaml")
    assert told["spec"]["embedded"]["sources"][0]["metadata"]["note"] == 'a "quoted" {{ text }}'


def test_the_same_file_is_the_same_version_of_a_dag(tmp_path: Path) -> None:
    """Airflow compares what it stores of a DAG; an address in memory in it would make a version a parse."""
    from airflow.serialization.serialized_objects import DagSerialization

    stages = {"embed": EXTERNAL, "publish": EXTERNAL}
    dags = [parse(tmp_path, {"stages": stages}) for _ in range(2)]
    first, second = (json.dumps(DagSerialization.to_dict(dag), sort_keys=True) for dag in dags)
    assert first == second
    assert " at 0x" not in first


def test_parsing_imports_no_ragctl(tmp_path: Path) -> None:
    text = export(tmp_path, {"stages": {"embed": EXTERNAL}})
    file = tmp_path / "exported.py"
    file.write_text(text, encoding="utf-8")
    program = (
        "import runpy, sys\nimport airflow.sdk\nfrom airflow.sdk import task, literal, Asset\n"
        "before = set(sys.modules)\n"
        f"runpy.run_path({str(file)!r})\n"
        "print(*sorted({'ragctl', 'yaml', 'torch', 'numpy'} & (set(sys.modules) - before)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert result.stdout.splitlines()[-1] == ""


def test_files_for_older_releases_differ_where_airflow_does(tmp_path: Path) -> None:
    continuous = export(tmp_path, SCHEDULES["continuous"], airflow_version=AirflowVersion.V3_1)
    [dag] = parsed(tmp_path, {"older": continuous}).values()
    assert dag.start_date is not None
    assert "@result" not in export(tmp_path, kind=Kind.ASK, airflow_version=AirflowVersion.V3_2)
