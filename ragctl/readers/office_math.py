"""Formulas of Office documents (OMML) on one line: `(a+b)/c`, `x^2`, `√(x)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_PROPERTIES = "Pr"


def formula_text(element: _Element) -> str:
    """An `m:oMath` or a part of one, on one line."""
    name = element.tag[len(M) :] if isinstance(element.tag, str) and element.tag.startswith(M) else ""
    if name == "t":
        return element.text or ""
    if name.endswith(_PROPERTIES):
        return ""
    return _SHAPES.get(name, _in_order)(element)


def _in_order(element: _Element) -> str:
    return "".join(formula_text(child) for child in element)


def _part(element: _Element, name: str) -> str:
    child = element.find(M + name)
    return "" if child is None else formula_text(child)


def _wrapped(text: str) -> str:
    return text if len(text) < 2 or text.isalnum() else f"({text})"


def _property(element: _Element, of: str, name: str, default: str) -> str:
    found = element.find(f"{M}{of}/{M}{name}")
    return default if found is None else found.get(M + "val", default)


def _fraction(element: _Element) -> str:
    return f"{_wrapped(_part(element, 'num'))}/{_wrapped(_part(element, 'den'))}"


def _scripts(element: _Element) -> str:
    below, above = _part(element, "sub"), _part(element, "sup")
    base = _part(element, "e")
    return base + (f"_{_wrapped(below)}" if below else "") + (f"^{_wrapped(above)}" if above else "")


def _root(element: _Element) -> str:
    degree = _part(element, "deg")
    return f"{degree}√({_part(element, 'e')})"


def _sum(element: _Element) -> str:
    sign = _property(element, "naryPr", "chr", "∫")
    below, above = _part(element, "sub"), _part(element, "sup")
    limits = (f"_{_wrapped(below)}" if below else "") + (f"^{_wrapped(above)}" if above else "")
    return f"{sign}{limits} {_part(element, 'e')}"


def _delimited(element: _Element) -> str:
    opening = _property(element, "dPr", "begChr", "(")
    closing = _property(element, "dPr", "endChr", ")")
    between = _property(element, "dPr", "sepChr", "|")
    return opening + between.join(formula_text(one) for one in element.iterfind(M + "e")) + closing


def _function(element: _Element) -> str:
    return f"{_part(element, 'fName')}({_part(element, 'e')})"


def _limit(element: _Element) -> str:
    return f"{_part(element, 'e')}_{_wrapped(_part(element, 'lim'))}"


def _matrix(element: _Element) -> str:
    rows = (
        ", ".join(formula_text(one) for one in row.iterfind(M + "e")) for row in element.iterfind(M + "mr")
    )
    return "[" + "; ".join(rows) + "]"


def _lines(element: _Element) -> str:
    return "; ".join(formula_text(one) for one in element.iterfind(M + "e"))


_SHAPES = {
    "f": _fraction,
    "sSub": _scripts,
    "sSup": _scripts,
    "sSubSup": _scripts,
    "rad": _root,
    "nary": _sum,
    "d": _delimited,
    "func": _function,
    "limLow": _limit,
    "m": _matrix,
    "eqArr": _lines,
}
