"""What is known of web pages from one run to the next, in a folder under the work directory.

`pages.sqlite` has what a conditional request needs and what was found in a page; `bodies/` has the bytes
of those that were fetched lately, so that a page that was fetched while its source was listed is not
fetched again to be read. All of it may be lost: pages are then fetched again, and nothing else changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ragctl.errors import Unavailable

KEEP_SECONDS = 24 * 3600.0
"""How long bodies are kept."""
RESUME_SECONDS = 6 * 3600.0
"""How old a listing that broke off may be to be gone on with."""

_DATABASE = "pages.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pages (
    url TEXT PRIMARY KEY, final_url TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    media_type TEXT NOT NULL, headers TEXT NOT NULL, etag TEXT, last_modified TEXT, checked REAL NOT NULL,
    facts TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS listing (one INTEGER PRIMARY KEY CHECK (one = 1), begun REAL NOT NULL);
"""
_COLUMNS = "url, final_url, digest, size, media_type, headers, etag, last_modified, checked, facts"


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was when it was last looked at.

    Attributes:
        url: that was asked for; `final_url` is where it led.
        digest: SHA-256 (hex) of its bytes, of which there are `size`.
        media_type: without parameters; empty if the server names none.
        headers: those that its readers want.
        checked: seconds since 1970.
        facts: what its source found in it (links and the like), as JSON values.
    """

    url: str
    final_url: str
    digest: str
    size: int
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    last_modified: str | None = None
    checked: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)


class WebPageStore:
    """The pages of one source.

    Args:
        work_directory: `.ragctl` beside the spec; made when needed.
        name: the source's.
    """

    def __init__(self, work_directory: Path, name: str) -> None:
        key = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        readable = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
        self._folder = Path(work_directory) / "web" / f"{readable}-{key}"
        self._bodies = self._folder / "bodies"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Ends its connection; it opens another one when it is used again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def find(self, url: str) -> Page | None:
        """What is known of it."""
        rows = self._ask(f"SELECT {_COLUMNS} FROM pages WHERE url = ?", url)
        return _page(rows[0]) if rows else None

    def keep(self, page: Page) -> None:
        """In place of what was known of it."""
        values = (
            page.url,
            page.final_url,
            page.digest,
            page.size,
            page.media_type,
            json.dumps(dict(page.headers)),
            page.etag,
            page.last_modified,
            page.checked,
            json.dumps(dict(page.facts)),
        )
        self._ask(f"INSERT OR REPLACE INTO pages ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *values)

    def forget(self, url: str) -> None:
        """Nothing is known of it any more."""
        self._ask("DELETE FROM pages WHERE url = ?", url)

    def begin_listing(self, *, resume: bool = True) -> float:
        """When the listing began, in seconds since 1970.

        Args:
            resume: go on with one that broke off, if it is not too old.
        """
        now = time.time()
        rows = self._ask("SELECT begun FROM listing")
        if resume and rows and 0 <= now - rows[0][0] < RESUME_SECONDS:
            begun: float = rows[0][0]
            return begun
        self._ask("INSERT OR REPLACE INTO listing (one, begun) VALUES (1, ?)", now)
        return now

    def end_listing(self, begun: float, *, still_there: Callable[[str], bool] | None = None) -> None:
        """It came to its end: what it did not see is forgotten, bodies that nobody needs are removed.

        Args:
            still_there: is this URL one of those that the listing named without looking at them?
        """
        self._ask("DELETE FROM listing")
        for (url,) in self._ask("SELECT url FROM pages WHERE checked < ?", begun):
            if still_there is None or not still_there(url):
                self.forget(url)
        wanted = {row[0] for row in self._ask("SELECT digest FROM pages")}
        old = time.time() - KEEP_SECONDS
        if self._bodies.is_dir():
            for entry in os.scandir(self._bodies):
                with suppress(OSError):  # another process may remove it too, or be reading it (Windows)
                    if entry.name not in wanted or entry.stat().st_mtime < old:
                        Path(entry.path).unlink()

    def body(self, digest: str) -> Path | None:
        """Where its bytes lie, if they are kept."""
        path = self._bodies / digest
        return path if path.is_file() else None

    @contextmanager
    def new_body(self) -> Iterator[BinaryIO]:
        """A file to write a body to, which is gone afterwards unless `adopt` took it."""
        self._bodies.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._bodies, prefix="new-")
        os.close(descriptor)
        try:
            with Path(name).open("w+b") as file:  # so that the file knows its name
                yield file
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()

    def adopt(self, file: BinaryIO, digest: str) -> Path:
        """Keeps what `new_body` gave; returns where."""
        path = self._bodies / digest
        file.close()
        Path(file.name).replace(path)
        return path

    def _ask(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            try:
                return self._told(statement, values)
            except sqlite3.OperationalError as error:  # locked, no room, no right to write
                raise self.unusable(error) from error
            except sqlite3.DatabaseError:
                self._throw_away()
                return self._told(statement, values)
            except OSError as error:
                raise self.unusable(error) from error

    def _told(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        connection = self._connected()
        with connection:
            return connection.execute(statement, values).fetchall()

    def _throw_away(self) -> None:
        """It is damaged; all that it held can be had again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        (self._folder / _DATABASE).unlink(missing_ok=True)

    def unusable(self, error: Exception) -> Unavailable:
        """The error for a folder that cannot be written to."""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Unavailable(
            f"what is known of the web pages cannot be kept: {reason}",
            where=str(self._folder),
            hint="Check that there is room, and that the folder may be written to.",
        )

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._connection = _opened(self._folder / _DATABASE)
        return self._connection


def _opened(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=60.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # what a loss of power damages is fetched again
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _page(row: Any) -> Page:
    url, final_url, digest, size, media_type, headers, etag, last_modified, checked, facts = row
    return Page(
        url,
        final_url,
        digest,
        size,
        media_type,
        json.loads(headers),
        etag,
        last_modified,
        checked,
        json.loads(facts),
    )
