"""From an HTML tree to text: blocks to lines, white space collapsed, places and headings noted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ragctl.readers.assemble import one_line
from ragctl.readers.html_survey import Survey, is_boilerplate, is_invisible, is_main, is_self_link
from ragctl.readers.sections import Heading
from ragctl.types import Anchor, Block

if TYPE_CHECKING:
    from lxml.etree import _Element

_SPACES = re.compile(r"[ \t\n\r\f\xa0]+")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_PARAGRAPHS = frozenset(
    "p h1 h2 h3 h4 h5 h6 pre ul ol dl table blockquote figure section article main header footer "
    "aside address form fieldset details hr center".split()
)
"""A blank line stands around these, and no more than a new line around the next ones."""
_LINES = frozenset("div li dt dd tr caption figcaption summary legend option body html".split())
_CELLS = frozenset(["td", "th"])
_INDENT = "  "
_LINE_LIMIT = 65535
"""libxml2 counts lines of elements no further."""


class _Mark(NamedTuple):
    """A place in what was written: characters, and parts, before it."""

    length: int
    parts: int


class PageText:
    """Collects a page's text.

    After `read`: `text`, `anchors` (source lines of the text's lines), `headings`, and `blocks`: tables of
    data and preformatted text.
    """

    def __init__(self, survey: Survey, *, boilerplate: bool) -> None:
        """`boilerplate`: keep it, for a page that has nothing else."""
        self._survey = survey
        self._keep_boilerplate = boilerplate
        self._out: list[str] = []
        self._length = 0
        self._pending: list[str] = []
        self._pending_line: int | None = None
        self._gap = 0
        self._prefix = ""
        self._line: int | None = None
        self._expected: int | None = None
        self._pre = 0
        self._in_main = 0
        self._in_header = 0
        self._lists: list[int | None] = []
        self._heading_start = _Mark(0, 0)
        self._rows_start: _Mark | None = None
        self._pre_start = _Mark(0, 0)
        self._tables: list[bool] = []
        self._cells = 0
        self.anchors: list[Anchor] = []
        self.headings: list[Heading] = []
        self.blocks: list[Block] = []

    @property
    def text(self) -> str:
        return "".join(self._out)

    @property
    def _in_data(self) -> bool:
        """Within a table of data, where a row is a line."""
        return bool(self._tables) and self._tables[-1]

    def read(self, root: _Element) -> None:
        """Walks `root` without recursion, whatever its depth."""
        from lxml.etree import iterwalk

        walk = iterwalk(root, events=("start", "end"))
        skipped: _Element | None = None
        for event, element in walk:
            if event == "start":
                if element is not root and self._skips(element):
                    walk.skip_subtree()
                    skipped = element
                    continue
                self._start(element)
                self._add(element.text)
            else:
                if element is skipped:
                    skipped = None
                else:
                    self._end(element)
                if element is not root:
                    self._add(element.tail)
        self._flush()

    def _skips(self, element: _Element) -> bool:
        if is_invisible(element) or is_self_link(element):
            return True
        return not self._keep_boilerplate and is_boilerplate(
            element, in_main=self._in_main > 0, in_header=self._in_header > 0
        )

    def _start(self, element: _Element) -> None:
        tag = element.tag
        line: Any = element.sourceline
        self._line = line if line is not None and line < _LINE_LIMIT else None
        self._in_main += is_main(element)
        self._in_header += tag == "header"
        self._break(tag)
        if tag in _HEADINGS:
            self._heading_start = self._here()
        elif tag == "br":
            self._newline()
        elif tag == "pre":
            self._pre += 1
            if self._pre == 1:
                self._pre_start = self._here()
        elif tag in ("table", "tr") or tag in _CELLS:
            self._start_in_table(element)
        elif tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li" and not self._in_data:
            self._list_item()

    def _start_in_table(self, element: _Element) -> None:
        if element.tag == "table":
            self._tables.append(element not in self._survey.layout)
            self._rows_start = None
        elif element.tag == "tr":
            self._cells = 0
            if self._in_data and self._rows_start is None:
                self._rows_start = self._here()
        else:
            self._cell()

    def _end(self, element: _Element) -> None:
        tag = element.tag
        if tag in _HEADINGS:
            self._end_heading(_HEADINGS[tag])
        self._break(tag)
        if tag == "pre":
            self._pre -= 1
            if not self._pre and not self._in_data:
                self._add_block(self._pre_start, "code")
        elif tag == "table":
            if self._tables.pop() and self._rows_start and not self._pre:
                self._add_block(self._rows_start, "table")
        elif tag in ("ul", "ol"):
            self._lists.pop()
            if self._lists and not self._in_data:
                self._gap = min(self._gap, 1)  # a list within a list goes on without a blank line
        elif tag == "li":
            self._prefix = ""  # an item without text
        elif tag == "img":
            self._add_image(element)
        self._in_main -= is_main(element)
        self._in_header -= tag == "header"

    def _add_image(self, element: _Element) -> None:
        alternative = element.get("alt")
        if alternative and not self._pre:
            self._add(f" {alternative.strip()} ")

    def _break(self, tag: str) -> None:
        """A block begins or ends."""
        if self._in_data and tag not in ("table", "tr", "caption"):
            if tag in _PARAGRAPHS or tag in _LINES:
                self._add(" ")  # within a cell of data, all is one line
        elif tag in _PARAGRAPHS:
            self._flush()
            nested = tag in ("ul", "ol") and self._lists
            self._gap = max(self._gap, 1 if nested else 2)
        elif tag in _LINES or tag in _CELLS:
            self._flush()
            self._gap = max(self._gap, 1)

    def _newline(self) -> None:
        if self._pre:
            self._pending.append("\n")
        elif self._in_data:
            self._add(" ")
        else:
            self._flush()
            self._gap = max(self._gap, 1)

    def _cell(self) -> None:
        """A cell of data begins: all but a row's first are set off, empty ones too."""
        if self._in_data:
            if self._cells:
                self._pending.append(" | ")
            self._cells += 1

    def _list_item(self) -> None:
        mark = "- "
        if self._lists and self._lists[-1] is not None:
            self._lists[-1] += 1
            mark = f"{self._lists[-1]}. "
        self._prefix = _INDENT * min(max(len(self._lists) - 1, 0), 8) + mark

    def _add(self, text: str | None) -> None:
        """Text in the order of the page; `_line` follows the source's newlines."""
        if not text:
            return
        if self._pending_line is None and not text.isspace():
            lead = text[: len(text) - len(text.lstrip())]
            self._pending_line = None if self._line is None else self._line + lead.count("\n")
        if self._line is not None:
            self._line += text.count("\n")
        self._pending.append(text.replace("|", "/") if self._in_data else text)

    def _flush(self) -> None:
        """The block that was collected becomes text."""
        raw = "".join(self._pending)
        self._pending.clear()
        line, self._pending_line = self._pending_line, None
        text = raw.strip("\n").rstrip() if self._pre else _SPACES.sub(" ", raw).strip(" ")
        if not text or text.isspace() or (self._tables and not text.strip(" |")):
            return
        if self._pre and line is not None:
            # the first line that has text is where `line` points; blank ones above it were cut
            line -= text[: len(text) - len(text.lstrip())].count("\n")
        self._write("\n" * self._gap if self._length else "", None)
        self._write(self._prefix + text, line)
        self._gap = 0
        self._prefix = ""

    def _write(self, text: str, line: int | None) -> None:
        if not text:
            return
        if not text.isspace() and (line != self._expected or not self.anchors):
            self.anchors.append(Anchor(self._length, line=line))
            self._expected = line
        if self._expected is not None:
            self._expected += text.count("\n")
        self._out.append(text)
        self._length += len(text)

    def _here(self) -> _Mark:
        return _Mark(self._length, len(self._out))

    def _since(self, mark: _Mark) -> tuple[int, str]:
        """What was written since then, less the blank lines before it, and where it starts."""
        written = "".join(self._out[mark.parts :])
        text = written.lstrip("\n")
        return mark.length + len(written) - len(text), text

    def _end_heading(self, level: int) -> None:
        """All that was written since the heading began is its text, in however many blocks."""
        self._flush()
        start, written = self._since(self._heading_start)
        text = one_line(written)
        if text:
            self.headings.append(Heading(start, level, text))

    def _add_block(self, mark: _Mark, kind: Literal["table", "code"]) -> None:
        """A table of one row is no table."""
        start, text = self._since(mark)
        header, newline, _ = text.partition("\n")
        if kind == "code" and text:
            self.blocks.append(Block(start, start + len(text), kind))
        elif newline:
            self.blocks.append(Block(start, start + len(text), kind, header))
