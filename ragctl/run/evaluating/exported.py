"""Evaluations as a table for others: one row a run, a column a number."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ragctl.errors import MissingPackage, UsageError
from ragctl.run.composition import Composition
from ragctl.run.evaluating.kept import in_order, kept_evaluations, kept_result

_FIRST = ("run", "name", "kind", "started", "index", "generation")


def export_evaluations(composition: Composition, names: Sequence[str], out: Path | None) -> None:
    """Writes the runs named, or all evaluations, oldest first.

    Args:
        out: a `.csv` or `.parquet` file, which is replaced; None: CSV on stdout.

    Raises:
        UsageError: the file's suffix is another one, it cannot be written, or there is no such evaluation.
        MissingPackage: Parquet needs pyarrow.
    """
    if out is not None and out.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"{out.name} is neither .csv nor .parquet", where=str(out))
    rows = [row_of(one) for one in chosen_results(composition, names)]
    if out is None:
        _write_csv(rows, sys.stdout)
        return
    try:
        if out.suffix.lower() == ".csv":
            text = io.StringIO()
            _write_csv(rows, text)
            out.write_text(text.getvalue(), encoding="utf-8", newline="")
        else:
            _write_parquet(rows, out)
    except OSError as error:
        raise UsageError(f"it cannot be written: {error.strerror or error}", where=str(out)) from None


def chosen_results(composition: Composition, names: Sequence[str]) -> list[dict[str, Any]]:
    """Those of the runs named, or of all evaluations, oldest first.

    Raises:
        UsageError: there is no such evaluation.
        NothingPublished: no ingest has run here yet.
    """
    if names:
        return [kept_result(composition, name) for name in names]
    return [in_order(one.record["evaluation"]) for one in reversed(kept_evaluations(composition))]


def row_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """One result as columns: metrics as `ndcg@10`, `ndcg@10.low`, `ndcg@10.high`; a variant's values as
    `spec.chunk.max_tokens`; latencies, costs and facts of the index by their names."""
    row = {name: result.get(name) for name in _FIRST}
    row["questions"] = result["queries"]["count"]
    for name, found in result["metrics"].items():
        row |= {name: found["mean"], f"{name}.low": found["low"], f"{name}.high": found["high"]}
    row |= {f"latency_ms.{name}": value for name, value in result["latency_ms"].items()}
    row["cost_usd_per_question"] = result["cost_usd_per_question"]
    row |= {f"index.{name}": value for name, value in result["index_facts"].items()}
    row |= {f"spec.{key}": _plain(value) for key, value in result["values"].items()}
    row |= {"recipe": result["provenance"]["recipe"], "embedder": result["provenance"]["embedder"]}
    return row


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else str(value)


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row)) or list(_FIRST)


def _write_csv(rows: Sequence[Mapping[str, Any]], into: Any) -> None:
    writer = csv.DictWriter(into, _columns(rows), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _write_parquet(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingPackage(
            "Parquet needs the Python package 'pyarrow', which is not installed",
            hint="pip install 'ragctl[parquet]', or write a .csv file",
        ) from error
    table = pyarrow.table({name: [row.get(name) for row in rows] for name in _columns(rows)})
    parquet.write_table(table, out)
