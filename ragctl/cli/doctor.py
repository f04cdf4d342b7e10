"""ragctl doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, load
from ragctl.errors import ExitCode

if TYPE_CHECKING:
    from ragctl.run.doctor import Finding


def register(app: typer.Typer) -> None:
    app.command(
        "doctor",
        short_help="See that everything is there and fits together.",
        epilog="Example: ragctl doctor docs.yaml",
    )(doctor)


def doctor(
    spec: SpecArgument,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the embedded server, and do nothing else.")
    ] = False,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
) -> None:
    """See that everything is there and fits together; print what mends what does not."""
    from ragctl.cli.output import print_json, talk
    from ragctl.run.doctor import as_json, examine, stop_server

    loaded = load(spec, overrides)
    if stop:
        talk(
            "the embedded server has been stopped"
            if stop_server(loaded)
            else "no embedded server was running"
        )
        return
    findings = examine(loaded)
    if output is Format.JSON:
        print_json(as_json(findings))
    else:
        _print_findings(findings)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(int(ExitCode.MISMATCH))


def _print_findings(findings: list[Finding]) -> None:
    from rich.table import Table

    from ragctl.cli.output import data_console

    table = Table.grid(padding=(0, 2))
    for finding in findings:
        table.add_row("ok" if finding.ok else "FAIL", finding.check, finding.detail)
        if finding.fix:
            table.add_row("", "", f"→ {finding.fix}")
    data_console().print(table, markup=False)
