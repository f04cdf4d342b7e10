"""XLSX and XLSM by calamine: a sheet is a section, its tables are blocks; values, not formulas."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers.docx import core_title
from ragctl.readers.kinds import XLS, XLSX
from ragctl.readers.sheet_tables import add_sheet, value_text
from ragctl.readers.table import missing_library
from ragctl.readers.text_builder import TextBuilder
from ragctl.readers.xls import add_xls_sheets
from ragctl.readers.zip_package import ZipPackage
from ragctl.types import Document, Item

MOST_CELLS = 20_000_000
"""Of the rectangle around a sheet's cells, which calamine lays out as a whole: 64 bytes a cell while it does.
A single stray cell in the last column of the last row would ask for half a terabyte."""
_HEAD = 1 << 20
"""Bytes in which a sheet's data begin, if a part is a sheet; wherever in the package it lies."""
_ZIP = b"PK\x03\x04"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
"""The name of the stream in which an encrypted workbook lies."""
_CELL = re.compile(rb"""<(?:\w+:)?c\b[^>]*?\br=["']([A-Za-z]{1,12})([0-9]{1,20})["'][^>]*(?<!/)>""")
_COUNT = re.compile(rb"""\b(?:uniqueCount|count)=["']([0-9]{8,})""")


class XlsxReader:
    """Reads the sheets of a workbook in their order, hidden ones too; formulas as the values last computed.

    Metadata: `sheets`, their names; `hidden_sheets`, where there are such.
    """

    name = "xlsx"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: it is no workbook, broken, or password-protected, or a sheet is spread out over
                more than 20 million cells.
            EmptyDocument: no cell has anything in it.
            MissingPackage: python-calamine, or xlrd for XLS, is not installed.
        """
        if not data:
            raise EmptyDocument("the file is empty", where=item.path)
        title = ""
        is_zip = data.startswith(_ZIP)
        if is_zip:
            package = ZipPackage(data, "an XLSX file")
            package.count_all()
            _check_extent(package)
            title = core_title(package)
        elif _ENCRYPTED in data:
            raise MalformedDocument("it is password-protected", hint="Save a copy of it without a password.")
        builder = TextBuilder()
        metadata = _add_sheets(builder, data) if is_zip else add_xls_sheets(builder, data)
        yield builder.document(
            item,
            data,
            reader=f"{self.name}@{self.output_version}",
            media_type=XLSX if is_zip else XLS,
            title=title,
            metadata=metadata,
        )


def _add_sheets(builder: TextBuilder, data: bytes) -> dict[str, Any]:
    try:
        import python_calamine as calamine
    except ModuleNotFoundError as error:
        raise missing_library("xlsx", error) from error
    hidden: list[str] = []
    names: list[str] = []
    try:
        with calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
            for sheet in workbook.sheets_metadata:
                if sheet.typ != calamine.SheetTypeEnum.WorkSheet:
                    continue
                names.append(sheet.name)
                if sheet.visible != calamine.SheetVisibleEnum.Visible:
                    hidden.append(sheet.name)
                rows = workbook.get_sheet_by_name(sheet.name).iter_rows()
                add_sheet(builder, sheet.name, ([value_text(cell) for cell in row] for row in rows))
    except calamine.PasswordError:
        raise MalformedDocument(
            "it is password-protected", hint="Save a copy of it without a password."
        ) from None
    except (calamine.CalamineError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise MalformedDocument(f"it is no whole workbook: {reason}") from None
    found: dict[str, Any] = {"sheets": names}
    if hidden:
        found["hidden_sheets"] = hidden
    return found


def _check_extent(package: ZipPackage) -> None:
    """Measures each part before calamine does: it ends the process where there is no memory for it.

    calamine takes memory for as many styles and strings as a part says it has, and for the whole rectangle
    around the cells of a sheet.
    """
    for name in package.names:
        content = package.read(name) or b""
        if any(int(count) > MOST_CELLS for count in _COUNT.findall(content)):
            raise MalformedDocument(f"its part {name} says that it has more entries than can be")
        if b"sheetData" not in content[:_HEAD]:
            continue
        rows, columns = _extent(content)
        if rows * columns > MOST_CELLS:
            sheet = name.rpartition("/")[2]
            raise MalformedDocument(
                f"{sheet} is spread out over {rows:,} rows and {columns:,} columns: too many cells",
                hint="A cell far away from the others is often left by mistake: delete its row and column.",
            )


def _extent(content: bytes) -> tuple[int, int]:
    """Rows and columns of the rectangle around the cells that have something in them."""
    columns: set[bytes] = set()
    rows: set[bytes] = set()
    for column, row in _CELL.findall(content):
        columns.add(column)
        rows.add(row)
    if not rows:
        return 0, 0
    numbers = [_column_number(one) for one in columns]
    lines = [int(one) for one in rows]
    return max(lines) - min(lines) + 1, max(numbers) - min(numbers) + 1


def _column_number(letters: bytes) -> int:
    """A is 1, AA 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number
