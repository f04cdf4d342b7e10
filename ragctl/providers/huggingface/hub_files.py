"""The folder of a model that may be on the hub, with all of its weights."""

from __future__ import annotations

import os
from pathlib import Path

from ragctl.errors import Unavailable
from ragctl.providers.huggingface.model_folder import SHARDS, encoder_folder
from ragctl.providers.local.description import WEIGHTS
from ragctl.providers.local.json_files import read_object
from ragctl.providers.local.places import HubName, Place, fetched

_SHARDS = (SHARDS, "model-*.safetensors", f"[0-9]_*/{SHARDS}", "[0-9]_*/model-*.safetensors")


def whole_folder(place: Place | HubName) -> Place:
    """The folder itself; what is on the hub is fetched, weights in several files too, but never code.

    Raises:
        MissingPackage, UsageError, Unavailable: see `local.hub.fetch`.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    found = fetched(place)
    if isinstance(place, Place) or _has_weights(encoder_folder(found.folder)):
        return found
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            place.name,
            revision=found.facts["hub_commit"],
            allow_patterns=list(_SHARDS),
            library_name="ragctl",
        )
    except Exception as error:  # whatever the network and the hub's client come up with
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise Unavailable(
            f"the weights of {place.name} cannot be fetched from the hub: {reason[0]}",
            hint="try again, or copy the model's folder and name that",
        ) from error
    return Place(found.name, Path(folder), found.facts)


def _has_weights(encoder: Path) -> bool:
    names = dict(read_object(encoder / SHARDS, missing={}).get("weight_map") or {}).values()
    in_parts = bool(names) and all((encoder / str(name)).is_file() for name in names)
    return in_parts or (encoder / WEIGHTS).is_file()
