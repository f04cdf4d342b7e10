"""(port, type) → the class that implements it: one closed table, and the one place of lazy imports."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ragctl.errors import MissingPackage


@dataclass(frozen=True, slots=True)
class Adapter:
    """Where a class lives, and the extra of the ragctl package that brings what it needs."""

    module: str
    name: str
    extra: str | None = None


ADAPTERS: dict[tuple[str, str], Adapter] = {
    ("source", "directory"): Adapter("ragctl.sources.directory", "DirectorySource"),
    ("source", "jsonl"): Adapter("ragctl.sources.jsonl", "JsonlSource"),
    ("source", "files"): Adapter("ragctl.sources.files", "FilesSource"),
    ("source", "csv"): Adapter("ragctl.sources.csv_records", "CsvSource"),
    ("source", "parquet"): Adapter("ragctl.sources.parquet", "ParquetSource", "parquet"),
    ("source", "sql"): Adapter("ragctl.sources.sql_query", "SqlSource"),
    ("source", "git"): Adapter("ragctl.sources.git", "GitSource"),
    ("source", "object_storage"): Adapter(
        "ragctl.sources.object_storage", "ObjectStorageSource", "object-storage"
    ),
    ("source", "url"): Adapter("ragctl.sources.url_list", "UrlSource", "web"),
    ("source", "sitemap"): Adapter("ragctl.sources.sitemap", "SitemapSource", "web"),
    ("source", "crawl"): Adapter("ragctl.sources.crawl", "CrawlSource", "web"),
    ("source", "http_api"): Adapter("ragctl.sources.http_api", "HttpApiSource", "web"),
    ("splitter", "auto"): Adapter("ragctl.splitters.auto", "AutoSplitter"),
    ("splitter", "recursive"): Adapter("ragctl.splitters.recursive", "RecursiveSplitter"),
    ("splitter", "sentence"): Adapter("ragctl.splitters.sentence", "SentenceSplitter"),
    ("splitter", "token"): Adapter("ragctl.splitters.token", "TokenSplitter"),
    ("splitter", "none"): Adapter("ragctl.splitters.whole", "WholeSplitter"),
    ("embedder", "local"): Adapter("ragctl.providers.local.encoder", "LocalEmbedder"),
    ("embedder", "openai"): Adapter("ragctl.providers.openai.embedder", "OpenAIEmbedder", "openai"),
    ("embedder", "cohere"): Adapter("ragctl.providers.cohere.embedder", "CohereEmbedder", "cohere"),
    ("embedder", "huggingface"): Adapter(
        "ragctl.providers.huggingface.embedder", "HuggingFaceEmbedder", "huggingface"
    ),
    ("reranker", "local"): Adapter("ragctl.providers.local.reranker", "LocalReranker"),
    ("reranker", "cohere"): Adapter("ragctl.providers.cohere.reranker", "CohereReranker", "cohere"),
    ("reranker", "huggingface"): Adapter(
        "ragctl.providers.huggingface.reranker", "HuggingFaceReranker", "huggingface"
    ),
    ("generator", "openai"): Adapter("ragctl.providers.openai.generator", "OpenAIGenerator", "openai"),
    ("store", "pgvector"): Adapter("ragctl.stores.pgvector", "PgVectorStore"),
    ("store", "weaviate"): Adapter("ragctl.stores.weaviate", "WeaviateStore", "weaviate"),
}


def adapter_class(port: str, kind: str) -> Any:
    """The class behind `kind`, imported now.

    Raises:
        MissingPackage: a library that it needs is not installed; the hint is the install line.
        KeyError: the table has no such adapter; a valid spec names none.
    """
    adapter = ADAPTERS[port, kind]
    try:
        return getattr(import_module(adapter.module), adapter.name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ragctl"):
            raise
        raise missing_package(port, kind, error) from error


def missing_package(port: str, kind: str, error: ModuleNotFoundError) -> MissingPackage:
    """The error for an adapter that finds out when it is used that a library is not installed."""
    adapter = ADAPTERS[port, kind]
    package = f"'ragctl[{adapter.extra}]'" if adapter.extra else "ragctl"
    return MissingPackage(
        f"the {port} {kind!r} needs the Python package {error.name!r}, which is not installed",
        hint=f"pip install {package}",
    )
