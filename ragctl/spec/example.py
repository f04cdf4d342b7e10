"""A spec with every key at its default and its meaning beside it: configs/docs.yaml, and in docs/spec.md.

`python -m ragctl.spec.example > configs/docs.yaml` brings the file up to date.
"""

from __future__ import annotations

import json
import sys
import textwrap
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from ragctl import __version__
from ragctl.spec.airflow_settings import AirflowSettings
from ragctl.spec.ask_settings import AutoAnswer, OpenAIAnswer, QuerySettings
from ragctl.spec.embed_settings import AutoEmbedder, HuggingFaceEmbedder, OpenAIEmbedder
from ragctl.spec.model import Spec
from ragctl.spec.outline import bare, is_section, members
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
from ragctl.spec.sql_ask_settings import SqlAskSettings
from ragctl.spec.starter import quoted
from ragctl.spec.weaviate_settings import WeaviateStore

_HEAD = """\
# yaml-language-server: $schema=ragctl.schema.json
#
# Every key of a spec, with its default; what has none is shown in a comment. Only name and sources
# are required.
# Made from the model; `ragctl check` says whether a spec is sound.
"""

_WIDTH = 96

_SHOWN: dict[tuple[type[Section], str], str] = {
    (DirectorySource, "path"): "../docs",
    (DirectorySource, "name"): "docs",
    (DirectorySource, "include"): '["**/*.md", "**/*.rst", "**/*.html", "**/*.txt"]',
    (DirectorySource, "exclude"): '["**/drafts/**"]',
    (DirectorySource, "metadata"): "{language: en, public: true}",
    (JsonlSource, "path"): "../examples/records/questions.jsonl",
    (JsonlSource, "name"): "questions",
    (JsonlSource, "id"): "id",
    (JsonlSource, "text"): "[question, answer]",
    (JsonlSource, "title"): "question",
    (JsonlSource, "metadata_fields"): "[topic, year]",
    (FilesSource, "path"): "..",
    (FilesSource, "files"): '[README.md, "guides/*.md"]',
    (ObjectStorageSource, "url"): "s3://bucket/docs",
    (GitSource, "url"): "https://git.example/docs.git",
    (SqlSource, "name"): "tickets",
    (SqlSource, "query"): "SELECT id, title, body AS text, updated FROM tickets",
    (CsvSource, "path"): "questions.csv",
    (ParquetSource, "path"): "questions.parquet",
    (UrlSource, "urls"): '["https://docs.example/guide.html"]',
    (UrlSource, "name"): "pages",
    (SitemapSource, "url"): "https://docs.example/sitemap.xml",
    (CrawlSource, "url"): "https://docs.example/",
    (HttpApiSource, "url"): "https://api.example/posts",
    (HttpApiSource, "pagination"): "{by: cursor, parameter: after, first: 1, next: meta.next, size: 100}",
    (QuerySettings, "dense_weight"): "1.0",
    (Spec, "name"): "docs",
    (AirflowSettings, "schedule"): '"0 5 * * 2"',
    (HuggingFaceEmbedder, "model"): "BAAI/bge-small-en-v1.5",
    (OpenAIEmbedder, "selection_criteria"): "{privacy_sensitive: true, allowed_hosts: [models.example]}",
    (OpenAIAnswer, "model"): "gpt-4o",
    (OpenAIAnswer, "combine"): "{provider: openai, model: gpt-4.1}",
    (AutoAnswer, "combine"): "{provider: openai, model: gpt-4.1}",
    (
        SqlAskSettings,
        "database",
    ): "{dsn_env: SHOP_DSN, writer: refuse, search_path: []}  # or {sqlite: shop.db}",
    (SqlAskSettings, "sensitivity"): "sensitive",
    (SqlAskSettings, "schema"): (
        "{schemas: [], include: [], exclude: [log], sensitive: [email], samples: 3, foreign_tables: false, "
        "max_tokens: 6000}"
    ),
    (SqlAskSettings, "rephrase"): "{provider: same, n: 2}",
    (SqlAskSettings, "query"): "{provider: openai, model: gpt-4o-mini, repair_prompt: repair.md}",
    (SqlAskSettings, "rank"): (
        "{repair: true, functions: [], timeout_seconds: 15.0, lock_timeout_seconds: 2.0, max_rows: 1000, "
        "max_result_bytes: 4194304, max_cost: 10000000.0}"
    ),
    (SqlAskSettings, "answer"): "{provider: openai, model: gpt-4o}",
    (WeaviateStore, "url"): "http://localhost:8080",
    (WeaviateStore, "grpc_host"): "grpc.weaviate.example",
    (WeaviateStore, "grpc_port"): "50051",
    (WeaviateStore, "grpc_secure"): "true",
    (WeaviateStore, "api_key_env"): "WEAVIATE_API_KEY",
    (WeaviateStore, "client_secret_env"): "WEAVIATE_CLIENT_SECRET",
    (WeaviateStore, "scope"): "openid",
    (WeaviateStore, "tenant"): "customer_1",
    (WeaviateStore, "consistency"): "QUORUM",
    (AutoEmbedder, "selection_criteria"): "{cost_threshold: medium, max_cost_usd: 5, max_minutes: 60}",
}
"""Where a key has no default, or an empty one that would show nothing."""
_NAMED: dict[str, tuple[str, ...]] = {
    "stages": (
        "extract: {external_python: /opt/ragctl/bin/python, parallel: 8}",
        f'chunk: {{virtualenv: {{requirements: ["ragctl=={__version__}"], python_version: "3.12"}}}}',
        "embed: {queue: gpu, executor: CeleryExecutor, retries: 3, timeout: 3600}",
        "store: {pool: ragctl_store}",
        "rank:",
        "  kubernetes:",
        f"    image: registry.example/ragctl:{__version__}",
        "    namespace: rag",
        "    requests: {cpu: 2, memory: 4Gi}",
        "    limits: {nvidia.com/gpu: 1}",
        "    env_from_secrets: [ragctl]",
    ),
    "embedder_options": (
        "- {provider: local, model: all-MiniLM-L6-v2}",
        "- provider: openai",
        "  model: text-embedding-3-small",
        "  cost: medium",
        "  max_tokens: 8192",
        "- provider: huggingface",
        "  model: BAAI/bge-small-en-v1.5",
        "  use_gpu: true",
        "  dim: 384",
        "  quality: 0.62",
    ),
    "llm_options": (
        "- {provider: openai, model: gpt-4o-mini, cost: low}",
        "- provider: openai",
        "  model: qwen3-8b",
        "  base_url: http://localhost:8000/v1",
        "  context_tokens: 32768",
        "  cost: 0",
    ),
    "connections": (
        "rag_pg: {dsn: RAGCTL_DSN}",
        "rag_models: {key: MODELS_API_KEY, base_url: MODELS_BASE_URL}",
    ),
}
"""Mappings by names of the user's choice, and lists of options: an example of each that shows every key."""
_SIZES = {"max_bytes": "64 MiB", "cache_max_bytes": "2 GB"}


def example_text() -> str:
    """The file's content; it validates."""
    return _HEAD + "\n".join(_section(Spec, ""))


def _section(section: type[Section], indent: str) -> list[str]:
    lines: list[str] = []
    for key, field in section.model_fields.items():
        if not indent:
            lines.append("")
        lines += _comment(field.description or (bare(field.annotation).__doc__ or ""), indent)
        lines += _entry(section, key, field, indent)
    return [*lines, ""] if not indent else lines


def _entry(section: type[Section], key: str, field: FieldInfo, indent: str) -> list[str]:
    inner = bare(field.annotation)
    optional = "# " if field.default is None else ""
    if key == "sources":
        return ["sources:", *_sources(_kinds(field))]
    if get_origin(inner) is dict and is_section(bare(get_args(inner)[1])):
        return [f"{indent}# {key}:", *(f"{indent}#   {line}" for line in _NAMED[key])]
    if kinds := members(inner):
        return _one_of(key, field.default, list(kinds.values()), indent)
    if is_section(inner):
        body = _section(inner, f"{indent}  ")
        if all(line.lstrip().startswith("#") for line in body):
            optional = "# "  # YAML takes a key with nothing but comments below it for one without a value
        return [f"{indent}{optional}{key}:", *(f"{optional}{line}" for line in body)]
    value = _SHOWN.get((section, key)) or _value(key, field)
    return [f"{indent}{optional}{key}: {value}"]


def _one_of(key: str, default: Section, kinds: list[type[Section]], indent: str) -> list[str]:
    """The kind that is the default with its meaning; the others in comments, which need less room."""
    lines = [f"{indent}{key}:", *_section(type(default), f"{indent}  ")]
    for kind in kinds:
        if not isinstance(default, kind):
            body = [line for name, field in kind.model_fields.items() for line in _brief(kind, name, field)]
            lines += ["", *_comment(f"Or, in its place: {kind.__doc__}", indent)]
            lines += [f"{indent}# {key}:", *(f"{indent}#   {line}" for line in body)]
    return [*lines, ""] if indent else lines


def _brief(kind: type[Section], name: str, field: FieldInfo) -> list[str]:
    if name in _NAMED:
        return [f"{name}:", *(f"  {line}" for line in _NAMED[name])]
    if shown := _SHOWN.get((kind, name)):
        return [f"{'# ' if field.default is None else ''}{name}: {shown}"]
    if is_section(bare(field.annotation)):
        return []
    value = get_args(bare(field.annotation))[0] if name == "provider" else _value(name, field)
    return [f"{'# ' if field.default is None else ''}{name}: {value}"]


def _kinds(field: FieldInfo) -> list[type[Section]]:
    """The kinds of entries that a list may have."""
    return list(members(get_args(bare(field.annotation))[0]).values())


def _sources(kinds: list[type[Section]]) -> list[str]:
    """An entry of the kinds that ready specs use, with their meaning; the others in comments."""
    lines: list[str] = []
    for kind in sorted(kinds, key=lambda one: one not in (DirectorySource, JsonlSource)):
        lines += [""] if lines else []
        if kind in (DirectorySource, JsonlSource):
            lines += _list_entry(kind)
            continue
        first, *rest = [
            line for name, field in kind.model_fields.items() for line in _brief(kind, name, field)
        ]
        lines += [
            *_comment(f"Or: {kind.__doc__}", "  "),
            f"  # - {first}",
            *(f"  #   {line}" for line in rest),
        ]
    return lines


def _list_entry(section: type[Section]) -> list[str]:
    body = _section(section, "    ")
    first = next(number for number, line in enumerate(body) if not line.lstrip().startswith("#"))
    return [*body[:first], f"  - {body[first].lstrip()}", *body[first + 1 :]]


def _value(key: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if key == "dsn_env":
        return "RAGCTL_DSN"
    if key == "type" and field.is_required():
        return str(get_args(bare(field.annotation))[0])
    if key in _SIZES:
        return _SIZES[key]
    if isinstance(extra, dict) and "default_is" in extra and field.default == "":
        return "docs"
    return _yaml(field.default)


def _yaml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def _comment(text: str, indent: str) -> list[str]:
    lead = f"{indent}# "
    return textwrap.wrap(" ".join(text.split()), _WIDTH, initial_indent=lead, subsequent_indent=lead)


if __name__ == "__main__":
    sys.stdout.buffer.write(example_text().encode("utf-8"))
