"""Models by their name on the hub, with a hub on loopback. The hub's client reads its settings when it is
imported, so each look is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from providers.huggingface.random_models import write_sentence_model
from providers.local.fake_hub import COMMIT, fake_hub

LOOK = """
import sys
from ragctl.errors import RagctlError
from ragctl.providers.huggingface.embedder import HuggingFaceEmbedder
try:
    embedder = HuggingFaceEmbedder("org/model", revision=sys.argv[2] if len(sys.argv) > 2 else None)
    print(embedder.identity, embedder.provenance["hub_commit"], embedder.dimension)
    if sys.argv[1] == "embed":
        print(embedder.embed_queries(["lake"]).shape)
except RagctlError as error:
    print(type(error).__name__, error.message, "|", error.hint)
"""


def look(home: Path, endpoint: str, *arguments: str, **environment: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    hub = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_ETAG_TIMEOUT": "2"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *arguments],
        env={**kept, **hub, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("shard", ["1GB", "20KB"])
def test_a_model_is_fetched_once_and_never_its_code(shard: str, tmp_path: Path) -> None:
    folder = write_sentence_model(tmp_path / "model", "mpnet", shard=shard)
    for name in ("modeling_theirs.py", "pytorch_model.bin"):
        (folder / name).write_text("never fetched", encoding="utf-8")
    home = tmp_path / "home"
    with fake_hub(folder) as hub:
        first = look(home, hub.url, "describe")
        assert first[0].split()[1:] == [COMMIT, "32"]
        weights = {file.name for file in folder.glob("*.safetensors")}
        assert (len(weights) > 1) == (shard != "1GB")
        assert weights <= hub.fetched
        assert not {"modeling_theirs.py", "pytorch_model.bin"} & hub.fetched
        hub.fetched.clear()
        assert look(home, hub.url, "describe") == first
        assert not hub.fetched
        nowhere = hub.url
    # The hub is gone: a pinned commit needs none, and the newest is what is in the cache.
    assert look(home, nowhere, "describe", COMMIT) == first
    if shard == "1GB":
        assert look(home, nowhere, "describe", HF_HUB_OFFLINE="1") == first
    else:
        assert look(home, nowhere, "embed", HF_HUB_OFFLINE="1") == [*first, "(1, 32)"]


def test_a_hub_out_of_reach(tmp_path: Path) -> None:
    with fake_hub(tmp_path) as hub:
        gone = hub.url
    [said] = look(tmp_path / "home", gone, "describe")
    assert said.startswith("Unavailable org/model cannot be fetched from the hub")
    assert "copy the model's folder" in said
