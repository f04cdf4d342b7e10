"""What a deployment must have: named, merged, and with what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ragctl.errors import SpecError
from ragctl.export.dag_file import export_dag
from ragctl.export.needs import Need
from ragctl.export.options import ExportOptions, Kind, Layout
from ragctl.spec.load import LoadedSpec

SpecOf = Callable[..., LoadedSpec]


def needs(loaded: LoadedSpec, **chosen: object) -> dict[str, Need]:
    """By what and name."""
    found = export_dag(loaded, ExportOptions("docs.yaml", **chosen)).needs  # type: ignore[arg-type]
    named = {f"{need.what} {need.name}": need for need in found}
    assert len(named) == len(found)
    return named


def test_a_name_is_said_once_with_all_its_tasks(spec_of: SpecOf) -> None:
    pool = {"pool": "my pool"}
    need = needs(spec_of({"stages": {"embed": pool, "store": pool, "plan": pool}}))["pool my pool"]
    assert need.tasks == ("plan", "embed", "store")
    assert "airflow pools set 'my pool' SLOTS 'description'" in need.advice
    assert "hangs a run in silence" in need.advice


def test_only_the_tasks_of_the_kind_count(spec_of: SpecOf) -> None:
    loaded = spec_of({"stages": {"embed": {"queue": "gpu"}, "rank": {"queue": "small"}}})
    assert {"queue gpu"} == {name for name in needs(loaded) if name.startswith("queue")}
    assert {"queue small"} == {name for name in needs(loaded, kind=Kind.ASK) if name.startswith("queue")}


def test_a_variable_is_needed_where_no_connection_stands_for_it(spec_of: SpecOf) -> None:
    stages = {"embed": {"external_python": "/opt/rag/bin/python"}}
    without = needs(spec_of({"stages": stages}))
    assert without["environment variable RAGCTL_DSN"].tasks == (
        "plan",
        "extract",
        "chunk",
        "embed",
        "store",
        "publish",
    )
    connections = {"rag_pg": {"dsn": "RAGCTL_DSN"}}
    with_one = needs(spec_of({"stages": stages, "connections": connections}))
    assert with_one["environment variable RAGCTL_DSN"].tasks == ("embed",)
    assert "embed" not in with_one["connection rag_pg"].tasks
    assert "RAGCTL_DSN" in with_one["connection rag_pg"].advice
    everywhere = needs(spec_of({"connections": connections}))
    assert "environment variable RAGCTL_DSN" not in everywhere


def test_a_connection_that_stands_for_nothing_is_noticed(spec_of: SpecOf) -> None:
    found = needs(spec_of({"connections": {"rag_pg": {"dsn": "RAGCTL_DNS"}}}))
    assert "nothing in the spec reads RAGCTL_DNS" in found["connection rag_pg"].advice


def test_folders_must_be_seen_by_every_worker(spec_of: SpecOf) -> None:
    found = needs(spec_of({"work_dir": "/mnt/work"}))
    assert "every worker" in found["work directory /mnt/work"].advice
    assert found["source directory docs"].tasks == ("plan", "extract", "publish")
    alone = needs(spec_of({"single_host": True}))
    assert not [name for name in alone if "directory" in name]
    bucket = needs(spec_of({"work_dir": "s3://bucket/ragctl"}))
    assert not [name for name in bucket if name.startswith("work")]


def test_a_pod_is_on_no_single_host(spec_of: SpecOf) -> None:
    pod = {"kubernetes": {"image": "ragctl:1", "namespace": "rag", "env_from_secrets": ["dsn"]}}
    found = needs(spec_of({"single_host": True, "stages": {"embed": pod}}))
    assert found["work directory .ragctl/work"].tasks == ("embed",)
    for name in ("image ragctl:1", "namespace rag", "Kubernetes secret dsn", "spec file docs.yaml"):
        assert found[name].tasks == ("embed",)
    provider = "package apache-airflow-providers-cncf-kubernetes"
    assert "without it the DAG is missing" in found[provider].advice
    assert "spec file docs.yaml" not in needs(spec_of({"stages": {"embed": pod}}), embed_spec=True)


def test_fused_tasks_are_named_as_they_are_called(spec_of: SpecOf) -> None:
    found = needs(spec_of({"stages": {"publish": {"queue": "big"}}}), layout=Layout.FUSED)
    assert found["work directory .ragctl/work"].tasks == ("plan", "extract_chunk_embed_store", "publish")


def test_prompts_are_needed_beside_the_spec_or_go_with_it(spec_of: SpecOf, tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    for name in ("answer", "verify"):
        text = f"You {name}.\n---\n$passages $passage $question\n"
        (tmp_path / "prompts" / f"{name}.md").write_text(text, encoding="utf-8")
    answer = {"provider": "openai", "prompt": "prompts/answer.md"}
    loaded = spec_of(ask={"answer": answer, "verify": {"provider": "openai", "prompt": "prompts/verify.md"}})
    need = needs(loaded, kind=Kind.ASK)["prompt file prompts/answer.md"]
    assert need.tasks == ("rephrase", "query", "dedupe", "rank", "answer")
    assert "prompt file prompts/verify.md" in needs(loaded, kind=Kind.ASK)
    assert not any(name.startswith("prompt file") for name in needs(loaded))
    assert not any(name.startswith("prompt file") for name in needs(loaded, kind=Kind.ASK, embed_spec=True))
    file = export_dag(loaded, ExportOptions("docs.yaml", kind=Kind.ASK, embed_spec=True))
    assert "You answer.\\n---\\n$passages" in file.text
    assert "You answer" not in export_dag(loaded, ExportOptions("docs.yaml", embed_spec=True)).text


def test_a_prompt_that_cannot_go_with_it_is_said(spec_of: SpecOf, tmp_path: Path) -> None:
    loaded = spec_of(ask={"answer": {"provider": "openai", "prompt": "answer.md"}})
    options = ExportOptions("docs.yaml", kind=Kind.ASK, embed_spec=True)
    with pytest.raises(SpecError, match=r"answer\.md: it cannot be read"):
        export_dag(loaded, options)
    (tmp_path / "answer.md").write_text(
        f"The key is sk-{'a1' * 20}\n---\n$passages $question", encoding="utf-8"
    )
    with pytest.raises(SpecError, match="as if a login or a key were in it"):
        export_dag(loaded, options)
