"""LibreOffice as a converter: found where it is installed, run without a window, a network or macros."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from ragctl.errors import MalformedDocument

INSTALL = (
    "Debian and Ubuntu: apt install libreoffice-writer libreoffice-impress; "
    "macOS: brew install --cask libreoffice; Windows: winget install TheDocumentFoundation.LibreOffice"
)
SECONDS = 240.0
"""For one document: less than a worker's default of 300, so that this reason is the one that is given."""
_ELSEWHERE = (
    "/Applications/LibreOffice.app/Contents/MacOS/soffice",
    "C:/Program Files/LibreOffice/program/soffice.exe",
    "/opt/libreoffice/program/soffice",
)
_OPTIONS = ("--headless", "--invisible", "--nologo", "--norestore", "--nolockcheck", "--nodefault")
_SECURITY = "/org.openoffice.Office.Common/Security/Scripting"
_NETWORK = "/org.openoffice.Inet/Settings"
_SETTINGS = (
    (_SECURITY, "DisableMacrosExecution", "true"),
    (_SECURITY, "MacroSecurityLevel", "3"),
    (_SECURITY, "BlockUntrustedRefererLinks", "true"),
    (_NETWORK, "ooInetProxyType", "2"),
    (_NETWORK, "ooInetHTTPProxyName", "127.0.0.1"),
    (_NETWORK, "ooInetHTTPProxyPort", "9"),
    (_NETWORK, "ooInetHTTPSProxyName", "127.0.0.1"),
    (_NETWORK, "ooInetHTTPSProxyPort", "9"),
)
"""A profile of its own: no macros, and for what a document links to, a proxy that is not there."""


def program() -> str | None:
    """Where LibreOffice is: on PATH, or where its installers put it."""
    found = shutil.which("soffice") or shutil.which("libreoffice")
    return found or next((path for path in _ELSEWHERE if Path(path).is_file()), None)


def converted(data: bytes, suffix: str, target: str) -> bytes:
    """The document in another format.

    Args:
        suffix: of the format that it has, with its dot.
        target: suffix of the format to make, without a dot.

    Raises:
        MalformedDocument: LibreOffice cannot open it, takes longer than 240 s, or is not there.
    """
    soffice = program()
    if soffice is None:
        raise MalformedDocument("LibreOffice is not installed", hint=INSTALL)
    with tempfile.TemporaryDirectory(prefix="ragctl-office-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        profile = folder / "profile" / "user"
        profile.mkdir(parents=True)
        (profile / "registrymodifications.xcu").write_text(_registry(), encoding="utf-8")
        source = folder / f"document{suffix}"
        source.write_bytes(data)
        output = folder / "out"
        command = [
            soffice,
            f"-env:UserInstallation={profile.parent.as_uri()}",
            *_OPTIONS,
            "--convert-to",
            target,
            "--outdir",
            str(output),
            str(source),
        ]
        _run(command, folder)
        made = output / f"document.{target}"
        if not made.is_file():
            raise MalformedDocument("LibreOffice cannot open it: it is broken, or password-protected")
        return made.read_bytes()


def _registry() -> str:
    """The settings as LibreOffice keeps them in a profile."""
    items = "".join(
        f'<item oor:path="{path}"><prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>'
        for path, name, value in _SETTINGS
    )
    namespaces = 'xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<oor:items {namespaces}>{items}</oor:items>\n'


def _run(command: list[str], folder: Path) -> None:
    env = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder), "SAL_USE_VCLPLUGIN": "svp"}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=env,
        )
    except OSError as error:
        raise MalformedDocument(f"LibreOffice cannot be started: {error}") from None
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        raise MalformedDocument(f"LibreOffice took longer than {SECONDS:.0f} s") from None
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends it and the process that it has started, which does the work on Linux and Windows."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        for child in _children(process.pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
    process.kill()
    process.wait()


def _children(parent: int) -> list[int]:
    """Processes that `parent` has started, as Linux lists them; none elsewhere."""
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            text = status.read_text(encoding="utf-8", errors="replace")
            if int(text.rpartition(")")[2].split()[1]) == parent:
                found.append(int(status.parent.name))
    return found
