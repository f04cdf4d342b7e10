"""Titles that files carry in their properties: which of them were given by a person."""

from __future__ import annotations

import re

_NO_TITLE = re.compile(
    r"""(?ix) ^ (?:
        \(?(?:untitled|anonymous|unspecified|unknown)\b.* | no\ title
        | microsoft\ (?:word|powerpoint|excel)\ -\ .* | powerpoint[ -]presentation | word\ document
        | (?:slide|document|dokument|presentation|book|sheet|title)\ ?\d* | \d+ | \W* | normal(?:\.dotm?)?
        | .*\.(?:docx?|docm|dotx?|odt|ott|rtf|pptx?|potx?|odp|xlsx?|ods|pdf|tex|dvi|ps|indd|qxd|pages
              |jpe?g|png|tiff?|pmd|fm|html?|txt|md|wpd)
    ) $"""
)


def given_title(title: str | None) -> str:
    """`title`, or nothing if a program put it there: `untitled`, a file name, `Microsoft Word - x.doc`."""
    title = " ".join((title or "").split())
    return "" if _NO_TITLE.match(title) else title
