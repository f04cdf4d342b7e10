"""What a model's card says of the languages that it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.providers.local.languages import card_languages


@pytest.mark.parametrize(
    ("card", "languages"),
    [
        ("---\nlanguage: en\nlicense: mit\n---\n# A model\n", {"english"}),
        ("---\nlanguage:\n- en\n- zh\n- xx\n---\n", {"english", "chinese"}),
        ("---\nlanguage: [pt-BR, no, nb]\n---\n", {"portuguese", "norwegian"}),
        ("---\nlanguage: multilingual\n---\n", None),
        ("---\nlanguage: [en, multilingual]\n---\n", None),
        ("---\nlicense: mit\n---\nlanguage: en\n", None),
        ("# No front matter\nlanguage: en\n", None),
        ("---\nlanguage: en\n", None),
        ("---\nlanguage: [en\n---\n", None),
        ("---\nlanguage: !!python/name:os.system\n---\n", None),
        ("---\n- en\n---\n", None),
        ("", None),
    ],
)
def test_what_a_card_says(tmp_path: Path, card: str, languages: set[str] | None) -> None:
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    assert card_languages(tmp_path) == languages


def test_a_model_without_a_card(tmp_path: Path) -> None:
    assert card_languages(tmp_path) is None


def test_the_known_model_says_what_its_card_says() -> None:
    embedder = LocalEmbedder()
    assert embedder.languages == card_languages(embedder._files().folder) == {"english"}
