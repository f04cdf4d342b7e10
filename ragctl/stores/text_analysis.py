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
from collections.abc import Iterator
from itertools import pairwise

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
_MOST_COUNTED = 255  # positions that a tsvector keeps of a lexeme

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


def words(text: str) -> list[str]:
    """The words in order, repeated ones repeatedly; none that has no letter and no digit."""
    normal = text if text.isascii() else unicodedata.normalize("NFKC", text)
    found: list[str] = []
    for run in normal.lower().translate(_CHARACTERS).split():
        if run.isascii():
            found.append(run)
        elif any(map(str.isalnum, run)):
            found.extend(_cut(run))
    return found if _fits(found) else list(_bounded(found))


def _fits(found: list[str]) -> bool:
    """Is there surely nothing that PostgreSQL would refuse? A quick look, that texts of 100 KB pass."""
    lengths = [len(word) for word in found]
    return max(lengths, default=0) <= LONGEST_WORD and 4 * sum(lengths) + 5 * len(found) <= MOST_BYTES


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
        f"'{word}':{','.join(map(str, range(1, min(count, _MOST_COUNTED) + 1)))}"
        for word, count in counted.items()
    )
