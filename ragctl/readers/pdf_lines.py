"""The lines of a PDF page, in the order of its content, with their place and size."""

from __future__ import annotations

import ctypes
import math
import re
from dataclasses import dataclass, replace
from typing import Any

HYPHEN = "\ufffe"
"""PDFium's mark for a hyphen at the end of a line, which it joins with the next."""
_NEWLINE = re.compile(r"\r\n?|\n")
_LAM_ALEF = re.compile("[\u0622\u0623\u0625\u0627]\u0644")
"""Alef and lam: as they stand in a text, or a ligature of lam and alef that was turned round."""
_SCRIPTS_MEET = re.compile("(?<=[\u0621-\u064a])(?=[A-Za-z])|(?<=[A-Za-z])(?=[\u0621-\u064a])")
"""Where the direction changes PDFium loses the space."""
_BOLD_FROM = 600
_BOLD_NAME = re.compile(rb"bold|black|heavy|cmbx|-medi$", re.I)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text.

    Attributes:
        left, right, bottom, top: in points from the page's lower left corner. A line that goes on after a
            hyphen has the top of its first and the bottom of its last line.
        size: of its font, in points; 0 if unknown, or if the line does not run from left to right.
        bold: its first and its last letter are.
    """

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    bold: bool

    @property
    def height(self) -> float:
        """Of one line: the font's size where the box has several."""
        return min(self.top - self.bottom, self.size * 1.3) if self.size else self.top - self.bottom


def lines_of(textpage: Any) -> list[Line]:
    """The lines of a `pypdfium2.PdfTextPage` that are not blank. Hyphens at line ends stay as `HYPHEN`."""
    probe = _Probe(textpage)
    text = probe.with_ligatures(textpage.get_text_range())
    lines: list[Line] = []
    at = 0
    for raw in _NEWLINE.split(text):
        line = raw.strip()
        if line:
            first = at + len(raw) - len(raw.lstrip())
            lines.append(probe.line(_SCRIPTS_MEET.sub(" ", line), first, at + len(raw.rstrip()) - 1))
        at += len(raw) + 2
    return _joined(lines)


class _Probe:
    """Asks PDFium about single characters: two of each line, since a call takes a microsecond or more."""

    def __init__(self, textpage: Any) -> None:
        import pypdfium2.raw as raw  # type: ignore[import-untyped]

        self._raw = raw
        self._page = textpage
        self._box = raw.FS_RECTF()
        self._matrix = raw.FS_MATRIX()
        self._name = ctypes.create_string_buffer(128)

    def line(self, text: str, first: int, last: int) -> Line:
        begin = self._raw.FPDFText_GetCharIndexFromTextIndex(self._page, first)
        end = self._raw.FPDFText_GetCharIndexFromTextIndex(self._page, last)
        left, _, _, top = self._place(begin)
        _, bottom, right, _ = self._place(end)
        return Line(
            text, left, right, bottom, top, self._size(begin), self._is_bold(begin) and self._is_bold(end)
        )

    def with_ligatures(self, text: str) -> str:
        """The text with the Arabic ligatures of lam and alef in the order in which they are read.

        PDFium turns a line round letter by letter, and with it the two letters of one sign. Only of such two
        is the place the same.
        """
        if not _LAM_ALEF.search(text):
            return text
        return _LAM_ALEF.sub(self._in_order, text)

    def _in_order(self, found: re.Match[str]) -> str:
        places = [
            self._place(self._raw.FPDFText_GetCharIndexFromTextIndex(self._page, at))
            for at in (found.start(), found.start() + 1)
        ]
        return found[0][::-1] if places[0] == places[1] != (0.0, 0.0, 0.0, 0.0) else found[0]

    def _place(self, index: int) -> tuple[float, float, float, float]:
        if index < 0 or not self._raw.FPDFText_GetLooseCharBox(self._page, index, self._box):
            return 0.0, 0.0, 0.0, 0.0
        return self._box.left, self._box.bottom, self._box.right, self._box.top

    def _size(self, index: int) -> float:
        """As it is drawn: many files have a size of 1 and scale it. 0 of what does not stand upright."""
        if index < 0 or not self._raw.FPDFText_GetMatrix(self._page, index, self._matrix):
            return 0.0
        if abs(self._matrix.d) <= abs(self._matrix.c):
            return 0.0
        size: float = self._raw.FPDFText_GetFontSize(self._page, index)
        return abs(size) * math.hypot(self._matrix.c, self._matrix.d)

    def _is_bold(self, index: int) -> bool:
        """By the weight that the font says it has, or by its name: many say nothing."""
        if index < 0:
            return False
        if self._raw.FPDFText_GetFontWeight(self._page, index) >= _BOLD_FROM:
            return True
        length = self._raw.FPDFText_GetFontInfo(self._page, index, self._name, len(self._name), None)
        return bool(_BOLD_NAME.search(self._name.raw[: max(0, min(length, len(self._name)) - 1)]))


def _joined(lines: list[Line]) -> list[Line]:
    """PDFium begins a line at every superscript; what stands side by side is one line again."""
    out: list[Line] = []
    for line in lines:
        if out and _goes_on(out[-1], line):
            before = out[-1]
            gap = " " if line.left - before.right > 0.15 * (before.size or before.height) else ""
            out[-1] = replace(
                before,
                text=before.text + gap + line.text,
                right=line.right,
                bottom=min(before.bottom, line.bottom),
                size=max(before.size, line.size),
                bold=before.bold and line.bold,
            )
        else:
            out.append(line)
    return out


def _goes_on(before: Line, line: Line) -> bool:
    smaller = min(before.height, line.height)
    if smaller <= 0 or HYPHEN in before.text:
        return False
    overlap = min(before.top, line.top) - max(before.bottom, line.bottom)
    gap = line.left - before.right
    return overlap > 0.5 * smaller and -0.5 * smaller < gap < smaller
