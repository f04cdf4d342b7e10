"""The entry point: the list of commands, and what becomes of errors."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ragctl import __version__
from ragctl.cli import (
    ask,
    check,
    doctor,
    evaluate,
    experiment,
    export_dag,
    forget,
    index,
    ingest,
    init,
    plan,
    preview,
    report,
    runs,
    show,
)
from ragctl.errors import ExitCode, MissingPackage, RagctlError, UsageError

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


for command in (
    init,
    check,
    plan,
    ingest,
    ask,
    show,
    preview,
    evaluate,
    experiment,
    report,
    index,
    doctor,
    runs,
    forget,
    export_dag,
):
    command.register(app)


def run() -> None:
    """Runs the command line and ends the process with its exit code (see docs/exit-codes.md)."""
    # Start-up makes many objects that stay: looking at them again and again took a twentieth of an ask.
    gc.set_threshold(20_000, 20, 20)
    # Looking for plugins reads what every installed package says of itself, and a spec needs none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        _discard_stdout()
    sys.exit(code)


def main(arguments: list[str]) -> int:
    """Runs one command line in this process and returns its exit code; errors are printed, not raised."""
    from ragctl.cli.output import report_bug, report_error, talk

    try:
        _refuse_undecodable(arguments)
        # With standalone_mode off, an Exit comes back as its code.
        code = int(app(arguments, standalone_mode=False) or 0)
        if code == ExitCode.INTERRUPTED:
            talk("interrupted")
        return code
    except RagctlError as error:
        _show_selection(error)
        report_error(error, arguments)
        return int(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        talk("interrupted")
        return int(ExitCode.INTERRUPTED)
    except (BrokenPipeError, SystemExit):  # the latter is what typer makes of the former
        # Whoever read our output has enough. Keep the interpreter from failing on the last flush.
        _discard_stdout()
        return int(ExitCode.DONE)
    except Exception as error:
        foreseen = _as_ragctl_error(error)
        if foreseen is not None:
            report_error(foreseen, arguments)
            return int(foreseen.exit_code)
        report_bug(error, arguments)
        return int(ExitCode.BUG)


def _show_selection(error: RagctlError) -> None:
    """Where no embedder could be chosen, the table that shows why; on stderr, as the error is."""
    selection = getattr(error, "selection", None)
    if selection is not None:
        from ragctl.cli.output import talk_console
        from ragctl.cli.selection_table import print_selection

        print_selection(talk_console(), selection)


def _discard_stdout() -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse_undecodable(arguments: list[str]) -> None:
    for argument in arguments:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            shown = argument.encode("utf-8", "backslashreplace").decode("utf-8")
            raise UsageError(f"the argument {shown!r} is not UTF-8") from None


def _as_ragctl_error(error: Exception) -> RagctlError | None:
    """What other libraries raise and a user can do something about, in our words; None for a bug."""
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("ragctl"):
        return MissingPackage(
            f"the Python package {error.name!r} is not installed", hint="pip install ragctl, or make setup"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EBADF, errno.EIO):
        return UsageError(f"the output cannot be written: {error.strerror}", where="stdout")
    return _as_usage_error(error)


def _as_usage_error(error: Exception) -> RagctlError | None:
    """The parser's own complaint about the command line, in our words."""
    formatted = getattr(error, "format_message", None)
    if formatted is None:
        return None
    if type(error).__name__ == "NoArgsIsHelpError":
        return UsageError("which command?", hint=formatted())
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "ragctl"
    return UsageError(formatted(), hint=f"{command} --help")
