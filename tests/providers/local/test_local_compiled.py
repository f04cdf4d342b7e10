from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from ragctl.errors import Unavailable
from ragctl.providers.local import checks, compiled
from ragctl.providers.local.compiled import compile_encoder
from ragctl.providers.local.model_files import CONFIG, WEIGHTS, ModelFiles
from ragctl.providers.local.tokenizer import LocalTokenizer


@pytest.mark.parametrize("damage", ["one bit", "cut short"])
def test_damaged_weights_are_refused(
    damage: str, minilm: ModelFiles, tokenizer: LocalTokenizer, tmp_path: Path
) -> None:
    shutil.copy(minilm.path(CONFIG), tmp_path)
    weights = bytearray(minilm.path(WEIGHTS).read_bytes())
    weights[50_000_000] ^= 1
    (tmp_path / WEIGHTS).write_bytes(weights if damage == "one bit" else weights[:60_000_000])
    with pytest.raises(Unavailable, match=r"model\.safetensors of all-MiniLM-L6-v2 is damaged") as caught:
        compile_encoder(ModelFiles(minilm.model, tmp_path), tokenizer, goal="latency")
    assert "--force-reinstall" in (caught.value.hint or "")


def test_vectors_unlike_the_reference_are_refused(
    minilm: ModelFiles, tokenizer: LocalTokenizer, tmp_path: Path
) -> None:
    packaged = Path(compiled.__file__).parent / minilm.model.reference
    known = json.loads(packaged.read_text(encoding="utf-8"))
    known["texts"][1] += " Nobody minds."
    other = tmp_path / "reference.json"
    other.write_text(json.dumps(known), encoding="utf-8")
    files = ModelFiles(dataclasses.replace(minilm.model, reference=str(other)), minilm.folder)
    with pytest.raises(Unavailable, match="computes wrong vectors on this processor"):
        compile_encoder(files, tokenizer, goal="throughput")


def test_too_coarse_a_number_format_gives_way_to_float32(
    minilm: ModelFiles, tokenizer: LocalTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if compile_encoder(minilm, tokenizer, goal="throughput").precision != "bf16":
        pytest.skip("this processor has no native bfloat16")
    monkeypatch.setattr(checks, "MIN_COSINE", 0.999999)
    assert compile_encoder(minilm, tokenizer, goal="throughput").precision == "f32"


def test_threads_are_a_limit(minilm: ModelFiles, tokenizer: LocalTokenizer) -> None:
    assert compile_encoder(minilm, tokenizer, goal="throughput", threads=1).parallel == 1
