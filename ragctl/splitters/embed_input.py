"""What the model reads for a chunk: the title and headings it stands under, and its text.

    Title
    Heading > Sub-heading

    the chunk's text

The title is left out if it is a file's name, the first heading if it repeats the title, and both
the title and the last heading where the text itself begins with them. Runs of
more than three of one punctuation character (rulers, the borders of tables, dotted lines) are
shortened to three: to the model they are noise at a token a character.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import cast

from ragctl.errors import SpecError
from ragctl.ports import Tokenizer, WordByWord
from ragctl.types import Document

KEPT_OF_RUN = 3
RUN = re.compile(rf"([^\w\s])\1{{{KEPT_OF_RUN},}}")

_LEAD = 1000
"""Characters of a chunk that are compared with its headings: longer than any heading."""

_CONTEXT = ("title", "headings")
Headings = tuple[str, ...]


def squeezed(text: str) -> str:
    """`text` with each run of one punctuation character cut to `KEPT_OF_RUN`."""
    return RUN.sub(lambda run: run[1] * KEPT_OF_RUN, text)


def word_by_word(text: str, tokenizer: Tokenizer) -> bool:
    """Do the tokens of stretches of the text add up? See `ports.WordByWord`."""
    return _is_word_by_word(type(tokenizer)) and cast(WordByWord, tokenizer).word_by_word(text)


@functools.cache
def _is_word_by_word(kind: type[Tokenizer]) -> bool:
    return issubclass(kind, WordByWord)  # slow for a protocol


def embed_input(header: str, text: str) -> str:
    """The whole input: `text` is `squeezed`, `header` may be empty."""
    return f"{header}\n\n{text}" if header else text


class Headers:
    """The headers of one document's chunks, with their token counts.

    Args:
        context: what goes into a header: `title`, `headings`, both or neither.
        limit: tokens, without special ones. A header over it is shortened: headings go, outermost
            first, then the title; if the innermost heading alone is too long, there is no header.

    Raises:
        SpecError: `context` names something else.
    """

    def __init__(self, tokenizer: Tokenizer, *, context: Sequence[str], limit: int) -> None:
        unknown = sorted(set(context) - set(_CONTEXT))
        if unknown:
            raise SpecError(
                f"chunk.context: unknown {unknown[0]!r}; it may hold {' and '.join(_CONTEXT)}",
                where="chunk.context",
            )
        self._tokenizer = tokenizer
        self._title_wanted = "title" in context
        self._headings_wanted = "headings" in context
        self._limit = limit
        self._title = ""
        self._known: dict[Headings, tuple[str, int]] = {}
        self._tokens: dict[str, int] = {}
        self._apart = False

    def prepare(self, document: Document, paths: Iterable[Headings]) -> None:
        """Counts, in one call, the headers under `paths` and all that is common to several of them."""
        wanted = self._title_wanted and not document.title_is_fallback
        self._title = document.title if wanted else ""
        self._known = {}
        self._tokens = {"": 0}
        every = {path[:depth] for path in paths for depth in range(len(path) + 1)} | {()}
        headers = {path: self._format(self._title, path) for path in every}
        counts = self._count(sorted(set(headers.values())))
        together = "\n".join(counts)
        self._apart = not together.strip() or word_by_word(together, self._tokenizer)
        for path, header in headers.items():
            tokens = counts[header]
            self._known[path] = (header, tokens) if tokens <= self._limit else self._shortened(path)

    def exactly(self, header: str) -> int | None:
        """What one of the headers adds to the tokens of any input; None where that depends on the input."""
        return self._tokens[header] if self._apart else None

    @property
    def largest(self) -> int:
        """The most tokens that a header of the prepared document has."""
        return max((tokens for _, tokens in self._known.values()), default=0)

    def under(self, path: Headings) -> tuple[str, int]:
        """The header for `path` (one of the prepared, or the beginning of one) and its tokens."""
        return self._known[path]

    def above(self, path: Headings, text: str) -> str:
        """The header for a chunk under `path` that reads `text`: what it begins with is not repeated."""
        lead = text[:_LEAD].lstrip("# \t\n")
        if path and lead.startswith(path[-1]):
            path = path[:-1]
        header = self.under(path)[0]
        return "" if header and header == self._title and lead.startswith(header) else header

    def _format(self, title: str, path: Headings) -> str:
        if not self._headings_wanted:
            path = ()
        if path and _same(path[0], title):
            path = path[1:]
        return "\n".join(filter(None, (title, " > ".join(path))))

    def _shortened(self, path: Headings) -> tuple[str, int]:
        shorter = [self._format(self._title, path[drop:]) for drop in range(1, len(path) + 1)]
        if path:
            shorter.append(self._format("", path[-1:]))
        counts = self._count(shorter)
        fitting = (header for header in shorter if counts[header] <= self._limit)
        header = next(fitting, "")
        return header, counts.get(header, 0)

    def _count(self, headers: Sequence[str]) -> dict[str, int]:
        """Tokens that each adds to an input: without special ones."""
        special = self._tokenizer.special_tokens
        some = [header for header in headers if header]
        counts = self._tokenizer.count(some) if some else []
        tokens = {"": 0} | {header: count - special for header, count in zip(some, counts, strict=True)}
        self._tokens.update(tokens)
        return tokens


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
