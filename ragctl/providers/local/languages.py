"""Which languages a model says that it reads: the `language` of its card, README.md in its folder."""

from __future__ import annotations

from pathlib import Path

_CARD = "README.md"
_CARD_BYTES = 1 << 16
_MARK = "---"

_NAMES = {
    "ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "zh": "chinese", "da": "danish",
    "nl": "dutch", "en": "english", "fi": "finnish", "fr": "french", "de": "german", "el": "greek",
    "hi": "hindi", "hu": "hungarian", "id": "indonesian", "ga": "irish", "it": "italian", "ja": "japanese",
    "ko": "korean", "lt": "lithuanian", "ne": "nepali", "no": "norwegian", "nb": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "es": "spanish", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""`chunk.language` by ISO 639-1 code, which is what model cards have."""


def card_languages(folder: Path) -> frozenset[str] | None:
    """Names as `chunk.language` has them; None where there is no card, or it says nothing or `multilingual`.

    A language that `chunk.language` has no name for is left out.
    """
    stated = _stated(folder / _CARD)
    codes = [stated] if isinstance(stated, str) else stated
    if not isinstance(codes, list) or not codes or "multilingual" in codes:
        return None
    return frozenset(_NAMES[code] for code in map(_code, codes) if code in _NAMES)


def _code(stated: object) -> str:
    """`pt` of `pt-BR`; YAML takes an unquoted `no` for false."""
    return "no" if stated is False else str(stated).lower().partition("-")[0].partition("_")[0]


def _stated(card: Path) -> object:
    """The value of `language` in the card's front matter; None if it has none that can be read."""
    import yaml

    try:
        with card.open("rb") as file:
            lines = file.read(_CARD_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:  # a model needs no card
        return None
    if not lines or lines[0].strip() != _MARK:
        return None
    ends = [number for number, line in enumerate(lines[1:], 1) if line.strip() == _MARK]
    try:
        front = yaml.safe_load("\n".join(lines[1 : ends[0]])) if ends else None
    except yaml.YAMLError:
        return None
    return front.get("language") if isinstance(front, dict) else None
