"""Airflow's documentation, as whole or a part of its pages."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]
ARCHIVE = BENCHMARKS.parents[1] / "shared" / "data" / "docs-airflow" / "airflow-docs-rst.tar.xz"
QUESTIONS = BENCHMARKS / "airflow_docs_questions.jsonl"
KINDS = (".rst", ".md")


def unpack(archive: Path, folder: Path) -> Path:
    """All pages below `folder`; returns it."""
    with tarfile.open(archive) as pages:
        pages.extractall(folder, filter="data")
    return folder


def shortest(pages: Path, count: int, folder: Path) -> Path:
    """Copies the `count` shortest pages that have some text: little work, many documents."""
    found = sorted(_pages(pages), key=lambda path: (path.stat().st_size, path))
    return _copied(found[:count], pages, folder)


def sample(pages: Path, count: int, folder: Path) -> Path:
    """Copies `count` pages, spread evenly over the sorted list of those with some text."""
    found = _pages(pages)
    return _copied([found[number * len(found) // count] for number in range(count)], pages, folder)


def _pages(pages: Path) -> list[Path]:
    return sorted(path for path in pages.rglob("*") if path.suffix in KINDS and path.stat().st_size > 500)


def _copied(chosen: list[Path], pages: Path, folder: Path) -> Path:
    for path in chosen:
        target = folder / path.relative_to(pages)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return folder
