"""The words of a text, for lexical search: the same for what is indexed and for what is asked.

PostgreSQL's own parser is not used to find words: what it takes for a letter depends on the database's
locale (with `C`, quotation marks and dashes are letters), it keeps `and/or` or `airflow.cfg` whole, and
it does not cut Chinese. Words are found here; PostgreSQL stems them and leaves out stop words.

A word is a run of letters, digits and the marks on them, in Unicode's compatibility form (NFKC: full-width
and half-width forms, ligatures) and in lower case. Runs of Chinese, Japanese and Korean characters, which
are written without spaces or inflected by endings, become single characters and pairs of neighbours.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise

SNOWBALL = frozenset(
    "arabic armenian basque catalan danish dutch english finnish french german greek hindi hungarian "
    "indonesian irish italian lithuanian nepali norwegian portuguese romanian russian serbian spanish "
    "swedish tamil turkish yiddish".split()
)
"""Text search configurations that stem, in every PostgreSQL from 15 on."""

UNSTEMMED = frozenset({"chinese", "japanese", "korean", "simple"})
"""Languages whose words are indexed as they are."""

LANGUAGES = SNOWBALL | UNSTEMMED

LONGEST_WORD = 100
"""Characters. Longer runs are encoded data, not words; PostgreSQL takes no lexeme of over 2,046 bytes."""

MOST_BYTES = 1_000_000
"""Of a text's words as PostgreSQL counts them; a tsvector holds 1,048,575. Words beyond it are left out."""
FEW_WORDS = MOST_BYTES // (4 * LONGEST_WORD + 5)
"""So many words fit in any case, those that are too long left out."""

MOST_COUNTED = 255
"""Positions that a tsvector keeps of a lexeme."""

# Ideographs with their radicals and marks, kana, bopomofo, hangul.
_UNSPACED = re.compile(
    "[\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3040-\u318f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U0001aff0-\U0001b16f\U00020000-\U000323af]+"
)
_INVISIBLE = frozenset("\u00ad\u200d\u2060\ufeff")  # soft hyphen, joiners: inside a word


class _Characters(dict[int, str]):
    """What becomes of each character: itself, nothing, or a space; worked out once for each."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in _INVISIBLE:
            kept = ""
        elif character.isalnum() or unicodedata.category(character).startswith("M"):
            kept = character
        else:
            kept = " "
        self[code] = kept
        return kept


_CHARACTERS = _Characters()


# What becomes of each byte of UTF-8: of ASCII, letters in lower case, digits, and a space for the rest.
_BYTES = bytes(ord(chr(code).lower()) if chr(code).isalnum() else 0x20 for code in range(0x80)) + bytes(
    range(0x80, 0x100)
)
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_FEW = 32  # characters that are replaced one by one, each in a run through the text


def words(text: str) -> list[str]:
    """The words in order, repeated ones repeatedly; none that has no letter and no digit."""
    found = unbounded_words(text)
    return found if _fits(found) else list(_bounded(found))


def unbounded_words(text: str) -> list[str]:
    """The same with words longer than LONGEST_WORD, and without regard to MOST_BYTES."""
    if not text.isascii():
        text = _kept(unicodedata.normalize("NFKC", text).lower())
    # As bytes, because `str.translate` takes several times as long.
    kept = text.encode().translate(_BYTES).decode()
    found = kept.split()
    if not kept.isascii():
        found = list(chain.from_iterable(map(_of_run, found)))
    return found


def _kept(text: str) -> str:
    """Without the characters beyond ASCII that belong to no word."""
    beyond = set(_BEYOND_ASCII.findall(text))
    others = [character for character in beyond if _CHARACTERS[ord(character)] != character]
    if len(others) > _FEW:
        return text.translate(_CHARACTERS)
    for character in others:
        text = text.replace(character, _CHARACTERS[ord(character)])
    return text


def _of_run(run: str) -> Iterable[str]:
    if run.isascii():
        return (run,)
    return _cut(run) if any(map(str.isalnum, run)) else ()


def _fits(found: list[str]) -> bool:
    """Is there surely nothing that PostgreSQL would refuse? A quick look, that texts of 100 KB pass."""
    if max(map(len, found), default=0) > LONGEST_WORD:
        return False
    return len(found) <= FEW_WORDS or 5 * len(found) + 4 * sum(map(len, found)) <= MOST_BYTES


def _cut(run: str) -> Iterator[str]:
    end = 0
    for unspaced in _UNSPACED.finditer(run):
        if unspaced.start() > end:
            yield run[end : unspaced.start()]
        characters = unspaced[0]
        yield from characters
        yield from map("".join, pairwise(characters))
        end = unspaced.end()
    if end < len(run):
        yield run[end:]


def _bounded(found: list[str]) -> Iterator[str]:
    """Without what PostgreSQL would refuse. A lexeme takes its bytes, and two for each occurrence."""
    room = MOST_BYTES
    known: set[str] = set()
    for word in found:
        if len(word) > LONGEST_WORD:
            continue
        if word not in known:
            known.add(word)
            room -= len(word.encode()) + 3
        room -= 2
        if room < 0:
            return
        yield word


def lexemes(text: str) -> str:
    """The words of a text as a tsvector in PostgreSQL's notation: each with as many positions as it occurs.

    Words hold letters, digits and marks only, so there is nothing to escape.
    """
    counted = Counter(words(text))
    return " ".join(
        f"'{word}':{','.join(map(str, range(1, min(count, MOST_COUNTED) + 1)))}"
        for word, count in counted.items()
    )
