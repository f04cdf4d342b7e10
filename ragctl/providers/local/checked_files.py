"""A model's files, and that they are those whose digests its identity is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ragctl.errors import Unavailable
from ragctl.providers.local.description import Stamp, sha256_of, stamp_of


class FileModel(Protocol):
    """What is known of a model's files."""

    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> Mapping[str, str]:
        """Digest (hex) of each file that decides the output, by name."""
        ...

    @property
    def repair_hint(self) -> str:
        """What to do about a file that is not the right one."""
        ...

    @property
    def lower_case(self) -> bool:
        """Texts are lower-cased before the tokenizer's own normalisation."""
        ...

    @property
    def passage_prefix(self) -> str: ...


class CheckedFiles:
    """The files of a model, read only if they are the right ones.

    Attributes:
        folder: of the encoder's own files.
        root: of the modules' folders, where that is another.
        stamps: of files whose digest was taken when the model was described.
    """

    @property
    def model(self) -> FileModel:
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        raise NotImplementedError

    @property
    def root(self) -> Path | None:
        raise NotImplementedError

    @property
    def stamps(self) -> Mapping[str, Stamp]:
        raise NotImplementedError

    def path(self, name: str) -> Path:
        """Of a file that the model's digests name."""
        return (self.root or self.folder if "/" in name else self.folder) / name

    def read(self, name: str) -> bytes:
        """Bytes of a small file, verified.

        Raises:
            Unavailable: it cannot be read, or is not the file that the model's digest is of.
        """
        try:
            data = self.path(name).read_bytes()
        except OSError as error:
            raise self._unreadable(name, error) from error
        self._compare(name, hashlib.sha256(data).hexdigest())
        return data

    def verify(self, name: str) -> None:
        """Reads a large file through, unless it is unchanged since its digest was taken.

        Raises:
            Unavailable: it cannot be read, or is not the file that the model's digest is of.
        """
        try:
            if name in self.stamps and self.stamps[name] == stamp_of(self.path(name)):
                return
            digest = sha256_of(self.path(name))
        except OSError as error:
            raise self._unreadable(name, error) from error
        self._compare(name, digest)

    def _compare(self, name: str, digest: str) -> None:
        expected = self.model.sha256[name]
        if digest != expected:
            raise Unavailable(
                f"{name} of {self.model.name} is damaged or another version: "
                f"its SHA-256 is {digest[:12]}…, expected {expected[:12]}…",
                where=str(self.path(name)),
                hint=self.model.repair_hint,
            )

    def _unreadable(self, name: str, error: OSError) -> Unavailable:
        return Unavailable(
            f"{name} of {self.model.name} cannot be read: {error.strerror or error}",
            where=str(self.path(name)),
            hint=self.model.repair_hint,
        )
