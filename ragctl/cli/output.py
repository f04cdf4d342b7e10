"""What is printed where: data on stdout, talk and errors on stderr."""

from __future__ import annotations

import json
import os
import sys
import traceback
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ragctl.errors import ExitCode, RagctlError, SpecError

if TYPE_CHECKING:
    from rich.console import Console


def data_console() -> Console:
    """For stdout. Without a terminal there is no colour, and the width is 80 unless COLUMNS says other."""
    from rich.console import Console

    class DataConsole(Console):
        def on_broken_pipe(self) -> None:
            # Rich would end the process with 1; whoever has read enough is no error of ours.
            raise BrokenPipeError

    return DataConsole(highlight=False, emoji=False)


def talk_console() -> Console:
    """For stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


def print_json(document: object) -> None:
    """One JSON document on one line."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def talk(message: str) -> None:
    """A sentence for people, on stderr."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def wants_json(arguments: list[str]) -> bool:
    """Was `--format json` asked for, however the rest of the line may look?"""
    return "--format=json" in arguments or ("--format", "json") in pairwise(arguments)


def report_error(error: RagctlError, arguments: list[str]) -> None:
    """An error for people on stderr; with `--format json`, one object on stdout too."""
    if wants_json(arguments):
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
        print_json({"error": document})
    talk(f"error: this is a bug in ragctl: {message}")
    if _wants_traceback(arguments):
        talk("".join(traceback.format_exception(error)).rstrip())
    else:
        talk("hint: run it again with RAGCTL_TRACEBACK=1 and report what it prints")


def _wants_traceback(arguments: list[str]) -> bool:
    return bool(os.environ.get("RAGCTL_TRACEBACK")) or "-v" in arguments or "--verbose" in arguments
