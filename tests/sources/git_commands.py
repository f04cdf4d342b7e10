"""Makes real repositories, with nothing of the user's configuration of git in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_WHO = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@docs.example",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@docs.example",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(*arguments: str, at: Path | None = None) -> str:
    """What git says; it is an error if it fails."""
    place = () if at is None else ("-C", str(at))
    done = subprocess.run(
        ["git", *place, *arguments], env={**os.environ, **_WHO}, capture_output=True, check=True
    )
    return done.stdout.decode("utf-8").strip()


def commit(repository: Path) -> str:
    """Commits all that is there; the commit's id."""
    git("add", "--all", at=repository)
    git("commit", "--quiet", "--allow-empty", "--message=change", at=repository)
    return git("rev-parse", "HEAD", at=repository)
