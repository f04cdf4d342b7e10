"""ragctl ingest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragctl.cli.airflow_option import AirflowOption
from ragctl.cli.options import (
    Format,
    FormatOption,
    LogJsonOption,
    SetOption,
    SpecArgument,
    VerboseOption,
    load,
)
from ragctl.errors import RagctlError, UsageError

if TYPE_CHECKING:
    from ragctl.run.ingesting.ingest import IngestOptions
    from ragctl.run.ingesting.report import IngestReport
    from ragctl.run.progress import Progress
    from ragctl.spec.load import LoadedSpec

SKIPPED_SHOWN = 5
WAIT_S = 1.0
"""Seconds between two looks at a run in Airflow."""


def register(app: typer.Typer) -> None:
    app.command(
        "ingest",
        short_help="Bring the index up to date with the sources.",
        epilog="Example: ragctl ingest docs.yaml",
    )(ingest)


def ingest(
    spec: SpecArgument,
    allow_delete: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Let up to N documents be deleted, whatever their share."),
    ] = None,
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial", help="Publish a new generation although documents of the old one failed in it."
        ),
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed for good, too.")
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Do exactly what ragctl plan --out FILE wrote, or refuse because the world has moved.",
        ),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(metavar="USD", min=0, help="Stop before the request that might make the run cost more."),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Ask nobody: spend what it costs, and build a new generation although its recipe was rolled "
            "back.",
        ),
    ] = False,
    reselect: Annotated[
        bool,
        typer.Option(
            "--reselect", help="With provider: auto, choose the embedder anew, whatever the lock pins."
        ),
    ] = False,
    relock: Annotated[
        bool, typer.Option("--relock", help="Write the spec's lock anew, whatever has drifted.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run on this index to end.")] = False,
    airflow: AirflowOption = None,
    output: FormatOption = Format.TABLE,
    overrides: SetOption = None,
    verbose: VerboseOption = False,
    log_json: LogJsonOption = False,
) -> None:
    """Bring the index up to date: read, chunk, embed and store what is new or changed."""
    from ragctl.cli.consent import agree_at_terminal
    from ragctl.cli.progress import make_progress
    from ragctl.run.ingesting.ingest import IngestOptions
    from ragctl.run.ingesting.planning import read_plan

    if airflow is not None:
        from ragctl.cli.airflow_option import refuse_beside_airflow

        refuse_beside_airflow(
            {
                "--plan": plan,
                "--wait": wait,
                "--relock": relock,
                "--reselect": reselect,
                "--set": overrides,
            }
        )
    loaded = load(spec, overrides)
    if plan is not None and (allow_delete is not None or retry_failed):
        raise UsageError(
            "--plan says itself what may be deleted and is tried again; give these to ragctl plan"
        )
    options = IngestOptions(
        allow_delete=allow_delete,
        allow_partial=allow_partial,
        retry_failed=retry_failed,
        wait=wait,
        undo_rollback=yes,
        yes=yes,
        agree=agree_at_terminal(),
        relock=relock,
        reselect=reselect,
        max_cost=max_cost,
        agreed=read_plan(plan) if plan is not None else None,
    )
    progress = make_progress(log_json=log_json, verbose=verbose)
    if airflow is not None:
        _ingest_in_airflow(airflow, loaded, options, progress.note, output)
    else:
        _ingest_here(loaded, options, progress, output)


def _ingest_here(loaded: LoadedSpec, options: IngestOptions, progress: Progress, output: Format) -> None:
    from ragctl.cli.stopping import StopSwitch
    from ragctl.run.ingesting.ingest import ingest as run_ingest

    with StopSwitch(progress.note) as stop:
        try:
            report = run_ingest(
                loaded, options, progress=progress, stop=stop, when_giving_up=stop.when_giving_up
            )
        except KeyboardInterrupt:
            progress.note("stopped at once; the next run goes on from what was committed")
            raise typer.Exit(int(stop.exit_code)) from None
    _print(report.as_json(), report, output)
    if report.interrupted:
        raise typer.Exit(int(stop.exit_code))
    _end(report.verdict(loaded.spec.max_failures, _command(loaded)))


def _ingest_in_airflow(
    url: str, loaded: LoadedSpec, options: IngestOptions, note: Callable[[str], None], output: Format
) -> None:
    """The same by the ingest DAG: the report that its run returned, and the same verdict on it."""
    from ragctl.airflow.documents import ingest_document, ingest_report
    from ragctl.cli.airflow_option import airflow_at, carry_out

    names = ("allow_delete", "allow_partial", "retry_failed", "undo_rollback", "max_cost")
    given = {name: getattr(options, name) for name in names}
    conf = {name: value for name, value in given.items() if value is not None and value is not False}
    with airflow_at(url, loaded, note) as client:
        outcome = carry_out(client, f"{loaded.spec.name}_ingest", "publish", conf, interval_s=WAIT_S)
    if outcome.error is not None and outcome.result is None:
        raise outcome.error
    document = ingest_document(outcome.result)
    report = ingest_report(document)
    _print(document, report, output)
    _end(outcome.error or report.verdict(loaded.spec.max_failures, _command(loaded)))


def _command(loaded: LoadedSpec) -> Callable[[str], str]:
    return lambda name: f"ragctl {name} {loaded.as_argument}"


def _print(document: dict[str, Any], report: IngestReport, output: Format) -> None:
    from ragctl.cli.output import print_json

    if output is Format.JSON:
        print_json(document)
    else:
        _print_report(report)


def _end(verdict: RagctlError | None) -> None:
    """The exit code; the document on stdout is the only one, so that the error goes to stderr alone."""
    from ragctl.cli.output import report_error

    if verdict is not None:
        report_error(verdict, [])
        raise typer.Exit(int(verdict.exit_code))


def _print_report(report: IngestReport) -> None:
    from ragctl.cli.output import data_console

    console = data_console()
    counts = report.counts
    cost = "" if report.cost_usd == 0 else f", {_money(report.cost_usd)}"
    lines = [
        f"{report.pipeline} → index {report.index}, generation {report.generation}",
        f"  documents  {counts.listed:,} listed: {counts.added:,} added, {counts.changed:,} changed, "
        f"{counts.unchanged:,} unchanged,",
        f"             {counts.deleted:,} deleted, {counts.skipped:,} skipped, {counts.failed:,} failed",
        f"  chunks     {counts.chunks:,} written: {counts.embedded:,} embedded "
        f"({report.tokens:,} tokens{cost}), {counts.cached:,} cached",
        f"  time       {report.seconds:.1f} s",
    ]
    if report.interrupted:
        lines.append("  stopped before the end; the next run goes on from here")
    elif not report.published:
        lines.append("  not published: the generation that was active before is still the one that is asked")
    lines += _formats(report)
    lines += [
        f"  note       {source}: {document}: {note}" for source, document, note in report.tally.mislabelled
    ]
    lines += _skipped(report)
    for failure in report.failures:
        known = " (known, not tried again)" if failure.known else ""
        known += " (ignored)" if report.ignored(failure) else ""
        lines.append(
            f"  failed     {failure.source}: {failure.document}: {failure.stage}: {failure.message}{known}"
        )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _formats(report: IngestReport) -> list[str]:
    """What was read, by format; nothing where there is one format and all of it was read."""
    rows = report.tally.as_json()
    if len(rows) < 2 and not any(row["skipped"] or row["failed"] for row in rows):
        return []
    lines = ["  formats         items    read  skipped  failed  seconds"]
    for row in rows:
        counts = f"{row['items']:>5,}  {row['read']:>6,}  {row['skipped']:>7,}  {row['failed']:>6,}"
        lines.append(f"                  {counts}  {row['seconds']:>7.1f}  {row['format']}")
    return lines


def _skipped(report: IngestReport) -> list[str]:
    """The first few by name, and the others by reason."""
    lines = [
        f"  skipped    {source}: {document}: {reason}"
        for source, document, reason in report.skipped[:SKIPPED_SHOWN]
    ]
    others = Counter(reason for _, _, reason in report.skipped[SKIPPED_SHOWN:])
    if others:
        lines.append(f"  skipped    and {others.total():,} more; ragctl show lists them:")
        lines += [f"             {count:,}: {reason}" for reason, count in others.most_common(SKIPPED_SHOWN)]
    return lines


def _money(dollars: float | None) -> str:
    return "cost unknown" if dollars is None else f"${dollars:,.4f}"
