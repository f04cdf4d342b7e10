"""The entry point: the list of commands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ragctl import __version__
from ragctl.cli import ask, check, doctor, ingest, init, plan, show
from ragctl.errors import ExitCode, RagctlError

EPILOG = (
    "Start with: ragctl init docs.yaml --path docs; then: ragctl ingest docs.yaml; "
    'then: ragctl ask docs.yaml "How do I …?"'
)

app = typer.Typer(
    name="ragctl",
    help="Retrieval-augmented generation from one YAML spec: ingest documents, ask questions.",
    epilog=EPILOG,
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ragctl {__version__}")
        raise typer.Exit


@app.callback()
def _ragctl(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


for command in (init, check, plan, ingest, ask, show, doctor):
    command.register(app)


def run() -> None:
    """Runs the command line and ends the process with its exit code (see docs/exit-codes.md)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Runs one command line in this process and returns its exit code; errors are printed, not raised."""
    from ragctl.cli.output import report_bug, report_error

    try:
        # With standalone_mode off, an Exit comes back as its code.
        return int(app(arguments, standalone_mode=False) or 0)
    except RagctlError as error:
        report_error(error, arguments)
        return int(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\ninterrupted\n")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough. Keep the interpreter from failing on the last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.DONE)
    except Exception as error:
        wrong_call = _as_usage_error(error)
        if wrong_call is not None:
            report_error(wrong_call, arguments)
            return int(wrong_call.exit_code)
        report_bug(error, arguments)
        return int(ExitCode.BUG)


def _as_usage_error(error: Exception) -> RagctlError | None:
    """The parser's own complaint about the command line, in our words."""
    from ragctl.errors import UsageError

    formatted = getattr(error, "format_message", None)
    if formatted is None:
        return None
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "ragctl"
    return UsageError(formatted(), hint=f"{command} --help")
