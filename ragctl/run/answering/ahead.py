"""What tasks need, imported and loaded ahead of them, for workers that fork a process for each task."""

from __future__ import annotations

from importlib import import_module

from ragctl.errors import RagctlError
from ragctl.registry import adapter_class
from ragctl.spec.embed_settings import LocalEmbedder

MODULES = (
    "numpy",
    "pgvector.psycopg",
    "psycopg",
    "psycopg.rows",
    "ragctl.run.tasks.ask_task",
    "ragctl.run.tasks.stage_task",
    "ragctl.state.generations",
    "ragctl.stores.pgvector",
    "ragctl.stores.pgvector_lexical_search",
    "threadpoolctl",
    "tokenizers",
)


def load_ahead(model: str = LocalEmbedder().model) -> str | None:
    """Imports what answering a question takes, and loads the local model; takes about a second.

    Nothing of it starts a thread that a fork would lose, or opens a file or a connection that forks would
    share.

    Returns:
        Why the model could not be loaded, as far as it is one that a task may do without; None if it was.
    """
    for name in MODULES:
        import_module(name)
    try:
        adapter_class("embedder", "local")(model=model).keep_ready()
    except RagctlError as error:
        return str(error)
    return None
