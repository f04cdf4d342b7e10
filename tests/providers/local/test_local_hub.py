"""Models by their name on the hub, with a hub on loopback. The hub's client reads its settings when it is
imported, so each look is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from providers.local.fake_hub import COMMIT, fake_hub
from providers.local.small_models import Small, write_model

LOOK = """
import sys
from ragctl.errors import RagctlError
from ragctl.providers.local.encoder import LocalEmbedder
try:
    embedder = LocalEmbedder(sys.argv[1], revision=sys.argv[2] if len(sys.argv) > 2 else None)
    print("identity", embedder.identity)
    print("commit", embedder.provenance["hub_commit"])
    print("shape", embedder.embed_queries(["tea"]).shape)
except RagctlError as error:
    print(type(error).__name__, error.message)
    print("hint", error.hint)
"""


@pytest.fixture
def hub_folder(tmp_path: Path) -> Path:
    folder = write_model(tmp_path / "on the hub", Small("bert", modules=("Pooling", "Dense")))
    for name in ("modeling_theirs.py", "pytorch_model.bin", "README.md", "1_Pooling/theirs.py"):
        (folder / name).write_text("never fetched", encoding="utf-8")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_text("never fetched", encoding="utf-8")
    return folder


def look(home: Path, endpoint: str, *arguments: str, **environment: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *arguments],
        env={
            **kept,
            "HF_HOME": str(home),
            "HF_ENDPOINT": endpoint,
            "HF_HUB_ETAG_TIMEOUT": "2",
            **environment,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_a_model_is_fetched_once_and_never_its_code(hub_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with fake_hub(hub_folder) as hub:
        first = look(home, hub.url, "org/model")
        assert first[1:] == [f"commit {COMMIT}", "shape (1, 12)"]
        assert hub.fetched == {
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "config.json",
            "model.safetensors",
            "modules.json",
            "sentence_bert_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
        }
        hub.fetched.clear()
        assert look(home, hub.url, "org/model") == first
        assert not hub.fetched
        nowhere = hub.url
    # The hub is gone: a pinned commit needs none, and the newest is what is in the cache.
    assert look(home, nowhere, "org/model", COMMIT) == first
    assert look(home, nowhere, "org/model", HF_HUB_OFFLINE="1") == first


def test_what_the_hub_does_not_have(hub_folder: Path, tmp_path: Path) -> None:
    with fake_hub(hub_folder) as hub:
        [said, hint] = look(tmp_path / "home", hub.url, "org/other")
        assert said == "UsageError the hub has no model org/other, or does not show it to you"
        assert "./NAME" in hint
        [said, _] = look(tmp_path / "home", hub.url, "org/model", "no-such-branch")
        assert said.startswith("UsageError the hub has no model org/model at no-such-branch")


@pytest.mark.parametrize(
    ("revision", "environment"),
    [((), {}), ((), {"HF_HUB_OFFLINE": "1"}), ((COMMIT,), {"HF_HUB_OFFLINE": "1"})],
)
def test_a_hub_out_of_reach(tmp_path: Path, revision: tuple[str, ...], environment: dict[str, str]) -> None:
    with fake_hub(tmp_path) as hub:
        gone = hub.url
    said, hint = look(tmp_path / "home", gone, "org/model", *revision, **environment)
    assert said.startswith("Unavailable org/model")
    assert "cannot be fetched from the hub" in said
    assert "copy the model's folder" in hint
