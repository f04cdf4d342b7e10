"""Where the tasks of a DAG leave what they hand on: a local directory, or object storage.

Each run has a folder of its own. A file is whole or not there: it is made under a temporary name and
renamed, or put into object storage, where an object appears whole. The names of bulk files hold a digest
of their content, so that two tries of one task never leave different content under one name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from ragctl.errors import MissingPackage, Unavailable, UsageError

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_DIGEST_LENGTH = 16
_IN_MEMORY_BYTES = 32_000_000
# A question's folder is left behind where a task failed; nobody waits for its answer after so long.
LEFT_BEHIND_S = 24 * 3600.0


class BulkGone(Exception):
    """A file that a reference names is not there any more, or is not what it was."""


class Storage(Protocol):
    """The little that is asked of a file system; paths are relative, with / between their parts."""

    def put(self, path: str, content: IO[bytes]) -> None: ...

    def get(self, path: str) -> bytes:
        """The content; FileNotFoundError if there is none."""
        ...

    def names(self, folder: str) -> list[str]:
        """What is in a folder; nothing if there is no such folder."""
        ...

    def remove(self, path: str) -> None:
        """A file or a folder with all that is in it; nothing if it is not there."""
        ...

    def age_s(self, path: str) -> float:
        """Seconds since it was last changed; 0 where that is not known."""
        ...


class LocalStorage:
    """A directory that all tasks see."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, path: str, content: IO[bytes]) -> None:
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            with part.open("wb") as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def get(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def names(self, folder: str) -> list[str]:
        directory = self._root / folder
        return sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []

    def remove(self, path: str) -> None:
        target = self._root / path
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def age_s(self, path: str) -> float:
        return time.time() - (self._root / path).stat().st_mtime


class ObjectStorage:
    """Whatever fsspec has an implementation for: `s3://`, `gs://`, `az://`, `memory://`."""

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import url_to_fs

            # Other processes write there as well: a listing of a moment ago is not to be trusted.
            self._files, self._root = url_to_fs(url, use_listings_cache=False)
        except ImportError as error:
            scheme = url.partition("://")[0]
            raise MissingPackage(
                f"the work directory {scheme}://… needs a Python package that is not installed: {error}",
                where="airflow.work_dir",
                hint="pip install 'ragctl[object-storage]' and fsspec's package for this kind of storage, "
                "such as s3fs, gcsfs or adlfs",
            ) from error

    def _path(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def put(self, path: str, content: IO[bytes]) -> None:
        self._files.makedirs(self._path(path).rpartition("/")[0], exist_ok=True)
        with self._files.open(self._path(path), "wb") as file:
            shutil.copyfileobj(content, file)

    def get(self, path: str) -> bytes:
        content: bytes = self._files.cat_file(self._path(path))
        return content

    def names(self, folder: str) -> list[str]:
        try:
            found = self._files.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def remove(self, path: str) -> None:
        if self._files.exists(self._path(path)):
            self._files.rm(self._path(path), recursive=True)

    def age_s(self, path: str) -> float:
        return 0.0


class WorkDirectory:
    """The folders of a pipeline's runs, `<work_dir>/<pipeline>/<kind>/<run>/`.

    Args:
        kind: `ingest` or `ask`.
    """

    def __init__(self, storage: Storage, pipeline: str, kind: str) -> None:
        self._storage = storage
        self._base = f"{pipeline}/{kind}"

    def of(self, run: str) -> RunFolder:
        """The folder of a run, whether it is there or not."""
        return RunFolder(self._storage, f"{self._base}/{self.folder_name(run)}")

    @staticmethod
    def folder_name(run: str) -> str:
        """Run ids hold characters that not every file system takes."""
        return hashlib.sha256(run.encode("utf-8")).hexdigest()[:24]

    def runs(self) -> list[str]:
        """The names of the folders that there are."""
        return self._storage.names(self._base)

    def folder(self, name: str) -> RunFolder:
        """One of `runs`."""
        return RunFolder(self._storage, f"{self._base}/{name}")


class RunFolder:
    """The files of one run."""

    def __init__(self, storage: Storage, base: str) -> None:
        self._storage = storage
        self._base = base

    def write_json(self, name: str, content: Any) -> None:
        """A small file under a name of its own; an older one is replaced."""
        text = json.dumps(content, ensure_ascii=False).encode("utf-8")
        with _unavailable(), tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
            file.write(text)
            file.seek(0)
            self._storage.put(self._path(name), file)

    def read_json(self, name: str) -> Any:
        """What `write_json` wrote; None if there is no such file."""
        try:
            with _unavailable():
                return json.loads(self._storage.get(self._path(name)))
        except FileNotFoundError:
            return None

    @contextmanager
    def writing(self, stem: str, suffix: str) -> Iterator[tuple[IO[bytes], list[str]]]:
        """A file to write to, and a list that holds its name once the block has ended."""
        name: list[str] = []
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
            yield file, name
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            name.append(f"{stem}-{digest[:_DIGEST_LENGTH]}.{suffix}")
            with _unavailable():
                self._storage.put(self._path(name[0]), file)

    def read(self, name: str) -> bytes:
        """The content of a file that `writing` made.

        Raises:
            BulkGone: it is not there, or not what its name says.
        """
        try:
            with _unavailable():
                content = self._storage.get(self._path(name))
        except FileNotFoundError:
            raise BulkGone(f"{name} is not there any more") from None
        digest = hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH]
        if f"-{digest}." not in name:
            raise BulkGone(f"{name} is not what was written")
        return content

    def names(self) -> list[str]:
        with _unavailable():
            return self._storage.names(self._base)

    def remove(self, name: str) -> None:
        with _unavailable():
            self._storage.remove(self._path(name))

    def remove_all(self) -> None:
        with _unavailable():
            self._storage.remove(self._base)

    def age_s(self) -> float:
        """Seconds since something was added to it; 0 where that is not known."""
        with _unavailable():
            return self._storage.age_s(self._base)

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of a file in a work directory")
        return f"{self._base}/{name}"


def work_directory(loaded: LoadedSpec, kind: str) -> WorkDirectory:
    """The work directory that the spec names.

    Raises:
        MissingPackage: its kind of storage needs a package that is not installed.
    """
    place = loaded.spec.airflow.work_dir
    storage: Storage = ObjectStorage(place) if "://" in place else LocalStorage(loaded.resolve(place))
    return WorkDirectory(storage, loaded.spec.name, kind)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable(
            f"the work directory cannot be used: {error.strerror or type(error).__name__}",
            where="airflow.work_dir",
            hint="every worker must see it and be allowed to write there",
        ) from error
