"""Charts of Office documents: the data that they show, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MOST_POINTS = 10_000
"""Values of a series that are read."""


def chart_rows(root: _Element) -> tuple[str, list[list[str]]]:
    """A chart's title, and its data: a column for each series, a row for each category."""
    title = root.find(f"{C}chart/{C}title")
    name = " ".join(one.text or "" for one in title.iter(A + "t")) if title is not None else ""
    series = list(root.iter(C + "ser"))
    columns: list[dict[int, str]] = []
    categories: dict[int, str] = {}
    header = [""]
    for one in series:
        header.append(" ".join(_points(one.find(C + "tx")).values()))
        labels = one.find(C + "cat")
        categories.update(_points(labels if labels is not None else one.find(C + "xVal")))
        values = one.find(C + "val")
        columns.append(_points(values if values is not None else one.find(C + "yVal")))
    indexes = sorted({index for column in columns for index in column} | set(categories))
    rows = [[categories.get(index, ""), *(column.get(index, "") for column in columns)] for index in indexes]
    return name, [header, *rows] if rows else []


def _points(element: _Element | None) -> dict[int, str]:
    """Index → value, as the file keeps it besides the workbook that the chart was made from."""
    found: dict[int, str] = {}
    for point in element.iter(C + "pt") if element is not None else ():
        index = point.get("idx", "")
        text = point.find(C + "v")
        if index.isdecimal() and text is not None and len(found) < _MOST_POINTS:
            found[int(index)] = text.text or ""
    return found
