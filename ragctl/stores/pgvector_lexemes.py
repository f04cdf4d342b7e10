"""What `to_tsvector` makes of a text, made here: the server is asked about each word once, not once a text.

Its parser would take most of the time of writing, to find words again that are known. What it makes of one
does not depend on those beside it: words hold letters, digits and marks only, and stand between spaces. It is
asked by `to_tsvector` itself, so what it takes a word for, and what the dictionaries do with it, stays the
server's. Questions go through `to_tsvector` as a whole.

Positions count occurrences, 1 to n; nothing reads more than their number. Of a text of more than 16,382 words
`to_tsvector` counts the words beyond these once each; here they count in full.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ragctl.stores.text_analysis import (
    FEW_WORDS,
    LONGEST_WORD,
    MOST_COUNTED,
    SNOWBALL,
    unbounded_words,
    words,
)

if TYPE_CHECKING:
    from psycopg import Connection

MOST_KNOWN = 100_000
"""Words that are kept with their lexemes, some 200 bytes each; when there are more, all are forgotten."""

Lexeme = bytes
"""As the binary form of a tsvector has one that occurs once: in the client's encoding, then `_ONCE`."""

# Beside lexemes: None of words that have none, and of words that the server is to be asked about, the word.
_Counts = Counter["Lexeme | str | None"]

# The end of a lexeme, how many positions it has, and the positions.
_ENDS = [struct.pack(f"!B{count + 1}H", 0, count, *range(1, count + 1)) for count in range(MOST_COUNTED + 1)]
_ONCE = _ENDS[1]
_SIZE = struct.Struct("!i")


class _Known(dict[str, "Lexeme | None"]):
    """The lexeme of each word that has one or none; any other word stands for itself, and is noted.

    One that is too long is none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.noted: set[str] = set()

    def __missing__(self, word: str) -> str | None:
        if len(word) > LONGEST_WORD:
            return None
        self.noted.add(word)
        return word


class CountedText(NamedTuple):
    """How often a text has each lexeme, and its words that stand among them for themselves."""

    counts: _Counts
    open: set[str]


class TextVector(NamedTuple):
    """A tsvector in binary form, and how many words it counts."""

    length: int
    content: bytes


class PgVectorLexemes:
    """Texts of one language as the server would analyse them.

    Args:
        connection: for questions to the server, which `vectors` asks; no COPY may be under way then.
        language: one of `text_analysis.LANGUAGES`.
    """

    def __init__(self, connection: Connection[Any], language: str) -> None:
        self._connection = connection
        self._language = language
        self._known = _Known()
        self._several: dict[str, dict[Lexeme, int]] = {}

    def count(self, text: str) -> CountedText:
        """Without a question to the server."""
        if self._language not in SNOWBALL:
            return CountedText(Counter(words(text)), set())
        found = unbounded_words(text)
        if len(found) > FEW_WORDS:
            found = words(text)
        known = self._known
        counts: _Counts = Counter(map(known.__getitem__, found))
        noted, known.noted = known.noted, set()
        return CountedText(counts, noted)

    def vectors(self, counted: Sequence[CountedText]) -> Iterator[TextVector]:
        """Of each text, in order; each is to be used once. Nothing is left to be asked when this returns."""
        encoding = client_encoding(self._connection)
        if self._language not in SNOWBALL:
            return (_vector(_unstemmed(one, encoding)) for one in counted)
        self._ask(set().union(*(one.open for one in counted)), encoding)
        return (_vector(self._closed(one)) for one in counted)

    def _ask(self, asked: set[str], encoding: str) -> None:
        """Has the lexemes of these words at hand."""
        if len(self._known) + len(self._several) > MOST_KNOWN:
            self._known.clear()
            self._several.clear()
        lacking = [word for word in asked if word not in self._known and word not in self._several]
        if not lacking:
            return
        rows = self._connection.execute(
            f"""
            SELECT number, lexeme, cardinality(positions)
            FROM unnest(%s::text[]) WITH ORDINALITY AS t (word, number),
                 unnest(to_tsvector('pg_catalog.{self._language}', word))
            """,
            (lacking,),
            binary=True,
        )
        found: dict[str, dict[Lexeme, int]] = {word: {} for word in lacking}
        for number, lexeme, times in rows:
            found[lacking[number - 1]][_lexeme(lexeme, encoding)] = times
        for word, lexemes in found.items():
            if not lexemes:
                self._known[word] = None
            elif len(lexemes) == 1 and 1 in lexemes.values():
                self._known[word] = next(iter(lexemes))
            else:  # the parser takes it for several words
                self._several[word] = lexemes

    def _closed(self, text: CountedText) -> _Counts:
        counts = text.counts
        for word in text.open:
            count = counts.pop(word)
            if word in self._several:
                for lexeme, times in self._several[word].items():
                    counts[lexeme] += count * times
            else:
                counts[self._known[word]] += count
        del counts[None]  # stop words; a Counter has no fault with what is not in it
        return counts


def _unstemmed(text: CountedText, encoding: str) -> _Counts:
    return Counter({_lexeme(str(word), encoding): count for word, count in text.counts.items()})


def _lexeme(word: str, encoding: str) -> Lexeme:
    return word.encode(encoding) + _ONCE


def _vector(counts: Counter[Any]) -> TextVector:
    """Of counts by lexeme. In no order: the server puts them in its own."""
    number, length = len(counts), counts.total()
    if length == number:
        content = b"".join(counts)
    else:
        if max(counts.values()) > MOST_COUNTED:
            counts = Counter({lexeme: min(count, MOST_COUNTED) for lexeme, count in counts.items()})
            length = counts.total()
        cut = -len(_ONCE)
        content = b"".join(
            [lexeme if count == 1 else lexeme[:cut] + _ENDS[count] for lexeme, count in counts.items()]
        )
    return TextVector(length, _SIZE.pack(number) + content)


def client_encoding(connection: Connection[Any]) -> str:
    """The codec of text for the server; UTF-8 where the database says nothing of it, as in psycopg."""
    encoding = connection.info.encoding
    return "utf-8" if encoding == "ascii" else encoding
