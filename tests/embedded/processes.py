"""Other processes that use an embedded server, as other users where root runs the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ragctl
from ragctl.embedded.account import Account

NOBODY = 65534
PRELUDE = """
import os, sys, time, json
from pathlib import Path
from ragctl.errors import RagctlError
from ragctl.embedded.server import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
"""

needs_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can lend a server to another user"
)


def start(
    code: str, *arguments: object, python: str = sys.executable, **options: Any
) -> subprocess.Popen[str]:
    """Runs `code` after PRELUDE with these arguments; the caller waits for it."""
    path = [
        str(Path(ragctl.__file__).parents[1]),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), **options.pop("extra_environment", {})}
    return subprocess.Popen(
        [python, "-c", PRELUDE + code, *map(str, arguments)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **options,
    )


def run(code: str, *arguments: object, **options: Any) -> str:
    """The standard output of `code`, which must end well and close what it inherited."""
    process = start(code, *arguments, **options)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def python_for(uid: int) -> str:
    """A Python of this version that the user can run; the tests' own may lie in root's home."""
    user = Account(uid, uid, "other", keeps_files=False)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/{name}", shutil.which(name)):
        if candidate and Path(candidate).exists() and user.can_reach(Path(candidate)):
            return candidate
    pytest.skip(f"no {name} here that another user than root can run")


def as_user(uid: int) -> dict[str, Any]:
    return {"user": uid, "group": uid, "extra_groups": [], "python": python_for(uid), "cwd": "/"}


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Fails if `condition` does not come true; the limit is for a machine that hangs, not a measure."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)
