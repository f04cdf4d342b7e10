"""Whole files to be damaged: made here, and of a folder."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

from fuzz.mutations import Sample
from readers import office_files
from readers.archives import tarred, zipped

_MOST_BYTES = 300_000
SLOW = frozenset({"doc", "ppt", "dot", "pot", "png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp", "heic"})
"""Read by programs that take seconds a file."""

_TEXTS = {
    "a.txt": "Plain words.\n\nAnd more of them.\n",
    "a.md": "---\ntitle: Guide\n---\n# Guide\n\n- one\n- two\n"
    "\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```py\nx = 1\n```\n",
    "a.rst": "Guide\n=====\n\n.. note:: words\n\n.. code-block:: py\n\n   x = 1\n"
    "\n===== ===\na     b\n===== ===\n",
    "a.org": "#+TITLE: Guide\n* One\n** Two\nWords.\n| a | b |\n#+begin_src py\nx = 1\n#+end_src\n",
    "a.html": "<!doctype html><title>G</title><h1>G</h1><p>Words <b>bold</b>"
    "<table><tr><td>a<td>b</table><pre>x</pre>",
    "a.csv": 'name,size\n"a, b",1\nc,2\n',
    "a.tsv": "name\tsize\na\t1\nb\t2\n",
    "a.json": '{"title": "Guide", "parts": [{"text": "words", "size": 1.5e3}, null, true]}',
    "a.jsonl": '{"id": 1, "text": "words"}\n{"id": 2, "text": "more"}\n',
    "a.xml": '<?xml version="1.0"?><doc><title>Guide</title><p a="b">Words &amp; more</p><![CDATA[x]]></doc>',
    "a.ipynb": '{"cells": [{"cell_type": "markdown", "source": ["# G"]}, {"cell_type": "code", "source": '
    '"x=1", "outputs": [{"output_type": "stream", "text": "1"}]}], "metadata": {}, "nbformat": 4}',
    "a.py": 'def words(a: int) -> int:\n    """Says."""\n    return a\n',
    "a.rtf": r"{\rtf1\ansi{\fonttbl\f0 Arial;}\f0 Words \b bold\b0\par\trowd\cell a\cell b\row \u8364?\'e9}",
}


def made_samples() -> list[Sample]:
    """A small file of each format that can be made here, PDF and Office documents among them."""
    samples = [Sample(name, text.encode()) for name, text in _TEXTS.items()]
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["Date"] = "Größe", "Ada <a@b.c>", "Tue, 01 Oct 2024 12:34:56 -0500"
    mail.set_content("Words.")
    mail.add_alternative("<p>Words.</p>", subtype="html")
    mail.add_attachment(b"a,b\n1,2\n", "text", "csv", filename="t.csv")
    table = [["name", "size"], ["a", "1"]]
    samples += [
        Sample("a.eml", mail.as_bytes()),
        Sample("a.pdf", office_files.pdf([[office_files.Words(50, 700, "Words of a page", 12.0)]])),
        Sample("a.docx", office_files.docx(office_files.paragraph("Words") + office_files.docx_table(table))),
        Sample("a.xlsx", office_files.xlsx({"Sheet": office_files.sheet_rows(table)})),
        Sample(
            "a.epub", office_files.epub({"one.xhtml": "<html><body><h1>G</h1><p>Words</p></body></html>"})
        ),
        Sample("a.zip", zipped({"in/a.md": b"# G\n\nWords.\n", "b.csv": b"a,b\n1,2\n"})),
        Sample("a.tar.gz", tarred({"a.md": b"# G\n\nWords.\n"}, compress="gz")),
    ]
    return samples


def samples_in(folder: Path, *, slow: bool = False) -> list[Sample]:
    """Files of up to 300,000 bytes, under unlike names.

    Args:
        slow: those that LibreOffice or Tesseract reads too.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        suffix = path.suffix.lower().lstrip(".")
        if not path.is_file() or not 0 < path.stat().st_size <= _MOST_BYTES or suffix == "itxt":
            continue
        if slow or suffix not in SLOW:
            found.append(Sample(path.name, path.read_bytes()))
    return found


def by_format(samples: list[Sample]) -> dict[str, list[Sample]]:
    """By suffix: each format is to be damaged as often as any other."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.name.rpartition(".")[2].lower(), []).append(sample)
    return found
