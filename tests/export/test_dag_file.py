"""The text of a DAG file: clean for any spec, the same everywhere, and what it says of itself."""

from __future__ import annotations

import ast
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ragctl import __version__
from ragctl.errors import LockBroken, SpecError
from ragctl.export.dag_file import export_dag
from ragctl.export.options import AirflowVersion, ExportOptions, Kind, Layout
from ragctl.spec.load import LoadedSpec, load_spec

SpecOf = Callable[..., LoadedSpec]
Complaints = Callable[[str], str]

STAGES = "plan extract chunk embed store publish rephrase query dedupe rank answer".split()

# Names as the spec allows them, and longer than a line.
names = st.from_regex(r"[A-Za-z0-9_.:/@-]([A-Za-z0-9_ .:/@-]{0,120}[A-Za-z0-9_.:/@-])?", fullmatch=True)
lines = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=60)
paths = lines.map(lambda text: f"/opt/{text}")
amounts = st.dictionaries(st.sampled_from(["cpu", "memory", "nvidia.com/gpu"]), st.integers(1, 99).map(str))
places = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"external_python": paths}),
    st.fixed_dictionaries(
        {
            "virtualenv": st.fixed_dictionaries(
                {
                    "requirements": st.lists(
                        lines.map(lambda text: f"ragctl @ {text}"), min_size=1, max_size=3
                    )
                },
                optional={"python_version": st.sampled_from(["3.11", "3.13"])},
            )
        }
    ),
    st.fixed_dictionaries(
        {
            "kubernetes": st.fixed_dictionaries(
                {"image": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,200}[A-Za-z0-9]", fullmatch=True)},
                optional={
                    "namespace": st.from_regex(r"[a-z0-9]{1,63}", fullmatch=True),
                    "requests": amounts,
                    "limits": amounts,
                    "env_from_secrets": st.lists(
                        st.from_regex(r"[a-z0-9]{1,200}", fullmatch=True), max_size=2
                    ),
                },
            )
        }
    ),
)
stage_tasks = st.builds(
    lambda place, rest: {**place, **rest},
    places,
    st.fixed_dictionaries(
        {},
        optional={
            "queue": names,
            "pool": names,
            "executor": st.from_regex(r"[A-Za-z0-9_.:-]{1,200}", fullmatch=True),
            "retries": st.integers(0, 100),
            "timeout": st.integers(1, 600_000),
            "parallel": st.integers(1, 1024),
        },
    ),
)
schedules = st.sampled_from(
    [
        {},
        {"schedule": "0 5 * * 2"},
        {"schedule": "@daily", "timezone": "America/Argentina/ComodRivadavia"},
        {"schedule": "@continuous"},
        {"assets": ["x-ragctl://pgvector/other", "s3://bucket/" + "long/" * 40, 'a "quoted" name']},
    ]
)
airflow_sections = st.builds(
    lambda schedule, rest: {**schedule, **rest},
    schedules,
    st.fixed_dictionaries(
        {"stages": st.dictionaries(st.sampled_from(STAGES), stage_tasks, max_size=6)},
        optional={
            "tags": st.lists(lines, max_size=3, unique=True),
            "single_host": st.booleans(),
            "work_dir": lines,
            "retries": st.integers(0, 100),
            "connections": st.just({"rag_pg": {"dsn": "RAGCTL_DSN"}}),
        },
    ),
)
options = st.builds(
    ExportOptions,
    spec=lines | st.just("../" * 30 + "a folder/docs.yaml"),
    base=st.sampled_from(["file", "worker"]),
    kind=st.sampled_from(Kind),
    layout=st.sampled_from(Layout),
    airflow_version=st.sampled_from(AirflowVersion),
    embed_spec=st.booleans(),
)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@example({"stages": {}}, ExportOptions("docs.yaml", kind=Kind.ASK), "0" * 23, "")
@given(
    airflow=airflow_sections,
    chosen=options,
    name=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,39}", fullmatch=True),
    note=st.text(st.characters(exclude_categories=["C"]), max_size=150),
)
def test_ruff_has_nothing_to_say_of_any_spec(
    spec_of: SpecOf,
    ruff_complaints: Complaints,
    airflow: dict[str, Any],
    chosen: ExportOptions,
    name: str,
    note: str,
) -> None:
    try:
        source = {"type": "directory", "path": "docs", "metadata": {"note": note}}
        loaded = spec_of(airflow, name=name, sources=[source])
    except SpecError:
        assume(False)
    text = export_dag(loaded, chosen).text
    assert ruff_complaints(text) == ""
    compile(text, "dag.py", "exec")


@pytest.mark.parametrize(
    ("kind", "layout", "version", "embed"),
    list(itertools.product(Kind, Layout, AirflowVersion, (False, True))),
)
def test_ruff_has_nothing_to_say_of_any_option(
    spec_of: SpecOf,
    ruff_complaints: Complaints,
    kind: Kind,
    layout: Layout,
    version: AirflowVersion,
    embed: bool,
) -> None:
    loaded = spec_of(
        {"schedule": "0 5 * * 2", "timezone": "Europe/Berlin", "stages": {"embed": {"queue": "gpu"}}}
    )
    chosen = ExportOptions("docs.yaml", "file", kind, layout, version, embed)
    assert ruff_complaints(export_dag(loaded, chosen).text) == ""


def constant(text: str, name: str) -> Any:
    """The value of a constant that is written out in the file."""
    [found] = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == name
    ]
    if isinstance(found, ast.Dict):  # without the entries that are worked out when the file is read
        pairs = zip(found.keys, found.values, strict=True)
        plain = [(key, value) for key, value in pairs if not isinstance(value, ast.Call | ast.Subscript)]
        found = ast.Dict([key for key, _ in plain], [value for _, value in plain])
    return ast.literal_eval(found)


def test_the_head_is_for_whoever_takes_it_over(spec_of: SpecOf) -> None:
    loaded = spec_of(
        {
            "schedule": "@daily",
            "connections": {"rag_pg": {"dsn": "RAGCTL_DSN"}},
            "stages": {
                "embed": {"queue": "gpu", "pool": "scarce", "external_python": "/opt/rag/bin/python"},
                "store": {"executor": "CeleryExecutor"},
            },
        }
    )
    head = " ".join(
        str(ast.get_docstring(ast.parse(export_dag(loaded, ExportOptions("docs.yaml")).text))).split()
    )
    for expected in (
        "docs_ingest",
        "Do not edit this file",
        "ragctl export-dag docs.yaml --kind ingest",
        "ragctl export-dag docs.yaml --check THIS_FILE",
        f"ragctl {__version__}",
        f"spec sha256 {loaded.digest}",
        "no lock",
        "apache-airflow>=3.3",
        "connection rag_pg, for plan, extract, chunk, store, publish",
        "environment variable RAGCTL_DSN, for embed",
        "pool scarce, for embed",
        "queue gpu, for embed",
        "executor CeleryExecutor, for store",
        "interpreter /opt/rag/bin/python, for embed",
        "work directory .ragctl/work",
        "[core] default_timezone = utc",
    ):
        assert expected in head


def test_the_command_in_the_head_has_what_was_chosen(spec_of: SpecOf) -> None:
    loaded = spec_of()
    chosen = ExportOptions(
        "/srv/my specs/docs.yaml",
        "worker",
        Kind.ASK,
        Layout.FUSED,
        AirflowVersion.V3_2,
        True,
        ("ask.rank.top_n=3",),
    )
    head = " ".join(str(ast.get_docstring(ast.parse(export_dag(loaded, chosen).text))).split())
    assert (
        "ragctl export-dag SPEC --kind ask --layout fused --airflow-version 3.2 "
        "--spec-path '/srv/my specs/docs.yaml' --embed-spec --set ask.rank.top_n=3"
    ) in head


LOCK = {
    "lock_version": 1,
    "pipeline": "docs",
    "ragctl": "0.1.0",
    "embedder": {"model": "all-MiniLM-L6-v2", "dimension": 384},
    "readers": {"markdown": 1},
    "splitters": {"auto": 1},
    "settings": {"chunk": {"context": ["title", "headings"], "max_tokens": 256}},
    "given": {"chunk": []},
    "recipe": {"digest": "abc123"},
}


def test_the_lock_is_named_and_with_the_spec_embedded(spec_of: SpecOf, tmp_path: Path) -> None:
    loaded = spec_of()
    (tmp_path / "docs.yaml.lock").write_text(json.dumps(LOCK), encoding="utf-8")
    text = export_dag(loaded, ExportOptions("docs.yaml")).text
    assert "model all-MiniLM-L6-v2" in text
    assert "recipe abc123" in text
    assert constant(text, "EXPORTED")["lock_sha256"] in str(ast.get_docstring(ast.parse(text)))
    embedded = constant(export_dag(loaded, ExportOptions("docs.yaml", embed_spec=True)).text, "SPEC")
    assert embedded["lock"] == LOCK
    assert embedded["embedded"] == loaded.spec.model_dump(mode="json")


def test_a_lock_of_another_spec_is_refused(spec_of: SpecOf, tmp_path: Path) -> None:
    loaded = spec_of()
    (tmp_path / "docs.yaml.lock").write_text(json.dumps({**LOCK, "pipeline": "other"}), encoding="utf-8")
    with pytest.raises(LockBroken, match="other"):
        export_dag(loaded, ExportOptions("docs.yaml"))


def test_the_spec_is_found_from_the_file_or_on_the_workers(spec_of: SpecOf) -> None:
    loaded = spec_of()
    text = export_dag(loaded, ExportOptions("../specs/docs.yaml")).text
    assert '"path": str(Path(__file__).resolve().parent / EXPORTED["spec"]),' in text
    assert constant(text, "EXPORTED")["spec"] == "../specs/docs.yaml"
    text = export_dag(loaded, ExportOptions("/srv/docs.yaml", "worker")).text
    assert '"path": EXPORTED["spec"],' in text
    assert constant(text, "EXPORTED")["spec"] == "/srv/docs.yaml"
    assert "import Path" not in text


def test_the_same_bytes_whatever_the_folder_the_process_and_the_hash_seed(
    spec_of: SpecOf, tmp_path: Path
) -> None:
    loaded = spec_of({"stages": {"embed": {"queue": "gpu", "pool": "scarce"}}, "tags": ["b", "a"]})
    here = export_dag(loaded, ExportOptions("docs.yaml", embed_spec=True)).text
    other = tmp_path / "other folder"
    other.mkdir()
    (other / "docs.yaml").write_bytes((tmp_path / "docs.yaml").read_bytes())
    assert (
        export_dag(load_spec(other / "docs.yaml"), ExportOptions("docs.yaml", embed_spec=True)).text == here
    )
    for seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, "-m", "ragctl", "export-dag", "docs.yaml", "--embed-spec"],
            cwd=other,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        assert result.stdout.decode("utf-8").replace("\r\n", "\n") == here


def test_no_time_no_secret_and_no_path_of_this_machine(
    spec_of: SpecOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGCTL_DSN", "postgresql://me:hunter2@db/rag")
    text = export_dag(spec_of(), ExportOptions("docs.yaml", embed_spec=True)).text
    assert "hunter2" not in text
    assert str(tmp_path) not in text
    assert "RAGCTL_DSN" in text


def test_layouts(spec_of: SpecOf) -> None:
    loaded = spec_of({"stages": {"embed": {"queue": "gpu"}}})
    fused = export_dag(loaded, ExportOptions("docs.yaml", layout=Layout.FUSED))
    assert 'run_stage("extract", "chunk", spec=SPEC, given=given)' in fused.text
    assert (fused.tasks, "def extract_chunk(" in fused.text, "def store(" in fused.text) == (5, True, True)
    ask = export_dag(loaded, ExportOptions("docs.yaml", kind=Kind.ASK, layout=Layout.FUSED))
    assert (ask.tasks, "def rephrase_query_dedupe_rank_answer() -> dict:" in ask.text) == (1, True)


def test_settings_become_arguments(spec_of: SpecOf) -> None:
    stages = {
        "plan": {"virtualenv": {"requirements": ["ragctl==0.1.0"], "python_version": "3.12"}},
        "embed": {"external_python": "/opt/rag/bin/python", "timeout": 90, "parallel": 2, "retries": 0},
        "publish": {
            "kubernetes": {
                "image": "registry.example/ragctl:0.1.0",
                "limits": {"nvidia.com/gpu": 1},
                "env_from_secrets": ["rag"],
            }
        },
    }
    text = " ".join(export_dag(spec_of({"stages": stages}), ExportOptions("docs.yaml")).text.split())
    for expected in (
        "@task.virtualenv( multiple_outputs=False, retry_policy=FAILS_FOR_GOOD, "
        'requirements=[ "ragctl==0.1.0", ], python_version="3.12", '
        "system_site_packages=False, expect_airflow=False, )",
        "@task.external_python( multiple_outputs=False, retry_policy=FAILS_FOR_GOOD, retries=0, "
        "execution_timeout=timedelta(seconds=90), "
        'max_active_tis_per_dag=2, python="/opt/rag/bin/python", expect_airflow=False, )',
        '@task.kubernetes( multiple_outputs=False, trigger_rule="all_done", '
        'image="registry.example/ragctl:0.1.0", do_xcom_push=True, '
        'container_resources=k8s.V1ResourceRequirements( limits={ "nvidia.com/gpu": "1", }, ), '
        'env_from=[ k8s.V1EnvFromSource( secret_ref=k8s.V1SecretEnvSource( name="rag", ), ), ], )',
        'return run_stage("embed", spec=spec, given=given, run=run, conf=run_conf)',
        "[batches, stored] >> published announce(published)",
    ):
        assert expected in text


@pytest.mark.parametrize("version", list(AirflowVersion))
def test_what_cannot_be_mended_is_not_tried_again_where_airflow_can_be_told(
    spec_of: SpecOf, version: AirflowVersion
) -> None:
    loaded = spec_of({"stages": {"embed": {"external_python": "/opt/rag/bin/python"}}})
    text = export_dag(loaded, ExportOptions("docs.yaml", airflow_version=version)).text
    assert text.count("retry_policy=FAILS_FOR_GOOD") == (version is AirflowVersion.V3_3)
    assert ("ExceptionRetryPolicy" in text) is (version is AirflowVersion.V3_3)


@pytest.mark.parametrize(
    ("version", "backoff", "module", "result"),
    [
        (AirflowVersion.V3_1, "True", "airflow.timetables.trigger", False),
        (AirflowVersion.V3_2, "2.0", "airflow.sdk", False),
        (AirflowVersion.V3_3, "2.0", "airflow.sdk", True),
    ],
)
def test_releases_of_airflow_differ(
    spec_of: SpecOf, version: AirflowVersion, backoff: str, module: str, result: bool
) -> None:
    loaded = spec_of({"schedule": "0 5 * * 2", "timezone": "Europe/Berlin"})
    ingest = export_dag(loaded, ExportOptions("docs.yaml", airflow_version=version)).text
    assert f'"retry_exponential_backoff": {backoff},' in ingest
    [source] = [
        node.module
        for node in ast.parse(ingest).body
        if isinstance(node, ast.ImportFrom) and "CronTriggerTimetable" in [one.name for one in node.names]
    ]
    assert source == module
    ask = export_dag(loaded, ExportOptions("docs.yaml", kind=Kind.ASK, airflow_version=version)).text
    assert ("@result" in ask) == result


def test_the_file_imports_only_airflow_and_the_standard_library(spec_of: SpecOf) -> None:
    text = export_dag(spec_of(), ExportOptions("docs.yaml")).text
    modules = {node.module for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)}
    assert modules == {"airflow.sdk", "datetime", "pathlib"}


def test_the_embedded_server_is_one_machines(spec_of: SpecOf, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        export_dag(spec_of(store={"type": "pgvector"}), ExportOptions("docs.yaml"))
    assert str(refused.value).startswith(f"{tmp_path / 'docs.yaml'}:1:")
    assert "single_host: true" in str(refused.value)
    assert refused.value.exit_code == 2
    alone = spec_of({"single_host": True}, store={"type": "pgvector"})
    export_dag(alone, ExportOptions("docs.yaml"))
    pod = {"single_host": True, "stages": {"embed": {"kubernetes": {"image": "ragctl"}}}}
    loaded = spec_of(pod, store={"type": "pgvector"})
    with pytest.raises(SpecError, match="a pod cannot reach"):
        export_dag(loaded, ExportOptions("docs.yaml"))
    export_dag(loaded, ExportOptions("docs.yaml", kind=Kind.ASK))


def test_what_looks_like_a_secret_is_not_embedded(spec_of: SpecOf) -> None:
    source = {"type": "directory", "path": "docs", "metadata": {"origin": "https://me:hunter2@intra/docs"}}
    loaded = spec_of(sources=[source])
    export_dag(loaded, ExportOptions("docs.yaml"))
    with pytest.raises(SpecError) as refused:
        export_dag(loaded, ExportOptions("docs.yaml", embed_spec=True))
    assert "sources.0.metadata.origin" in str(refused.value)
    assert "hunter2" not in str(refused.value)
