"""Texts too large for memory: the segments together are the text."""

from __future__ import annotations

import csv
import hashlib
import io
import tracemalloc
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import BinaryIO

import pytest
from readers.reading import check, line_of

from ragctl.errors import MalformedDocument
from ragctl.readers import segments
from ragctl.readers.assemble import assemble
from ragctl.readers.auto import Readers
from ragctl.readers.segments import can_be_cut, first_look, segments_of
from ragctl.types import Anchor, Block, Document, Item


def cut(data: bytes, path: str = "big.log") -> list[Document]:
    item = Item("docs", path, f"file:///{path}", "f")
    reader = Readers().choose(item, data).reader
    assert reader is not None
    assert can_be_cut(reader)

    def open_it() -> AbstractContextManager[BinaryIO]:
        return io.BytesIO(data)

    look = first_look(open_it, reader.name)
    assert look.digest == hashlib.sha256(data).hexdigest()
    found = list(segments_of(item, open_it, reader, look))
    for document in found:
        check(document)
    return found


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_CHARACTERS", 1000)
    monkeypatch.setattr(segments, "LONGEST_LINE", 3000)
    monkeypatch.setattr(segments, "_BLOCK_BYTES", 700)


def log(lines: int = 500) -> str:
    return "".join(f"{number} wörter \U0001f600 of line {number}\n" for number in range(1, lines + 1))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_offsets_and_lines_are_those_of_the_whole_text(encoding: str, line_end: str) -> None:
    text = log()
    found = cut(text.replace("\n", line_end).encode(encoding))
    assert len(found) > 10
    assert "".join(one.text for one in found) == text
    for number, one in enumerate(found):
        assert one.path == f"big.log#{number}"
        assert text[one.offset : one.offset + len(one.text)] == one.text
        first = one.text.split(" ", 1)[0]
        assert line_of(one, one.text[:5]) == int(first)


def test_another_encoding_that_shows_late() -> None:
    text = "plain words\n" * 300 + "größer und schöner, überall Straßen\n" * 300
    found = cut(text.encode("cp1252"))
    assert "".join(one.text for one in found) == text
    assert len({one.metadata["encoding"] for one in found}) == 1


def test_a_line_without_end_is_cut() -> None:
    text = "x" * 20_000
    found = cut(text.encode("ascii"))
    assert "".join(one.text for one in found) == text
    assert max(len(one.text) for one in found) <= 1000 + 3000


def test_blank_stretches_are_left_out_and_counted() -> None:
    text = "words\n" + "\n" * 5000 + "more\n"
    found = cut(text.encode("ascii"))
    assert found[-1].text.strip() == "more"
    assert line_of(found[-1], "more") == 5002
    assert found[-1].offset + found[-1].text.index("more") == text.index("more")


def test_nothing_but_blanks() -> None:
    with pytest.raises(MalformedDocument, match="no text"):
        cut(b" \n" * 3000)


def test_memory_is_that_of_a_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read one after another and let go, twenty times the text takes no more memory."""
    monkeypatch.setattr(segments, "SEGMENT_CHARACTERS", 100_000)

    class Endless(io.RawIOBase):
        def __init__(self, size: int) -> None:
            self.left = size

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            size = min(len(buffer), self.left) // 20 * 20
            buffer[:size] = b"words of this line.\n" * (size // 20)
            self.left -= size
            return size

    def peak(size: int) -> int:
        def open_it() -> AbstractContextManager[BinaryIO]:
            return io.BufferedReader(Endless(size))

        item = Item("docs", "big.log", "", "f")
        reader = Readers().choose(item).reader
        assert reader is not None
        tracemalloc.start()
        for _ in segments_of(item, open_it, reader, first_look(open_it, "text")):
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(1_000_000)
    assert peak(10_000_000) < 1.5 * peak(1_000_000)


class Rows:
    """As a reader of CSV does: a line a row, the header first; quoted newlines become spaces."""

    name = "delimited"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        lines, anchors, at, line = [], [], 0, 1
        for row in csv.reader(io.StringIO(data.decode("utf-8"), newline="")):
            lines.append(" | ".join(cell.replace("\n", " ") for cell in row))
            anchors.append(Anchor(at, line=line))
            at += len(lines[-1]) + 1
            line += 1 + sum(cell.count("\n") for cell in row)
        text = "\n".join(lines)
        block = Block(0, len(text), "table", lines[0])
        yield replace(
            assemble(item, data, text, reader="delimited@1", media_type="text/csv", anchors=tuple(anchors)),
            blocks=(block,),
        )


def test_rows_of_a_table_stay_whole_and_each_segment_knows_the_header() -> None:
    rows = [["number", "two\nlines"], *([str(number), f"a\nb {number}"] for number in range(1, 400))]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    data = stream.getvalue().encode("utf-8")
    item = Item("docs", "big.csv", "", "f")
    look = first_look(lambda: io.BytesIO(data), "delimited")
    found = list(segments_of(item, lambda: io.BytesIO(data), Rows(), look))
    assert len(found) > 3
    whole = "\n".join(" | ".join(cell.replace("\n", " ") for cell in row) for row in rows)
    assert "\n".join(one.text for one in found) == whole
    for one in found:
        check(one)
        assert whole[one.offset : one.offset + len(one.text)] == one.text
        (block,) = one.blocks
        assert (block.start, block.end, block.header) == (0, len(one.text), "number | two lines")
        last = one.text.rsplit("\n", 1)[-1]
        place = [anchor for anchor in one.anchors if anchor.start <= one.text.rindex(last)][-1]
        assert place.line == 2 * int(last.split(" ")[0]) + 1


def test_only_texts_of_lines_are_cut() -> None:
    readers = Readers()
    for path, cuttable in (
        ("a.txt", True),
        ("a.csv", True),
        ("a.jsonl", True),
        ("a.md", False),
        ("a.pdf", False),
    ):
        reader = readers.choose(Item("docs", path, "", "f")).reader
        assert reader is not None
        assert can_be_cut(reader) == cuttable
