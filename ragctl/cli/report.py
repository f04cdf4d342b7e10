"""ragctl report."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ragctl.cli.options import SetOption, load
from ragctl.errors import UsageError


class Form(StrEnum):
    """Of a report."""

    HTML = "html"
    MARKDOWN = "md"


def register(app: typer.Typer) -> None:
    app.command(
        "report",
        short_help="Evaluations as one page: HTML for people, Markdown for a pull request.",
        epilog="Example: ragctl report docs.yaml last -o report.html",
    )(report)


def report(
    spec: Annotated[
        Path | None,
        typer.Argument(metavar="[SPEC]", help="The pipeline spec, a YAML file.", show_default=False),
    ] = None,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Evaluations by name, the beginning of it, or last; the first is the baseline.",
            show_default=False,
        ),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A result that ragctl eval --format json printed, in place of SPEC and RUN. Repeatable.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FILE", help="Where it goes; stdout if left out.", show_default=False
        ),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option("--format", help="Its form; by the name of --out, else html.", show_default=False),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="To compare by; the first one measured if left out.", show_default=False
        ),
    ] = None,
    overrides: SetOption = None,
) -> None:
    """One page of one or several evaluations: results, differences, plots, changed questions."""
    results = _results(spec, runs or [], files or [], overrides)
    chosen = form or (Form.MARKDOWN if out is not None and out.suffix == ".md" else Form.HTML)
    if chosen is Form.MARKDOWN:
        from ragctl.report.markdown import report_markdown

        text = report_markdown(results, metric)
    else:
        from ragctl.report.page import report_page

        text = report_page(results, metric)
    _write(text, out)


def _results(
    spec: Path | None, runs: list[str], files: list[Path], overrides: list[str] | None
) -> list[dict[str, Any]]:
    if bool(files) == (spec is not None):
        raise UsageError(
            "a report is of a spec's runs, or of files",
            hint="ragctl report SPEC RUN… -o report.html, or --from FILE",
        )
    if files:
        return [_read(file) for file in files]
    assert spec is not None
    from ragctl.run.composition import Composition
    from ragctl.run.evaluating.kept import kept_result
    from ragctl.run.experimenting.outcome import named_runs

    with Composition(load(spec, overrides, of_documents=False)) as composition:
        return [kept_result(composition, name) for name in named_runs(composition, runs or ["last"])]


def _read(file: Path) -> dict[str, Any]:
    import json

    from ragctl.evaluate.result import SCHEMA_VERSION

    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"it cannot be read: {error.strerror or error}", where=str(file)) from None
    except ValueError as error:
        raise UsageError(f"it is no JSON: {error}", where=str(file)) from None
    needed = {"schema_version", "run", "metrics", "per_question", "failures"}
    if not isinstance(found, dict) or not needed <= set(found):
        raise UsageError("it is no result that ragctl eval --format json printed", where=str(file))
    if found["schema_version"] != SCHEMA_VERSION:
        raise UsageError(
            f"it has version {found['schema_version']} of a result, this ragctl knows {SCHEMA_VERSION}",
            where=str(file),
        )
    return found


def _write(text: str, out: Path | None) -> None:
    from ragctl.cli.output import talk

    if out is None:
        import sys

        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"it cannot be written: {error.strerror or error}", where=str(out)) from None
    talk(f"wrote {out}: {len(text.encode('utf-8')) / 1000:,.0f} kB")
