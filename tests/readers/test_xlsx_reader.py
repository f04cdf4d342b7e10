"""XLSX: a sheet is a section, its tables are blocks; values as a person reads them."""

from __future__ import annotations

import io
import zipfile

import pytest
from readers.office_files import sheet_rows, xlsx, zipped
from readers.reading import outline, read

from ragctl.errors import EmptyDocument, MalformedDocument


def test_sheets() -> None:
    costs = sheet_rows(
        [
            ["Costs of 2024"],
            [],
            ["", "Item", "Price", "Since"],
            ["", "Tea", '<c r="C4"><v>2</v></c>', '<c r="D4" s="1"><v>45000</v></c>'],
            ["", "Oil", '<c r="C5"><f>C4*1.25</f><v>2.5</v></c>', '<c r="D5" t="b"><v>1</v></c>'],
        ]
    )
    document = read("a.xlsx", xlsx({"Costs": costs, "Notes": sheet_rows([["Only this."]])}, ["Notes"]))
    assert (
        document.text
        == "Costs of 2024\n\nItem | Price | Since\nTea | 2 | 2023-03-15\nOil | 2.5 | TRUE\n\nOnly this."
    )
    assert outline(document) == [("Costs",), ("Notes",)]
    assert [(one.start, one.sheet) for one in document.anchors] == [(0, "Costs"), (75, "Notes")]
    (table,) = document.blocks
    assert (table.kind, table.header) == ("table", "Item | Price | Since")
    assert document.text[table.start : table.end].endswith("Oil | 2.5 | TRUE")
    assert document.metadata == {"sheets": ["Costs", "Notes"], "hidden_sheets": ["Notes"]}
    assert document.title_is_fallback


def test_blank_rows_part_tables_but_not_rows_of_numbers() -> None:
    def number(reference: str, value: int) -> str:
        return f'<c r="{reference}"><v>{value}</v></c>'

    rows = [["a", "b"], [number("A2", 1), number("B2", 2)], [], [number("A4", 3), number("B4", 4)], []]
    rows += [["c", "d"], [number("A7", 5), "x"]]
    document = read("a.xlsx", xlsx({"S": sheet_rows(rows)}))
    assert document.text == "a | b\n1 | 2\n3 | 4\n\nc | d\n5 | x"
    assert [one.header for one in document.blocks] == ["a | b", "c | d"]


def test_a_stray_cell_at_the_far_end_fails_and_does_not_end_the_process() -> None:
    far = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    with pytest.raises(MalformedDocument, match="1,048,576 rows and 16,384 columns") as caught:
        read("a.xlsx", xlsx({"S": far}))
    assert "delete its row" in (caught.value.hint or "")


def test_formats_without_a_value_may_stand_anywhere() -> None:
    far = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576" s="1"/></row>'
    assert read("a.xlsx", xlsx({"S": far})).text == "1"


def test_empty_sheets() -> None:
    with pytest.raises(EmptyDocument):
        read("a.xlsx", xlsx({"S": ""}))


def test_counts_that_cannot_be_fail_and_do_not_end_the_process() -> None:
    book = xlsx({"S": sheet_rows([["a", "b"]])})
    with zipfile.ZipFile(io.BytesIO(book)) as file:
        members: dict[str, str | bytes] = {name: file.read(name) for name in file.namelist()}
    styles = members["xl/styles.xml"]
    assert isinstance(styles, bytes)
    members["xl/styles.xml"] = styles.replace(b'count="2"', b'count="99999999999"')
    with pytest.raises(MalformedDocument, match="more entries than can be"):
        read("a.xlsx", zipped(members))
