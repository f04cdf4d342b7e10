"""Org: headings, tables and code of Emacs' outline format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ragctl.readers import kinds
from ragctl.readers.assemble import assemble, encoding_metadata
from ragctl.readers.decoding import decode
from ragctl.readers.sections import Heading, KeptLines, keep_lines, sections_of
from ragctl.types import Block, Document, Item

_HEADING = re.compile(r"(\*+)[ \t]+(.*)")
_STATE = re.compile(r"^(?:TODO|DONE|NEXT|WAITING|CANCELED)\s+|^\[#[A-Z]\]\s*|\s+:[\w@#%:]+:\s*$")
_KEYWORD = re.compile(r"#\+(\w+):\s*(.*)", re.I)
_BEGIN = re.compile(r"\s*#\+begin_(src|example|export)\b", re.I)
_END = re.compile(r"\s*#\+end_(src|example|export)\b", re.I)
_DRAWER = re.compile(r"\s*:(?:PROPERTIES|LOGBOOK):\s*$", re.I)
_DRAWER_END = re.compile(r"\s*:END:\s*$", re.I)
_RULE = re.compile(r"\s*\|[-+|:]+\|?\s*$")
_ROW = re.compile(r"\s*\|.*\|\s*$")
_COMMENT = re.compile(r"\s*#(?:\s|$)")


class OrgReader:
    """Reads org text; drawers, comments and settings are left out.

    Args:
        encodings: tried in order where the text is not UTF-8.
    """

    name = "org"
    output_version = 1

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: no text can be decoded.
            EmptyDocument: there is none.
        """
        text, encoding = decode(data, self._encodings)
        outline = _Outline(text.split("\n"))
        kept = keep_lines(outline.lines, outline.dropped)
        headings = [Heading(kept.starts[line], level, name) for line, level, name in outline.headings]
        yield assemble(
            item,
            data,
            kept.text,
            reader=f"{self.name}@{self.output_version}",
            media_type=kinds.ORG,
            sections=sections_of([one for one in headings if one.start < len(kept.text)], len(kept.text)),
            anchors=kept.anchors,
            blocks=tuple(outline.blocks(kept)),
            title=outline.title or (headings[0].text if headings else ""),
            metadata=encoding_metadata(encoding),
        )


class _Outline:
    """What each line is."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.dropped: set[int] = set()
        self.headings: list[tuple[int, int, str]] = []
        self.title = ""
        self._spans: list[tuple[int, int, str]] = []
        number = 0
        while number < len(lines):
            number = self._next(number)

    def _next(self, number: int) -> int:
        """Takes in a line, or all lines of what begins there; the line after it."""
        line = self.lines[number]
        if found := _HEADING.fullmatch(line):
            self.headings.append((number, len(found[1]), _without_state(found[2])))
        elif _BEGIN.match(line):
            end = self._find(number + 1, _END)
            self.dropped |= {number, end}
            self._spans.append((number + 1, end, "code"))
            return end + 1
        elif _DRAWER.match(line):
            end = self._find(number + 1, _DRAWER_END)
            self.dropped |= set(range(number, end + 1))
            return end + 1
        elif _ROW.match(line):
            return self._table(number)
        elif found := _KEYWORD.match(line):
            self.dropped.add(number)
            if found[1].lower() == "title":
                self.title = self.title or found[2].strip()
        elif _COMMENT.match(line):
            self.dropped.add(number)
        return number + 1

    def _table(self, number: int) -> int:
        end = number
        while end < len(self.lines) and (_ROW.match(self.lines[end]) or _RULE.match(self.lines[end])):
            if _RULE.match(self.lines[end]):
                self.dropped.add(end)
            end += 1
        self._spans.append((number, end, "table"))
        return end

    def _find(self, number: int, form: re.Pattern[str]) -> int:
        """The line that ends something; the last one if nothing does."""
        for at in range(number, len(self.lines)):
            if form.match(self.lines[at]):
                return at
        return len(self.lines) - 1

    def blocks(self, kept: KeptLines) -> Iterator[Block]:
        for first, last, kind in self._spans:
            start = kept.starts[first] if first < len(kept.starts) else len(kept.text)
            end = kept.starts[last] if last < len(kept.starts) else len(kept.text)
            text = kept.text[start:end].rstrip("\n")
            if kind == "code" and text.strip():
                yield Block(start, start + len(text), "code")
            elif kind == "table" and "\n" in text:
                yield Block(start, start + len(text), "table", text.partition("\n")[0])


def _without_state(heading: str) -> str:
    before = ""
    while before != heading:
        before, heading = heading, _STATE.sub("", heading)
    return heading.strip()
