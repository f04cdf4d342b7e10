"""A bare copy of one revision of a git repository, without history, fetched by the `git` program.

What a repository or its address says is data, never an option, a hook or a program: addresses and revisions
are of few shapes and stand behind `--`, only https, ssh and local files are spoken, and of the user's own
configuration of git nothing is read. A token goes to git through its environment, not its command line.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from filelock import FileLock

from ragctl.errors import MissingPackage

PROTOCOLS = "https:ssh:file"
_REF = "refs/ragctl/{}"
_HTTPS = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?/[^\s?#]+")
_SSH = re.compile(r"ssh://([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?/[^\s?#]+")
_SCP = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]+:(?!//)[A-Za-z0-9_.~/][^\s]*")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,249}")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_PASSED_ON = ("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP", "LANG", "SSH_AUTH_SOCK")
_PROXIES = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "GIT_SSL_CAINFO")


class GitFailed(Exception):
    """git did not do it; the message is the last of what it said, without any secret."""


def is_remote(url: str) -> bool:
    """Is it of another machine, and no path?"""
    return bool(_HTTPS.fullmatch(url) or _SSH.fullmatch(url) or _SCP.fullmatch(url))


def is_revision(text: str) -> bool:
    """A branch, a tag, a full ref or a whole commit id; nothing that is an expression of git's."""
    return bool(_REVISION.fullmatch(text)) and ".." not in text and not text.endswith((".lock", "/", "."))


class GitRepository:
    """One revision of one repository, in a folder that several runs and revisions share.

    Args:
        url: `https://…`, `ssh://…`, `user@host:path`, or an absolute path.
        revision: see `is_revision`; `HEAD` is the branch that the repository itself names.
        folder: where copies lie.
        token: sent to an https server as password.
        user: the name that goes with it.
        timeout: seconds that a fetch may take.
        environment: what git needs of the process's own.

    Raises:
        ValueError: address or revision are none.
    """

    def __init__(
        self,
        url: str,
        revision: str,
        folder: Path,
        *,
        token: str | None = None,
        user: str = "x-access-token",
        timeout: float = 600,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        local = Path(url).is_absolute() and "\n" not in url
        if not local and not is_remote(url):
            raise ValueError(f"{url!r} is no address of a repository: https, ssh or a path")
        if not is_revision(revision):
            raise ValueError(f"{revision!r} is no branch, tag or commit")
        self._url = Path(url).as_uri() if local else url
        self._revision = revision
        name = hashlib.sha256(self._url.encode("utf-8")).hexdigest()[:20]
        self._folder = folder / f"{name}.git"
        self._ref = _REF.format(hashlib.sha256(revision.encode("utf-8")).hexdigest()[:20])
        self._timeout = timeout
        self._environment = self._made_environment(environment or os.environ, token, user)
        self._token = token

    def fetch(self) -> str:
        """Brings the revision; what is there already is not sent again. The id of its commit.

        Raises:
            GitFailed: it cannot be had.
            MissingPackage: there is no `git`.
        """
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self._folder}.lock"):
            if not (self._folder / "HEAD").is_file():
                self._git("init", "--quiet", "--bare", "--template=", "--", str(self._folder), outside=True)
            self._bring(self._revision)
        return self.commit()

    def commit(self) -> str:
        """The commit that was brought last."""
        found = (
            self._git("rev-parse", "--verify", "--quiet", f"{self._ref}^{{commit}}").decode("ascii").strip()
        )
        if not _COMMIT.fullmatch(found):
            raise GitFailed("the revision is no commit")
        return found

    def content_of(self, path: str) -> str | None:
        """The id of what is at a path in the commit that was brought last; None if there is nothing."""
        try:
            return (
                self._git("rev-parse", "--verify", "--quiet", f"{self._ref}:{path}").decode("ascii").strip()
            )
        except GitFailed:
            return None

    def tree(self, commit: str, folder: str) -> Iterator[bytes]:
        """Every entry below a folder as git says it: `mode type id size TAB path`, in the order of paths.

        Raises:
            GitFailed: there is no such folder, or git breaks off.
        """
        process = self._started("ls-tree", "-r", "-z", "--long", f"{commit}:{folder}")
        assert process.stdout is not None
        with process:
            try:
                yield from _separated(process.stdout)
                self._ended(process)
            finally:
                process.kill()

    def blob(self, blob: str) -> subprocess.Popen[bytes]:
        """A process whose output is the blob's bytes."""
        return self._started("cat-file", "blob", blob)

    def ended(self, process: subprocess.Popen[bytes]) -> None:
        """Called when all of a process's output was read.

        Raises:
            GitFailed: it was not all.
        """
        self._ended(process)

    def _bring(self, revision: str) -> None:
        self._git(
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--force",
            "--",
            self._url,
            f"+{revision}:{self._ref}",
        )

    def _git(self, *arguments: str, outside: bool = False) -> bytes:
        process = self._started(*arguments, outside=outside)
        with process:
            try:
                out, err = process.communicate(timeout=self._timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise GitFailed(f"git {arguments[0]} took more than {self._timeout:,.0f} seconds") from None
        if process.returncode:
            raise GitFailed(self._said(err) or f"git {arguments[0]} ended with {process.returncode}")
        return out

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        said = process.stderr.read()
        if process.wait():
            raise GitFailed(self._said(said) or f"git ended with {process.returncode}")

    def _started(self, *arguments: str, outside: bool = False) -> subprocess.Popen[bytes]:
        program = shutil.which("git")
        if program is None:
            raise MissingPackage(
                "a source of type git needs the program git, which is not installed",
                hint="Install git 2.31 or later and see that it is on the PATH.",
            )
        place = [] if outside else [f"--git-dir={self._folder}"]
        return subprocess.Popen(
            [program, *place, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
        )

    def _made_environment(self, given: Mapping[str, str], token: str | None, user: str) -> dict[str, str]:
        settings = {
            "core.hooksPath": os.devnull,
            "gc.auto": "0",
            "maintenance.auto": "false",
            "protocol.version": "2",
            "http.lowSpeedLimit": "1000",
            "http.lowSpeedTime": "60",
        }
        if token is not None:
            login = base64.b64encode(f"{user}:{token}".encode()).decode("ascii")
            settings["http.extraHeader"] = f"Authorization: Basic {login}"
            settings["http.followRedirects"] = "false"  # it would go with the redirection
        numbered = dict(enumerate(settings.items()))
        return {
            **{key: given[key] for key in (*_PASSED_ON, *_PROXIES) if key in given},
            **{f"GIT_CONFIG_KEY_{number}": key for number, (key, _) in numbered.items()},
            **{f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in numbered.items()},
            "GIT_CONFIG_COUNT": str(len(numbered)),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ALLOW_PROTOCOL": PROTOCOLS,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=30",
            "LC_ALL": "C.UTF-8",
        }

    def _said(self, err: bytes) -> str:
        lines = [line.strip() for line in err.decode("utf-8", "replace").splitlines() if line.strip()]
        first = next((line for line in lines if line.startswith(("fatal:", "error:", "remote:"))), "")
        text = (first or (lines[-1] if lines else ""))[:300]
        return text.replace(self._token, "***") if self._token else text


def _separated(stream: IO[bytes]) -> Iterator[bytes]:
    """What stands between null bytes, as it comes."""
    rest = b""
    while block := stream.read(1 << 16):
        *whole, rest = (rest + block).split(b"\0")
        yield from whole
    if rest:
        raise GitFailed("its output breaks off")
