"""ragctl doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragctl.cli.options import Format, FormatOption, SetOption, SpecArgument, load
from ragctl.errors import ExitCode, UsageError

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
    repair: Annotated[
        bool,
        typer.Option("--repair", help="First mend what can be mended without a model and without loss."),
    ] = False,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild-state", help="First restore a lost state from what lies beside the vectors."),
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the embedded server, and do nothing else.")
    ] = False,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
) -> None:
    """See that everything is there and fits together; print what mends what does not."""
    from ragctl.cli.output import print_json, talk
    from ragctl.run.doctor import as_json, examine, stop_server
    from ragctl.run.upkeep.rebuild import rebuild_state
    from ragctl.run.upkeep.repair import repair as repair_index

    if repair + rebuild + stop > 1:
        raise UsageError("--repair, --rebuild-state and --stop are three things: give one of them")
    loaded = load(spec, overrides)
    if stop:
        talk(
            "the embedded server has been stopped"
            if stop_server(loaded)
            else "no embedded server was running"
        )
        return
    done: list[str] = []
    if repair or rebuild:
        done = repair_index(loaded) if repair else rebuild_state(loaded)
        for sentence in done or ["there was nothing to be done"]:
            talk(sentence)
    findings = examine(loaded)
    if output is Format.JSON:
        print_json(as_json(findings, done))
    else:
        _print_findings(findings)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(int(ExitCode.MISMATCH))


def _print_findings(findings: list[Finding]) -> None:
    from ragctl.cli.output import data_console

    console = data_console()
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        mark = ("warn" if finding.warning else "ok") if finding.ok else "FAIL"
        lines = [f"{mark:<4}  {finding.check:<{width}}  {finding.detail}"]
        if finding.fix:
            lines.append(f"{'':<4}  {'':<{width}}  → {finding.fix}")
        # Not cut and not folded: a command is there to be copied.
        console.print("\n".join(lines), markup=False, soft_wrap=True)
