"""Ingests killed at random moments, then a clean one: is anything different from an undisturbed ingest?

    PYTHONPATH=tests python -m chaos [--rounds N] [--seed N] [--documents N]

Kills ragctl, the embedded server or one of its sessions with SIGKILL while documents change from round to
round and now and then the recipe does. Exit code 1 if anything differs; a short one is in
tests/run/ingesting/test_kill.py.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

from chaos.rounds import Chaos

from ragctl.embedded.layout import SHARED_VARIABLE


def main() -> int:
    parser = argparse.ArgumentParser(
        "chaos", description="Ingests that are killed, and what is left of them."
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument(
        "--seed",
        type=int,
        default=random.randrange(10**6),
        help="of what is drawn; when a process gets there is not",
    )
    parser.add_argument("--quiet", action="store_true", help="print the summary alone")
    options = parser.parse_args()
    if sys.platform == "win32":
        parser.error("there is no SIGKILL on Windows")
    print(f"seed                {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="ragctl-chaos-") as folder:
        base = Path(folder)
        base.chmod(0o755)
        os.environ.setdefault(SHARED_VARIABLE, str(base / "shared"))  # as root, nothing stays behind
        chaos = Chaos(base, seed=options.seed, documents=options.documents)
        summary = chaos.run(
            options.rounds, told=lambda line: None if options.quiet else print(line, flush=True)
        )
    print(summary.text())
    return 1 if summary.differences else 0


if __name__ == "__main__":
    sys.exit(main())
