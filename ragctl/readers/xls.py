"""XLS of Excel 97 to 2003 by xlrd.

calamine is faster, but of a broken file of this format it asks for memory without end and takes the process
with it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from ragctl.errors import MalformedDocument
from ragctl.readers.sheet_tables import add_sheet, value_text
from ragctl.readers.table import missing_library
from ragctl.readers.text_builder import TextBuilder


def add_xls_sheets(builder: TextBuilder, data: bytes) -> dict[str, Any]:
    """Adds the sheets of a workbook.

    Returns:
        Metadata, see `XlsxReader`.

    Raises:
        MalformedDocument: it is no such workbook, broken, or password-protected.
        MissingPackage: xlrd is not installed.
    """
    try:
        import xlrd  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise missing_library("xlsx", error) from error
    try:
        book = xlrd.open_workbook(file_contents=data, logfile=io.StringIO(), ragged_rows=True)
    except MemoryError:
        raise
    except Exception as error:  # of a broken file it raises whatever it meets
        if "encrypted" in str(error).lower():
            raise MalformedDocument(
                "it is password-protected", hint="Save a copy of it without a password."
            ) from None
        reason = (str(error) or type(error).__name__).partition("\n")[0][:200]
        raise MalformedDocument(f"it is no whole workbook: {reason}") from None
    names: list[str] = []
    hidden: list[str] = []
    for sheet in book.sheets():
        names.append(sheet.name)
        if sheet.visibility:
            hidden.append(sheet.name)
        add_sheet(builder, sheet.name, _rows(sheet, book.datemode))
    return {"sheets": names, **({"hidden_sheets": hidden} if hidden else {})}


def _rows(sheet: Any, datemode: int) -> Iterator[list[str]]:
    for row in range(sheet.nrows):
        kinds, values = sheet.row_types(row), sheet.row_values(row)
        yield [_text(kind, value, datemode) for kind, value in zip(kinds, values, strict=True)]


def _text(kind: int, value: Any, datemode: int) -> str:
    import xlrd

    if kind == xlrd.XL_CELL_DATE:
        try:
            when = xlrd.xldate_as_datetime(value, datemode)
        except (ValueError, OverflowError):
            return value_text(value)
        return value_text(when.time() if 0 <= value < 1 else when)
    if kind == xlrd.XL_CELL_BOOLEAN:
        return value_text(bool(value))
    if kind == xlrd.XL_CELL_ERROR:
        return str(xlrd.error_text_from_code.get(value, ""))
    return value_text(value)
