"""ragctl's readers beside Unstructured's own `partition`: seconds and text, by format, in one run.

    python benchmarks/reader_throughput.py FOLDER [--venv DIRECTORY] [--formats docx] [--json OUT] [--files]

Unstructured is installed into an environment of its own, DIRECTORY, without the extras that bring PyTorch;
formats that need these count as not read by it. Each file is read by both, one right after the other and in
turns first, each in a process that has read a file of that format before. Only files that both read count
for the seconds; reading is what is timed, not starting. LibreOffice and Tesseract are left out: what they
take is theirs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reader_quality import Skipped, by_ragctl, compared, files_in, reference_of, words

from ragctl.errors import RagctlError

# Of the extras, those that bring no PyTorch: not `pdf` and `image`. For MSG and XLS the libraries alone.
PACKAGES = (
    "unstructured[csv,docx,epub,md,odt,org,pptx,rst,rtf,xlsx]>=0.27.32,<0.28",
    "python-oxmsg",
    "xlrd",
)
SLOW = frozenset({"doc", "ppt", "png", "jpg", "jpeg", "bmp", "tif", "tiff", "heic"})
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """One file read once.

    Attributes:
        error: why it was not.
        ratios: recall, precision and order against the reference, if there is one.
    """

    seconds: float
    error: str = ""
    ratios: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    file: str
    format: str
    bytes: int
    ours: Reading
    theirs: Reading

    @property
    def both(self) -> bool:
        return not self.ours.error and not self.theirs.error


class Unstructured:
    """A process of its environment that reads one file after another."""

    def __init__(self, venv: Path) -> None:
        python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        self._process = subprocess.Popen(
            [str(python), str(Path(__file__).with_name("unstructured_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )

    def read(self, path: Path) -> tuple[float, str, str]:
        """Seconds, text, and why there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        reply: dict[str, Any] = json.loads(self._process.stdout.readline())
        return reply["seconds"], reply.get("text", ""), reply.get("error", "")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def by_us(path: Path) -> tuple[float, str, str]:
    data = path.read_bytes()
    began = time.perf_counter()
    try:
        text, error = by_ragctl(path, data), ""
    except (Skipped, RagctlError) as caught:
        text, error = "", str(caught)
    return time.perf_counter() - began, text, error


def pair(path: Path, root: Path, rival: Unstructured, *, ours_first: bool) -> Pair:
    readings = {}
    for who, read in (("ours", by_us), ("theirs", rival.read))[:: 1 if ours_first else -1]:
        seconds, text, error = read(path)
        readings[who] = Reading(seconds, error, _ratios(path, text) if not error else None)
    kind = path.suffix.lower().lstrip(".") or "none"
    return Pair(
        path.relative_to(root).as_posix(), kind, path.stat().st_size, readings["ours"], readings["theirs"]
    )


def _ratios(path: Path, text: str) -> tuple[float, float, float] | None:
    reference = reference_of(path)
    wanted = words(reference.read_text(encoding="utf-8", errors="replace")) if reference else []
    return compared(words(text), wanted) if wanted else None


def table(pairs: Sequence[Pair]) -> list[str]:
    """In Markdown, a row for each format."""
    lines = [
        "| format | files | read by ragctl | by Unstructured | MB of both | s | s, Unstructured | MB/s "
        "| MB/s, Unstructured | times as fast | with reference | recall | precision | order |",
        "|---|" + "--:|" * 13,
    ]
    kinds = dict.fromkeys(one.format for one in pairs)
    return lines + [_row(kind, [one for one in pairs if one.format == kind]) for kind in kinds]


def _row(kind: str, rows: Sequence[Pair]) -> str:
    both = [one for one in rows if one.both]
    size = sum(one.bytes for one in both) / _MB
    ours = sum(one.ours.seconds for one in both)
    theirs = sum(one.theirs.seconds for one in both)
    judged = [(one.ours.ratios, one.theirs.ratios) for one in both if one.ours.ratios and one.theirs.ratios]
    quality = [
        f"{_mean(mine[at] for mine, _ in judged)} / {_mean(other[at] for _, other in judged)}"
        for at in range(3)
    ]
    speed = (
        f"{size / ours:.2f} | {size / theirs:.2f} | {theirs / ours:.0f}"
        if both and ours and theirs
        else "- | - | -"
    )
    return (
        f"| {kind} | {len(rows)} | {sum(not one.ours.error for one in rows)} "
        f"| {sum(not one.theirs.error for one in rows)} | {size:.2f} | {ours:.2f} | {theirs:.2f} | {speed} "
        f"| {len(judged)} | {' | '.join(quality)} |"
    )


def _mean(values: Iterable[float]) -> str:
    known = list(values)
    return f"{sum(known) / len(known):.3f}" if known else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--venv", type=Path, default=Path(tempfile.gettempdir()) / "ragctl-unstructured")
    parser.add_argument("--formats", default="", help="suffixes, joined by commas; all, if not given")
    parser.add_argument("--files", action="store_true", help="print a line for each file too")
    parser.add_argument("--json", type=Path, help="write every outcome to this file")
    options = parser.parse_args()
    root = options.folder.resolve()
    files = [
        path
        for path in files_in(root, filter(None, options.formats.split(",")))
        if path.suffix.lower().lstrip(".") not in SLOW
    ]
    rival = Unstructured(options.venv)
    pairs: list[Pair] = []
    warm: set[str] = set()
    try:
        for number, path in enumerate(sorted(files, key=lambda path: (path.suffix.lower(), path))):
            if path.suffix.lower() not in warm:
                warm.add(path.suffix.lower())
                pair(path, root, rival, ours_first=True)
            pairs.append(pair(path, root, rival, ours_first=number % 2 == 0))
            if options.files:
                one = pairs[-1]
                print(
                    f"{one.ours.seconds:8.3f} {one.theirs.seconds:8.3f}  {one.file}  {one.theirs.error}",
                    flush=True,
                )
    finally:
        rival.close()
    print("\n".join(table(pairs)))
    reasons = Counter(
        (one.format, one.theirs.error) for one in pairs if one.theirs.error and not one.ours.error
    )
    print(
        "\n".join(
            f"{count} {kind}: Unstructured: {reason}" for (kind, reason), count in reasons.most_common()
        )
    )
    if options.json:
        rows = [asdict(one) for one in pairs]
        options.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
