"""A folder of every format, ingested as it is: what was read, skipped and failed, by format, and the time.

    python benchmarks/files_ingest.py [FOLDER] [--json OUT] [--workers 2]

One spec and one `ragctl ingest`, with the real model, into an embedded server that is made for it. Exit code
1 if the run crashed, or if a file failed for a reason that is not one of `EXPECTED`: it is broken, or nobody
but the owner of a password can read it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "files"
EXPECTED = ("password-protected", "encrypted", "Tesseract cannot read the image", "it is no whole")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--json", type=Path, help="write what `ragctl ingest --format json` said to this file"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "files.yaml"
        content = {
            "name": "files",
            "sources": [{"type": "directory", "path": str(options.folder.resolve())}],
            "extract": {"workers": options.workers, "limits": {"seconds": 60}},
            "max_failures": 1_000_000,
        }
        spec.write_text(json.dumps(content), encoding="utf-8")
        try:
            report, seconds = ingest(spec)
        finally:
            subprocess.run([sys.executable, "-m", "ragctl", "doctor", str(spec), "--stop"], check=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
    print("\n".join(lines(report, seconds)))
    sys.exit(1 if unexpected(report) else 0)


def ingest(spec: Path) -> tuple[dict[str, Any], float]:
    """What it said, and seconds of the whole process."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "ragctl", "ingest", str(spec), "--format", "json"],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report, time.perf_counter() - began


def unexpected(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Failures of which no reason is expected."""
    return [one for one in report["failures"] if not any(words in one["message"] for words in EXPECTED)]


def lines(report: dict[str, Any], seconds: float) -> list[str]:
    """Tables in Markdown."""
    found = ["| format | files and parts | read | skipped | failed | seconds |", "|---|--:|--:|--:|--:|--:|"]
    totals = dict.fromkeys(("items", "read", "skipped", "failed", "seconds"), 0.0)
    for row in report["formats"]:
        for name in totals:
            totals[name] += row[name]
        found.append(
            f"| {row['format']} | {row['items']} | {row['read']} | {row['skipped']} | {row['failed']} "
            f"| {row['seconds']:.2f} |"
        )
    cells = " | ".join(f"{totals[name]:.0f}" for name in ("items", "read", "skipped", "failed"))
    found += [f"| all | {cells} | {totals['seconds']:.1f} |", "", "| failed | reason |", "|---|---|"]
    found += [f"| {one['document']} | {one['message']} |" for one in report["failures"]]
    reasons: dict[str, list[str]] = {}
    for one in report["skipped"]:
        reasons.setdefault(one["reason"], []).append(one["document"])
    found += ["", "| skipped because | files | such as |", "|---|--:|---|"]
    for reason, names in sorted(reasons.items(), key=lambda entry: -len(entry[1])):
        found.append(f"| {reason.replace('|', '/')} | {len(names)} | {names[0]} |")
    counts = report["counts"]
    found += [
        "",
        f"{counts['listed']} files, {counts['added']} documents, {counts['chunks']:,} chunks "
        f"in {seconds:.0f} s; not what their names say: {len(report['mislabelled'])}; "
        f"failures for an unexpected reason: {len(unexpected(report))}",
    ]
    return found


if __name__ == "__main__":
    main()
