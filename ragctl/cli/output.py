"""What is printed where: data on stdout, talk and errors on stderr."""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ragctl.errors import ExitCode, RagctlError, SpecError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


# Control characters of a document or a file name would command the terminal, or turn text around.
_CONTROL = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]"
)
WIDTH_WITHOUT_TERMINAL = 80
NARROWEST = 20


def visible(text: str) -> str:
    """`text` with its control characters written out, all but line ends and tabs."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """`text`, a name, with its line ends written out too."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def data_console() -> Console:
    """For stdout. Without a terminal there is no colour, and the width is 80 unless COLUMNS says other."""
    from rich.console import Console

    class DataConsole(Console):
        def print(self, *objects: Any, **options: Any) -> None:
            super().print(*(visible(one) if isinstance(one, str) else one for one in objects), **options)

        def on_broken_pipe(self) -> None:
            # Rich would end the process with 1; whoever has read enough is no error of ours.
            raise BrokenPipeError

    console = DataConsole(highlight=False, emoji=False)
    if console.width < NARROWEST:
        console.width = WIDTH_WITHOUT_TERMINAL
    return console


def counted(number: int, what: str) -> str:
    """`1 document`, `2 documents`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def print_indented(console: Console, text: Text, *, first: str = "    ") -> None:
    """Below one another with blanks before, none at the ends; wrapped where a terminal has a width."""
    from rich.text import Text

    width = max(console.width - len(first), NARROWEST)
    for number, line in enumerate(text.wrap(console, width, tab_size=4)):
        line.rstrip()
        lead = first if number == 0 else " " * len(first)
        console.print(Text.assemble(lead, line) if line.plain else Text(), soft_wrap=True)


def print_json(document: object) -> None:
    """One JSON document on one line."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def talk(message: str) -> None:
    """A sentence for people, on stderr. That nobody listens is no reason to stop working."""
    with suppress(OSError, ValueError):
        sys.stderr.write(visible(message) + "\n")
        sys.stderr.flush()


def talk_console() -> Console:
    """For stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


def wants_json(arguments: list[str]) -> bool:
    """Was `--format json` asked for, however the rest of the line may look?"""
    lower = [argument.lower() for argument in arguments]
    return "--format=json" in lower or ("--format", "json") in pairwise(lower)


def report_error(error: RagctlError, arguments: list[str]) -> None:
    """An error for people on stderr; with `--format json`, one object on stdout too."""
    if wants_json(arguments):
        with suppress(OSError):  # where stdout is what failed, stderr still says so
            print_json({"error": error.as_json()})
    if isinstance(error, SpecError) and error.mistakes:
        talk("\n".join(error.mistakes))
    else:
        talk(f"error: {error}")
    if error.hint:
        talk(f"hint: {error.hint}")
    if _wants_traceback(arguments) and error.__cause__ is not None:
        talk("".join(traceback.format_exception(error.__cause__)).rstrip())


def report_bug(error: Exception, arguments: list[str]) -> None:
    """An error that nobody foresaw. The traceback is shown on request: it may hold text of documents."""
    message = f"{type(error).__name__}: {error}"
    if wants_json(arguments):
        document: dict[str, Any] = {
            "code": int(ExitCode.BUG),
            "kind": "bug",
            "message": message,
            "where": None,
            "hint": None,
        }
        with suppress(OSError):
            print_json({"error": document})
    talk(f"error: this is a bug in ragctl: {message}")
    if _wants_traceback(arguments):
        talk("".join(traceback.format_exception(error)).rstrip())
    else:
        talk("hint: run it again with RAGCTL_TRACEBACK=1 and report what it prints")


def _wants_traceback(arguments: list[str]) -> bool:
    return bool(os.environ.get("RAGCTL_TRACEBACK")) or "-v" in arguments or "--verbose" in arguments
