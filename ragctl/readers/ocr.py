"""Text in images, by Tesseract: a program that must be installed, found on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers import kinds
from ragctl.readers.signatures import kind_of_bytes
from ragctl.readers.text_builder import TextBuilder
from ragctl.types import Document, Item

INSTALL = (
    "Debian and Ubuntu: apt install tesseract-ocr; macOS: brew install tesseract; "
    "Windows: winget install UB-Mannheim.TesseractOCR"
)
SECONDS = 120.0
"""For one image or page."""
_MOST_LANGUAGES = 4
_NO_LANGUAGE = ("osd", "equ", "snum")
_TRAILING = "\n\f"
WANTED = "images are read with Tesseract, which is not installed"


def available() -> str | None:
    """Why images cannot be read here; None if they can."""
    if shutil.which("tesseract") is None:
        return f"{WANTED} ({INSTALL})"
    return None


class ImageReader:
    """Reads the text in PNG, JPEG, TIFF, BMP and WebP images. Each image of a TIFF is a page."""

    name = "ocr"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: Tesseract cannot read the image.
            EmptyDocument: it sees no text in it.
        """
        if not data:
            raise EmptyDocument("the file is empty", where=item.path)
        builder = TextBuilder()
        pages = recognised(data)
        for number, text in enumerate(pages, start=1):
            if len(pages) > 1:
                builder.page(number)
            for paragraph in text.split("\n\n"):
                builder.paragraph(paragraph)
        if not builder.length:
            raise EmptyDocument("no text is seen in the image", where=item.path)
        yield builder.document(
            item,
            data,
            reader=f"{self.name}@{self.output_version}",
            media_type=kind_of_bytes(data) or kinds.PNG,
            metadata={"ocr": True},
        )


def recognised(image: bytes) -> list[str]:
    """The text of each page of an image that Leptonica reads.

    Tesseract looks for the languages whose data are installed, if they are up to four; for English else,
    since each more makes it slower and less sure.

    Raises:
        MalformedDocument: it is no such image, Tesseract is not there, or takes longer than 120 s.
    """
    program = shutil.which("tesseract")
    if program is None:
        raise MalformedDocument("Tesseract is not installed", hint=INSTALL)
    try:
        done = subprocess.run(
            [program, "stdin", "stdout", "-l", _languages(program)],
            input=image,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},  # workers side by side share the cores already
        )
    except subprocess.TimeoutExpired:
        raise MalformedDocument(f"reading the image by OCR took longer than {SECONDS:.0f} s") from None
    except OSError as error:
        raise MalformedDocument(f"Tesseract cannot be started: {error}") from None
    if done.returncode != 0:
        complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise MalformedDocument(f"Tesseract cannot read the image: {_reason(complaint)}")
    return done.stdout.decode("utf-8", "replace").rstrip(_TRAILING).split("\f")


def _reason(complaint: list[str]) -> str:
    telling = [line for line in complaint if "rror" in line] or complaint
    return telling[0][:200] if telling else "it gives no reason"


@cache
def _languages(program: str) -> str:
    """Joined as `-l` takes them."""
    try:
        done = subprocess.run([program, "--list-langs"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "eng"
    lines = done.stdout.decode("utf-8", "replace").splitlines()[1:]
    found = [line.strip() for line in lines if line.strip() and "/" not in line]
    found = [one for one in found if one not in _NO_LANGUAGE]
    if not found:
        return "eng"
    return "+".join(sorted(found)) if len(found) <= _MOST_LANGUAGES else "eng"
