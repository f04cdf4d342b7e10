"""The table of adapters: every entry is there, fits its port, and says what to install where it cannot be."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from ragctl import ports, registry
from ragctl.errors import ExitCode, MissingPackage
from ragctl.registry import ADAPTERS, Adapter, adapter_class
from ragctl.spec.chunk_settings import ChunkSettings
from ragctl.spec.embed_settings import CohereEmbedder, HuggingFaceEmbedder, LocalEmbedder, OpenAIEmbedder
from ragctl.spec.llm_settings import OpenAIChat
from ragctl.spec.rank_settings import RankSettings
from ragctl.spec.section import Section
from ragctl.spec.source_settings import (
    CrawlSource,
    CsvSource,
    DirectorySource,
    FilesSource,
    GitSource,
    HttpApiSource,
    JsonlSource,
    ObjectStorageSource,
    ParquetSource,
    SitemapSource,
    SqlSource,
    UrlSource,
)
from ragctl.spec.store_settings import PgvectorStore
from ragctl.spec.weaviate_settings import WeaviateStore

PORTS: dict[str, type] = {
    "source": ports.Source,
    "splitter": ports.Splitter,
    "embedder": ports.Embedder,
    "generator": ports.Generator,
    "reranker": ports.Reranker,
    "store": ports.VectorStore,
}
IN_THE_SPEC: list[tuple[str, type[Section], str]] = [
    ("source", DirectorySource, "type"),
    ("source", JsonlSource, "type"),
    *(("source", section, "type") for section in (FilesSource, CsvSource, ParquetSource, SqlSource)),
    *(("source", section, "type") for section in (GitSource, ObjectStorageSource)),
    *(("source", section, "type") for section in (UrlSource, SitemapSource, CrawlSource, HttpApiSource)),
    ("splitter", ChunkSettings, "splitter"),
    ("embedder", LocalEmbedder, "provider"),
    ("embedder", OpenAIEmbedder, "provider"),
    ("embedder", CohereEmbedder, "provider"),
    ("embedder", HuggingFaceEmbedder, "provider"),
    ("generator", OpenAIChat, "provider"),
    ("reranker", RankSettings, "provider"),
    ("store", PgvectorStore, "type"),
    ("store", WeaviateStore, "type"),
]

# Nothing does the work; or, in `ask.rank`, a stage that asks a generator. Leaving documents whole is work.
WITHOUT_ADAPTER = {port: {"none"} for port in PORTS} | {"reranker": {"none", "openai"}, "splitter": set()}


def members(port: type) -> set[str]:
    """What a Protocol asks for, with what it inherits."""
    inherited = [one for one in port.__mro__ if one.__module__ == ports.__name__]
    return {name for one in inherited for name in vars(one) if not name.startswith("_")}


@pytest.mark.parametrize(("port", "kind"), ADAPTERS)
def test_every_entry_is_a_class_that_fits_its_port(port: str, kind: str) -> None:
    found = adapter_class(port, kind)
    assert inspect.isclass(found)
    assert (found.__module__, found.__name__) == (ADAPTERS[port, kind].module, ADAPTERS[port, kind].name)
    wanted = members(PORTS[port])
    assert wanted, port
    assert not {name for name in wanted if not hasattr(found, name)}


@pytest.mark.parametrize("port", PORTS)
def test_the_spec_names_what_is_in_the_table(port: str) -> None:
    sections = [(section, key) for one, section, key in IN_THE_SPEC if one == port]
    named = {kind for section, key in sections for kind in get_args(section.model_fields[key].annotation)}
    assert named - WITHOUT_ADAPTER[port] == {kind for one, kind in ADAPTERS if one == port}


def test_every_port_of_the_table_is_in_the_spec() -> None:
    assert {port for port, _ in ADAPTERS} == {port for port, *_ in IN_THE_SPEC} == set(PORTS)


def test_the_table_itself_imports_no_adapter() -> None:
    program = (
        "import sys, ragctl.registry\n"
        "print(*sorted({'ragctl.stores.pgvector', 'psycopg', 'numpy', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_an_unknown_adapter_is_a_bug_of_the_caller() -> None:
    with pytest.raises(KeyError):
        adapter_class("store", "pgvectr")


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a module where it can be imported, and its class into the table as store `test`."""
    monkeypatch.syspath_prepend(tmp_path)

    def write_module(name: str, text: str, extra: str | None = None) -> None:
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.setitem(registry.ADAPTERS, ("store", "test"), Adapter(name, "Store", extra))
        monkeypatch.delitem(sys.modules, name, raising=False)

    return write_module


@pytest.mark.parametrize(
    ("extra", "line"), [("acme", "pip install 'ragctl[acme]'"), (None, "pip install ragctl")]
)
@pytest.mark.parametrize("statement", ["import acme_client", "from acme_client.v2 import Client"])
def test_a_missing_package_is_named_with_its_install_line(
    write_module: Any, extra: str | None, line: str, statement: str
) -> None:
    write_module("acme_store_one", f"{statement}\nclass Store: ...\n", extra)
    with pytest.raises(MissingPackage) as missing:
        adapter_class("store", "test")
    assert "the store 'test' needs the Python package 'acme_client'" in missing.value.message
    assert missing.value.hint == line
    assert missing.value.exit_code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import ragctl.not_there\nclass Store: ...\n", ModuleNotFoundError),
        ("from json import not_there\nclass Store: ...\n", ImportError),
        ("class Stoer: ...\n", AttributeError),
    ],
    ids=["our own module", "a name in a package that is there", "the class"],
)
def test_a_mistake_of_ours_is_not_called_a_missing_package(
    write_module: Any, text: str, error: type[Exception]
) -> None:
    write_module("acme_store_two", text)
    with pytest.raises(error):
        adapter_class("store", "test")


def test_an_installed_package_is_used(write_module: Any) -> None:
    write_module("acme_store_three", "import json\nclass Store:\n    library = json\n", "acme")
    assert adapter_class("store", "test").library.dumps([1]) == "[1]"
