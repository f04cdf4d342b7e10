"""JSON Lines as a source: which records are listed, what fails alone, and when nothing is to be believed."""

from __future__ import annotations

import gzip
import json
import os
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragctl.errors import ListingFailed, UnreadableDocument
from ragctl.readers.auto import AutoReader
from ragctl.sources.jsonl import JsonlSource
from ragctl.types import Document, Failure, Item

SCIFACT = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "scifact" / "corpus.jsonl.gz"


def write(path: Path, *lines: Any, end: str = "\n") -> Path:
    """Records, or lines as they are; bytes too."""
    texts = [line if isinstance(line, str | bytes) else json.dumps(line) for line in lines]
    data = [text.encode("utf-8") if isinstance(text, str) else text for text in texts]
    path.write_bytes(b"\n".join(data) + end.encode("utf-8"))
    return path


def listed(source: JsonlSource) -> list[Item]:
    return [one for one in source.items() if isinstance(one, Item)]


def failed(source: JsonlSource) -> dict[str, tuple[str, str]]:
    """Error and message by name."""
    return {one.document: (one.error, one.message) for one in source.items() if isinstance(one, Failure)}


def document(source: JsonlSource, item: Item) -> Document:
    with source.open(item) as stream:
        (made,) = AutoReader().read(item, stream.read())
    return made


def documents(source: JsonlSource) -> list[Document]:
    return [document(source, item) for item in listed(source)]


def test_a_record_is_a_document(tmp_path: Path) -> None:
    file = write(
        tmp_path / "c.jsonl",
        {
            "id": "a/b #1",
            "title": "A title",
            "text": "Some text.\n",
            "year": 2024,
            "tags": ["x", "y"],
            "z": 1,
        },
    )
    source = JsonlSource("docs", file, metadata={"team": "core"}, metadata_fields=["year", "tags", "absent"])
    (item,) = listed(source)
    assert (item.source, item.path) == ("docs", "c.jsonl#a/b #1")
    assert item.uri == file.as_uri() + "#a%2Fb%20%231"
    assert item.settled
    made = document(source, item)
    assert (made.title, made.title_is_fallback, made.text) == ("A title", False, "Some text.\n")
    assert made.metadata == {"team": "core", "year": 2024, "tags": ["x", "y"]}
    assert (made.path, made.item, made.reader) == (item.path, item.path, "record@1")
    assert made.digest == item.fingerprint


@pytest.mark.parametrize(
    ("record", "path"),
    [
        ({"id": "x", "_id": "y"}, "c.jsonl#x"),
        ({"_id": "y"}, "c.jsonl#y"),
        ({"id": None, "_id": "y"}, "c.jsonl#y"),
        ({"id": 17}, "c.jsonl#17"),
        ({"id": 0}, "c.jsonl#0"),
        ({"id": "e\u0301"}, "c.jsonl#\u00e9"),
        ({"id": " a\tb\n🙂"}, "c.jsonl# a\tb\n🙂"),
        ({"id": "../../etc/passwd"}, "c.jsonl#../../etc/passwd"),
    ],
)
def test_ids(tmp_path: Path, record: dict[str, Any], path: str) -> None:
    source = JsonlSource("docs", write(tmp_path / "c.jsonl", {**record, "text": "words"}))
    assert [item.path for item in listed(source)] == [path]
    assert [made.text for made in documents(source)] == ["words"]


def test_a_chosen_id_is_the_only_one(tmp_path: Path) -> None:
    source = JsonlSource("docs", write(tmp_path / "c.jsonl", {"id": "x", "text": "words"}), id="key")
    assert failed(source)["c.jsonl:1"][1].startswith("it has no 'key'")


def test_several_fields_make_the_text(tmp_path: Path) -> None:
    records = [
        {"id": 1, "question": "Why?", "answer": "Because."},
        {"id": 2, "answer": "Nobody asked."},
        {"id": 3, "question": None, "answer": "Nothing asked."},
    ]
    source = JsonlSource("docs", write(tmp_path / "c.jsonl", *records), text=["question", "answer"])
    assert [made.text for made in documents(source)] == [
        "Why?\n\nBecause.", "Nobody asked.", "Nothing asked.",
    ]  # fmt: skip


def test_a_title_may_lack(tmp_path: Path) -> None:
    records = [
        {"id": 1, "text": "a"},
        {"id": 2, "text": "b", "title": 5},
        {"id": 3, "text": "c", "title": "T"},
    ]
    file = write(tmp_path / "c.jsonl", *records)
    made = documents(JsonlSource("docs", file))
    assert [(one.title, one.title_is_fallback) for one in made] == [
        ("c.jsonl#1", True), ("c.jsonl#2", True), ("T", False),
    ]  # fmt: skip
    assert all(one.title_is_fallback for one in documents(JsonlSource("docs", file, title=None)))


def test_the_fingerprint_is_of_what_is_made_of_a_record(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl"
    first, second = {"id": 1, "title": "T", "text": "a", "year": 1, "x": 1}, {"id": 2, "text": "b"}

    def fingerprints(*lines: Any, **options: Any) -> dict[str, str]:
        write(file, *lines)
        return {item.path: item.fingerprint for item in listed(JsonlSource("docs", file, **options))}

    before = fingerprints(first, second)
    same = [
        fingerprints(second, first),
        fingerprints("", json.dumps(dict(reversed(first.items())), indent=None), "  ", second),
        fingerprints({**first, "x": 2, "more": [1]}, second),
        fingerprints({**first, "year": 2}, second),
    ]
    assert all(one == before for one in same)
    for change in ({"title": "U"}, {"text": "A"}, {"title": None}):
        assert fingerprints({**first, **change}, second)["c.jsonl#1"] != before["c.jsonl#1"]
    with_year = fingerprints(first, second, metadata_fields=["year"])
    assert fingerprints({**first, "year": 2}, second, metadata_fields=["year"]) != with_year


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": 1, "text": "a"', "it is no JSON: "),
        ("words", "it is no JSON: Expecting value at column 1"),
        ("[1, 2]", "it is JSON, but no object"),
        (b'{"id": "\xff"}', "it is not UTF-8: invalid start byte at byte 9"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"id": ' + "9" * 5000 + "}", "it cannot be read: "),
        ({"text": "a"}, "it has no 'id' or '_id'"),
        ({"id": "", "text": "a"}, "its 'id' is empty"),
        ({"id": 1.5, "text": "a"}, "its 'id' is a number; an id is text or a whole number"),
        ({"id": True, "text": "a"}, "its 'id' is true or false"),
        ({"id": ["x"], "text": "a"}, "its 'id' is a list"),
        ({"id": "a\0", "text": "a"}, "its 'id' holds NUL"),
        ({"id": "\ud800", "text": "a"}, "its 'id' holds NUL or half of a surrogate pair"),
        ({"id": "big", "text": "a" * 200_000}, "it is longer than extract.max_bytes (150,000 bytes)"),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_line_that_says_not_which_record_it_is(
    tmp_path: Path, line: Any, message: str, packed: bool
) -> None:
    file = write(tmp_path / "c.jsonl", {"id": "a", "text": "a"}, line, {"id": "b", "text": "b"})
    if packed:
        file.write_bytes(gzip.compress(file.read_bytes()))
    source = JsonlSource("docs", file, max_bytes=150_000)
    ((name, (error, text)),) = failed(source).items()
    assert (name, error) == ("c.jsonl:2", "unidentified")
    assert text.startswith(message)
    assert text.endswith("; while it is so, no document of this source is deleted")
    assert [made.text for made in documents(source)] == ["a", "b"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"id": "x"}, "line 2: it has no 'text'"),
        ({"id": "x", "text": None}, "line 2: it has no 'text'"),
        ({"id": "x", "text": 5}, "line 2: its 'text' is a number, not text"),
        ({"id": "x", "text": ["a"]}, "line 2: its 'text' is a list, not text"),
        ({"id": "x", "text": {"a": 1}}, "line 2: its 'text' is an object, not text"),
    ],
)
def test_a_record_without_text_fails_by_its_name(
    tmp_path: Path, record: dict[str, Any], message: str
) -> None:
    source = JsonlSource("docs", write(tmp_path / "c.jsonl", {"id": "a", "text": "a"}, record))
    assert failed(source) == {"c.jsonl#x": ("malformed", message)}
    assert [item.path for item in listed(source)] == ["c.jsonl#a"]


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_a_record_with_nothing_in_its_text_has_no_bytes(tmp_path: Path, text: str) -> None:
    source = JsonlSource("docs", write(tmp_path / "c.jsonl", {"id": "a", "title": "T", "text": text}))
    (item,) = listed(source)
    assert item.size == 0
    with source.open(item) as stream:
        assert stream.read() == b""


def test_the_first_of_two_with_one_id_is_taken(tmp_path: Path) -> None:
    lines = [
        {"id": "x", "text": "first"}, {"id": "e\u0301", "text": "a"}, {"id": "x", "text": "second"},
        {"id": "\u00e9", "text": "b"}, {"id": "x"}, {"id": "5", "text": "c"}, {"id": 5, "text": "d"},
    ]  # fmt: skip
    source = JsonlSource("docs", write(tmp_path / "c.jsonl", *lines))
    assert [made.text for made in documents(source)] == ["first", "a", "c"]
    taken = "which is the one that is taken"
    assert failed(source) == {
        "c.jsonl:3": ("malformed", f"its id 'x' is that of line 1, {taken}"),
        "c.jsonl:4": ("malformed", f"its id 'é' is that of line 2, {taken}"),
        "c.jsonl:5": ("malformed", f"its id 'x' is that of line 1, {taken}"),
        "c.jsonl:7": ("malformed", f"its id '5' is that of line 6, {taken}"),
    }


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n  \n"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    lines = b'\xef\xbb\xbf{"id": 1, "text": "a"}\r\n\r\n\xef\xbb\xbf{"id": 2, "text": "\xc3\xa4"}'
    source = JsonlSource("docs", write(tmp_path / "c.jsonl", lines, end=end))
    assert failed(source) == {}
    assert [made.text for made in documents(source)] == ["a", "ä"]


def test_a_limit_counts_the_bytes_of_a_line(tmp_path: Path) -> None:
    lines = [json.dumps({"id": number, "text": "ä" * number}, ensure_ascii=False) for number in range(1, 9)]
    sizes = [len(line.encode("utf-8")) for line in lines]
    for end in ("", "\n"):
        file = write(tmp_path / "c.jsonl", *lines, end=end)
        for limit in (sizes[0] - 1, *sizes):
            source = JsonlSource("docs", file, max_bytes=limit)
            assert len(listed(source)) == sum(size <= limit for size in sizes)
            assert [made.text for made in documents(source)] == [
                "ä" * n for n in range(1, len(listed(source)) + 1)
            ]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_last_line_that_breaks_off_is_no_listing(tmp_path: Path, cut: int) -> None:
    file = write(tmp_path / "c.jsonl", {"id": 1, "text": "a"}, {"id": 2, "text": "öö"}, end="")
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(
        ListingFailed, match="it ends in the middle of line 2, so nothing is known"
    ) as refused:
        list(JsonlSource("docs", file).items())
    assert refused.value.where == str(file)


def test_compressed_data_that_break_off_are_no_listing(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl.gz"
    lines = "".join(f'{{"id": {number}, "text": "{os.urandom(30).hex()}"}}\n' for number in range(2000))
    whole = gzip.compress(lines.encode("utf-8"))
    damaged = whole[:30_000] + bytes(100) + whole[30_100:]
    for data in (whole[:-20], whole[:-4], whole[: len(whole) // 2], damaged):
        file.write_bytes(data)
        with pytest.raises(ListingFailed):
            list(JsonlSource("docs", file).items())
    file.write_bytes(whole)
    assert len(listed(JsonlSource("docs", file))) == 2000


def test_what_is_no_file_is_no_listing(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.jsonl"):
        with pytest.raises(ListingFailed) as refused:
            list(JsonlSource("docs", path).items())
        assert refused.value.where == str(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in its file system")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(ListingFailed, match="it is no file"):
        list(JsonlSource("docs", tmp_path / "pipe.jsonl").items())


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be changed on Windows")
def test_a_file_that_is_cut_while_it_is_read_is_no_listing(tmp_path: Path) -> None:
    file = write(tmp_path / "c.jsonl", *({"id": f"{number:03}", "text": "x" * 1000} for number in range(200)))
    found = JsonlSource("docs", file).items()
    next(found)
    os.truncate(file, file.stat().st_size // 2)  # between two lines
    with pytest.raises(ListingFailed, match="it became shorter while it was read"):
        list(found)


def test_an_empty_file_lists_nothing(tmp_path: Path) -> None:
    assert list(JsonlSource("docs", write(tmp_path / "c.jsonl", end="")).items()) == []


def test_a_file_that_changed_since_gives_no_other_record(tmp_path: Path) -> None:
    file = write(tmp_path / "c.jsonl", *({"id": number, "text": "words"} for number in range(5)))
    source = JsonlSource("docs", file)
    items = listed(source)
    write(file, *({"id": number + 1, "text": "words"} for number in range(5)))
    for item in items:
        with pytest.raises(UnreadableDocument, match="has changed since it was listed"), source.open(item):
            pass
    write(file, "", *({"id": number, "text": "words"} for number in range(5)))
    with pytest.raises(UnreadableDocument, match="has changed since"), source.open(items[-1]):
        pass


def test_compressed_data_damaged_since_fail_and_are_opened_anew(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl.gz"
    lines = "".join(f'{{"id": {number}, "text": "{os.urandom(30).hex()}"}}\n' for number in range(2000))
    whole = gzip.compress(lines.encode("utf-8"))
    file.write_bytes(whole)
    source = JsonlSource("docs", file)
    items = listed(source)
    file.write_bytes(whole[:50_000])
    with pytest.raises(UnreadableDocument, match="cannot be read") as refused, source.open(items[-1]):
        pass
    assert refused.value.where == "docs:c.jsonl.gz#1999"
    file.write_bytes(whole)
    assert document(source, items[-1]).path == "c.jsonl.gz#1999"


def test_what_the_name_says_of_compression_does_not_matter(tmp_path: Path) -> None:
    data = write(tmp_path / "plain.jsonl.gz", {"id": 1, "text": "a"}).read_bytes()
    (tmp_path / "packed.jsonl").write_bytes(gzip.compress(data))
    for name in ("plain.jsonl.gz", "packed.jsonl"):
        assert [made.path for made in documents(JsonlSource("docs", tmp_path / name))] == [f"{name}#1"]


def test_a_bomb_of_one_line_is_passed_over_in_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl.gz"
    with gzip.open(file, "wb", compresslevel=1) as packed:
        packed.write(b'{"id": 1, "text": "a"}\n{"id": 2, "text": "')
        for _ in range(100):
            packed.write(b" " * 1_000_000)
        packed.write(b'"}\n{"id": 3, "text": "b"}\n')
    assert file.stat().st_size < 1_000_000
    source = JsonlSource("docs", file, max_bytes=1_000_000)
    tracemalloc.start()
    try:
        found = list(source.items())
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert [type(one) for one in found] == [Item, Failure, Item]
    assert [made.text for made in documents(source)] == ["a", "b"]


LINES = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.builds(
            lambda values: json.dumps(values).encode("utf-8"),
            st.dictionaries(
                st.sampled_from(["id", "_id", "text", "title", "year"]),
                st.one_of(
                    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([1])
                ),
            ),
        ),
    ),
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(LINES, st.booleans(), st.booleans())
def test_any_file_is_listed_or_refused(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], packed: bool, ended: bool
) -> None:
    data = b"\n".join(lines) + b"\n" * ended
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    file.write_bytes(gzip.compress(data) if packed else data)
    source = JsonlSource("docs", file, metadata_fields=["year"], max_bytes=40)
    try:
        found = list(source.items())
    except ListingFailed:
        assert not data.endswith(b"\n")
        return
    names = [one.path if isinstance(one, Item) else one.document for one in found]
    assert len(set(names)) == len(names)
    assert len(found) == sum(1 for line in data.split(b"\n") if line.strip())
    for one in found:
        if isinstance(one, Item):
            with source.open(one) as stream:
                assert len(stream.read()) == one.size
            one.path.encode("utf-8")


@pytest.mark.skipif(not SCIFACT.exists(), reason="the SciFact corpus is not beside this checkout")
def test_scifact() -> None:
    source = JsonlSource("scifact", SCIFACT)
    found = list(source.items())
    assert all(isinstance(one, Item) for one in found)
    assert len(found) == 5183
    items = listed(source)
    made = [document(source, item) for item in items[:200]]
    assert made[0].path == "corpus.jsonl.gz#4983"
    assert made[0].title.startswith("Microstructural development of human newborn")
    assert not any(one.title_is_fallback for one in made)
