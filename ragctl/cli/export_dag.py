"""ragctl export-dag."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Annotated

import typer

from ragctl.cli.options import SetOption, SpecArgument, load
from ragctl.errors import UsageError
from ragctl.export.options import AirflowVersion, ExportOptions, Kind, Layout

if TYPE_CHECKING:
    from ragctl.export.dag_file import DagFile
    from ragctl.export.needs import Need
    from ragctl.export.options import Base


def register(app: typer.Typer) -> None:
    app.command(
        "export-dag",
        short_help="Write the pipeline as an Airflow DAG.",
        epilog="Example: ragctl export-dag docs.yaml -o dags/docs_ingest.py",
    )(export_dag)


def export_dag(
    spec: SpecArgument,
    kind: Annotated[
        Kind | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="ingest (the default): fill the index; ask: answer questions; experiment: measure variants.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the DAG file here; stdout, if left out."),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="FILE",
            help="Write nothing; is this file still what the spec gives? Exit code 5: no.",
        ),
    ] = None,
    layout: Annotated[
        Layout | None,
        typer.Option(
            "--layout",
            metavar="LAYOUT",
            help="stages (the default): each stage a task; fused: neighbours with equal settings in one.",
        ),
    ] = None,
    airflow_version: Annotated[
        AirflowVersion | None,
        typer.Option(
            "--airflow-version",
            metavar="VERSION",
            help="The oldest Airflow to write for: 3.1, 3.2 or 3.3 (the default).",
        ),
    ] = None,
    spec_path: Annotated[
        str | None,
        typer.Option(
            "--spec-path",
            metavar="PATH",
            help="Where the spec lies on the workers; seen from the DAG file, if left out.",
        ),
    ] = None,
    embed_spec: Annotated[
        bool, typer.Option("--embed-spec", help="Put the spec and its lock into the file.")
    ] = False,
    overrides: SetOption = None,
) -> None:
    """Write the pipeline as a DAG file for Airflow 3, readable Python that only names the spec."""
    chosen = [kind, output, layout, airflow_version, spec_path, embed_spec or None, overrides or None]
    if check is not None:
        if any(one is not None for one in chosen):
            raise UsageError("--check takes what was chosen from the file; leave the other options out")
        _check(spec, check)
        return
    if overrides and not embed_spec:
        raise UsageError(
            "--set changes the spec for this file alone, which names the spec as it lies on disk",
            hint="put the value into the spec, or add --embed-spec",
        )
    target = None if output is None else _target(output, spec)
    where, base = _spec_seen(spec, target, spec_path)
    options = ExportOptions(
        spec=where,
        base=base,
        kind=kind or Kind.INGEST,
        layout=layout or Layout.STAGES,
        airflow_version=airflow_version or AirflowVersion.V3_3,
        embed_spec=embed_spec,
        overrides=tuple(overrides or ()),
    )
    _export(spec, options, output, target)


def _export(spec: Path, options: ExportOptions, output: Path | None, target: Path | None) -> None:
    from ragctl.cli.output import talk
    from ragctl.export.dag_file import export_dag as made

    file = made(load(spec, list(options.overrides), of_documents=False), options)
    if target is None:
        sys.stdout.write(file.text)
        sys.stdout.flush()
    else:
        _write(target, file.text)
    for need in file.needs:
        if need.advice:
            talk(_warning(need))
    _say_next(file, spec, output)


def _say_next(file: DagFile, spec: Path, output: Path | None) -> None:
    from ragctl.cli.output import counted, talk

    what = f"DAG {file.dag_id}, {counted(file.tasks, 'task')}"
    if output is None:
        talk(f"{what}; it looks for the spec beside itself unless --spec-path says other: -o FILE knows")
        return
    quoted = shlex.quote(str(output))
    talk(
        f"wrote {output}: {what}\n"
        f"check: ragctl export-dag {shlex.quote(str(spec))} --check {quoted}\n"
        "next: put it where Airflow finds its DAGs, with the spec where the file looks for it\n"
        f"then: airflow dags unpause {file.dag_id}; airflow dags trigger {file.dag_id}"
    )


def _warning(need: Need) -> str:
    tasks = f" ({', '.join(need.tasks)})" if need.tasks else ""
    return f"warning: {need.what} '{need.name}'{tasks}: {need.advice}"


def _check(spec: Path, file: Path) -> None:
    from ragctl.cli.output import talk
    from ragctl.export.drift import check_export, read_export

    dag_id = check_export(read_export(file), spec)
    talk(f"{file}: the DAG {dag_id} is what the spec gives")


def _spec_seen(spec: Path, target: Path | None, spec_path: str | None) -> tuple[str, Base]:
    """Where the file looks for the spec, and from where."""
    if spec_path is not None:
        if not (PurePosixPath(spec_path).is_absolute() or PureWindowsPath(spec_path).is_absolute()):
            raise UsageError(
                "--spec-path takes an absolute path: tasks have no folder of their own to see it from"
            )
        return spec_path, "worker"
    if target is None:
        return spec.name, "file"
    try:
        relative = os.path.relpath(spec.parent.resolve() / spec.name, target.parent)
    except ValueError:  # another drive
        raise UsageError(
            f"no path leads from {target} to {spec}: they are on different drives",
            hint="say where the spec lies on the workers: --spec-path PATH",
        ) from None
    return Path(relative).as_posix(), "file"


def _target(output: Path, spec: Path) -> Path:
    """The file to write, links followed, as Airflow will see it.

    Raises:
        UsageError: it cannot be one, or would take the place of something else.
    """
    try:
        target = output.resolve()
        is_folder, has_parent, is_there = target.is_dir(), target.parent.is_dir(), target.exists()
    except (OSError, RuntimeError) as error:
        raise UsageError(f"cannot write there: {error}", where=str(output)) from error
    if is_folder:
        raise UsageError("is a directory; name the file", where=str(output))
    if not has_parent:
        raise UsageError(f"the directory {output.parent} does not exist", where=str(output))
    if output.suffix != ".py":
        raise UsageError("Airflow reads files that end in .py", where=str(output))
    if is_there:
        _refuse_foreign(output)
    return target


def _refuse_foreign(output: Path) -> None:
    from ragctl.export.drift import read_export

    try:
        read_export(output)
    except UsageError:
        raise UsageError(
            "there is a file that ragctl has not exported",
            where=str(output),
            hint="name another, or remove it",
        ) from None


def _write(target: Path, text: str) -> None:
    """Whoever reads meanwhile, as Airflow does all the time, sees the old file or the new one, whole."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(text.encode("utf-8"))
        part.replace(target)
    except OSError as error:
        with suppress(OSError):  # what is left of it harms nobody
            part.unlink()
        reason = error.strerror or type(error).__name__
        raise UsageError(f"cannot write it: {reason}", where=str(target)) from error
