"""A DAG of a spec whose index lies in Weaviate: what it needs, and what its asset is called."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ragctl import __version__
from ragctl.errors import SpecError
from ragctl.export.dag_file import export_dag
from ragctl.export.options import ExportOptions, Kind
from ragctl.spec.load import LoadedSpec

SpecOf = Callable[..., LoadedSpec]

STORE = {"type": "weaviate", "url": "https://weaviate.example:8080", "api_key_env": "WEAVIATE_API_KEY"}
STATE = {"dsn_env": "RAGCTL_STATE"}


def test_the_asset_and_what_is_needed(spec_of: SpecOf, ruff_complaints: Callable[[str], str]) -> None:
    connections = {"weaviate": {"key": "WEAVIATE_API_KEY"}}
    loaded = spec_of({"connections": connections}, store=STORE, state=STATE)
    file = export_dag(loaded, ExportOptions("docs.yaml"))
    assert '"ragctl:weaviate:docs"' in file.text and '"x-ragctl://weaviate/docs"' in file.text
    assert ruff_complaints(file.text) == ""
    needs = {f"{need.what} {need.name}" for need in file.needs}
    assert f"package in Airflow's own Python ragctl[weaviate]=={__version__}" in needs
    assert {"connection weaviate", "environment variable RAGCTL_STATE"} <= needs
    assert export_dag(loaded, ExportOptions("docs.yaml", kind=Kind.ASK)).text


def test_the_spec_may_go_with_it(spec_of: SpecOf) -> None:
    text = export_dag(spec_of(store=STORE, state=STATE), ExportOptions("docs.yaml", embed_spec=True)).text
    assert "weaviate.example" in text and "RAGCTL_STATE" in text


def test_an_embedded_state_is_one_machines(spec_of: SpecOf) -> None:
    with pytest.raises(SpecError, match=r"state.dsn_env: is not given") as refused:
        export_dag(spec_of(store=STORE), ExportOptions("docs.yaml"))
    assert "single_host: true" in str(refused.value)
    export_dag(spec_of({"single_host": True}, store=STORE), ExportOptions("docs.yaml"))


def test_an_own_asset_is_refused(spec_of: SpecOf) -> None:
    with pytest.raises(SpecError, match="each ingest would start the next one"):
        spec_of({"assets": ["x-ragctl://weaviate/docs"]}, store=STORE, state=STATE)
