"""Source code: the text as it is, one block; definitions as sections where the language tells cheaply."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from ragctl.readers.assemble import assemble, encoding_metadata
from ragctl.readers.decoding import decode
from ragctl.readers.sections import Heading, sections_of
from ragctl.types import Block, Document, Item

_LANGUAGES: dict[str, str] = {
    "python": "py pyi pyx",
    "javascript": "js mjs cjs jsx",
    "typescript": "ts tsx",
    "java": "java",
    "kotlin": "kt kts",
    "scala": "scala",
    "go": "go",
    "rust": "rs",
    "c": "c h",
    "cpp": "cc cpp cxx hh hpp hxx",
    "csharp": "cs",
    "swift": "swift",
    "ruby": "rb",
    "php": "php",
    "perl": "pl pm",
    "lua": "lua",
    "r": "r",
    "julia": "jl",
    "haskell": "hs",
    "elixir": "ex exs",
    "shell": "sh bash zsh fish",
    "powershell": "ps1 psm1",
    "sql": "sql",
    "protobuf": "proto",
    "css": "css scss sass less",
    "yaml": "yaml yml",
    "toml": "toml",
    "ini": "ini cfg conf properties",
    "latex": "tex",
}
_BY_SUFFIX = {f".{suffix}": name for name, suffixes in _LANGUAGES.items() for suffix in suffixes.split()}
_MOST_PARSED = 1_000_000
"""Characters; the syntax tree of more takes too much memory for what it tells."""


class SourceCodeReader:
    """Reads source code; its media type names the language, as in `text/x-python`.

    Args:
        encodings: tried in order where the text is not UTF-8.
    """

    name = "code"
    output_version = 1

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: no text can be decoded.
            EmptyDocument: there is none.
        """
        text, encoding = decode(data, self._encodings)
        language = _BY_SUFFIX.get(PurePosixPath(item.path).suffix.lower(), "code")
        headings = list(_python_definitions(text)) if language == "python" else []
        yield assemble(
            item,
            data,
            text,
            reader=f"{self.name}@{self.output_version}",
            media_type=f"text/x-{language}",
            sections=sections_of(headings, len(text)),
            blocks=(Block(0, len(text), "code"),) if text else (),
            metadata={"language": language, **encoding_metadata(encoding)},
        )


def _python_definitions(text: str) -> Iterator[Heading]:
    """Classes and functions, and the methods of classes; none of a text that does not parse."""
    if len(text) > _MOST_PARSED:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the code's own escapes and comparisons
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield Heading(starts[_first_line(node) - 1], 1, node.name)
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Heading(starts[_first_line(inner) - 1], 2, inner.name)


def _first_line(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])
