"""Whatever Unstructured can partition: the catch-all, slower than the readers of single formats."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers.media_types import TEXT, media_type_of
from ragctl.readers.text_builder import TextBuilder
from ragctl.types import Document, Item

_LEFT_OUT = frozenset({"Header", "Footer", "PageBreak", "PageNumber"})
"""Categories that repeat on every page, or are no text."""
SPACY_MODEL = "en_core_web_sm"


def notice() -> str | None:
    """What is lost for want of spaCy's model, in one line; None if it is installed.

    Unstructured would download the model from GitHub and install it while it reads. Here it never does.
    """
    if find_spec("spacy") is None or find_spec(SPACY_MODEL) is not None:
        return None
    return (
        f"Unstructured runs without spaCy's model {SPACY_MODEL}: the text is the same, but what only its "
        "grammar tells from prose, such as some headings, may be taken for it; "
        f"`python -m spacy download {SPACY_MODEL}` installs it"
    )


class UnstructuredReader:
    """Reads with `unstructured.partition.auto`: titles as headings, tables by rows, pages and sheets.

    Args:
        strategy: for PDF and images: `auto`, `fast`, `hi_res` or `ocr_only`.
        languages: of the text, as Tesseract names them; found out by Unstructured if empty.
    """

    name = "unstructured"
    output_version = 1

    def __init__(self, strategy: str = "auto", languages: Sequence[str] = ()) -> None:
        self._strategy = strategy
        self._languages = list(languages)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: Unstructured cannot partition it.
            EmptyDocument: there is no text in it.
        """
        media_type = media_type_of(item, data).name or item.media_type or TEXT
        elements = self._elements(item, data, media_type)
        builder = TextBuilder()
        for element in elements:
            _add(builder, element)
        title = next((str(one) for one in elements if type(one).__name__ == "Title"), "")
        yield builder.document(
            item, data, reader=f"{self.name}@{self.output_version}", media_type=media_type, title=title
        )

    def _elements(self, item: Item, data: bytes, media_type: str) -> list[Any]:
        os.environ["DO_NOT_TRACK"] = "1"  # it sends usage statistics elsewhere
        partition = import_module("unstructured.partition.auto").partition

        _without_download()
        try:
            elements: list[Any] = partition(
                file=io.BytesIO(data),
                metadata_filename=PurePosixPath(item.path).name,
                content_type=media_type if media_type != TEXT else None,
                strategy=self._strategy,
                languages=self._languages or [""],
            )
            return elements
        except (EmptyDocument, MemoryError):
            raise
        except ImportError as error:
            # its own way to say that an extra is missing, of which some formats need one
            raise MalformedDocument(f"Unstructured cannot read it as installed: {_line(error)}") from None
        except Exception as error:  # its partitioners raise what their libraries do
            raise MalformedDocument(f"Unstructured cannot read it: {_line(error)}") from None


def _line(error: Exception) -> str:
    said = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {said}"[:300] if said else type(error).__name__


def _add(builder: TextBuilder, element: Any) -> None:
    kind = type(element).__name__
    if kind in _LEFT_OUT:
        return
    metadata = element.metadata
    if getattr(metadata, "page_name", None):
        builder.sheet(metadata.page_name)
    elif getattr(metadata, "page_number", None):
        builder.page(metadata.page_number)
    if kind == "Title":
        builder.heading((getattr(metadata, "category_depth", None) or 0) + 1, str(element))
    elif kind == "Table" and getattr(metadata, "text_as_html", None):
        builder.table(_rows(metadata.text_as_html))
    elif kind == "CodeSnippet":
        builder.code(str(element))
    else:
        builder.paragraph(str(element), tight=kind == "ListItem")


def _rows(html: str) -> Iterable[Sequence[str]]:
    from lxml import html as parser

    for row in parser.fromstring(html).iter("tr"):
        yield ["".join(map(str, cell.itertext())) for cell in row.iter("td", "th")]


@cache
def _without_download() -> None:
    """Puts a blank pipeline where Unstructured would download spaCy's model and install it."""
    if notice() is None:
        return
    spacy = import_module("spacy")

    def blank() -> Any:
        pipeline = spacy.blank("en")
        pipeline.add_pipe("sentencizer")
        return pipeline

    import_module("unstructured.nlp.tokenize")._load_spacy_model = blank  # type: ignore[attr-defined]
