"""A file with a line of JSON for each of many questions, in their order, that can be gone on with.

Questions that failed are asked again when the same command goes on. What came of them then lies in a file
beside it, `NAME.again`, until all have been asked, and then takes the place of their lines: so a process
may be killed at any point, and nothing that has an answer is asked again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ragctl.errors import UsageError


class ResultsFile:
    """Results of some questions, which it takes one after the other.

    Args:
        questions: all of them, those with a line already among them.

    Attributes:
        before: how many had a result already.
        again: how many had failed before, and are asked again.
        failed: how many lines are of questions that failed.
        left: the numbers, from 0, of those that are to be asked.

    Raises:
        UsageError: it cannot be read or written, or its lines are of other questions.
    """

    def __init__(self, path: Path, questions: Sequence[str]) -> None:
        self.path = path
        self._beside = path.with_name(f"{path.name}.again")
        self._put_in_place()
        self._file = _opened(path)
        self._again: IO[bytes] | None = None
        try:
            failed, self._lines = self._taken_over(questions)
        except BaseException:
            self._file.close()
            raise
        self.failed = self.again = len(failed)
        self.before = self._lines - self.again
        self.left = (*failed, *range(self._lines, len(questions)))
        self._next = iter(self.left)

    def __enter__(self) -> ResultsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._again is not None:
            self._again.close()
            self._put_in_place()

    def _taken_over(self, questions: Sequence[str]) -> tuple[list[int], int]:
        """Which lines are of failures, and how many there are; one that was not written whole is cut off."""
        failed: list[int] = []
        whole = number = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            found = _document(line)
            if (
                found is None
                or number >= len(questions)
                or found["question"].strip() != questions[number].strip()
            ):
                raise self._of_others(number)
            if "error" in found:
                failed.append(number)
            number += 1
            whole += len(line)
        self._file.seek(whole)
        self._file.truncate()
        return failed, number

    def _of_others(self, number: int) -> UsageError:
        return UsageError(
            "the file holds something else than the results of these questions",
            where=f"{self.path}:{number + 1}",
            hint="name a new file, or the questions that these results are of",
        )

    def add(self, document: dict[str, Any]) -> None:
        """The result of the next of `left`; it is in a file, as far as this process goes, when this returns.

        Raises:
            UsageError: it cannot be written.
        """
        number = next(self._next)
        failed = "error" in document
        if number >= self._lines:
            self.failed += failed
            self._write(self._file, document)
            return
        self.failed -= not failed
        if self._again is None:
            self._again = _opened(self._beside)
        self._write(self._again, {"line": number, "result": document})

    def _write(self, file: IO[bytes], document: dict[str, Any]) -> None:
        try:
            file.write(_line(document))
            file.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _put_in_place(self) -> None:
        """What was asked again, in the place of the lines of the failures; the other lines as they were."""
        if not self._beside.exists():
            return
        made = self.path.with_name(f"{self.path.name}.new")
        try:
            if self.path.exists():
                found = self._asked_again()
                with self.path.open("rb") as old, made.open("wb") as new:
                    for number, line in enumerate(old):
                        new.write(_in_place_of(line, found.get(number)))
                    new.flush()
                    os.fsync(new.fileno())
                made.replace(self.path)
            self._beside.unlink()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _asked_again(self) -> dict[int, dict[str, Any]]:
        """Results by the number of their line; a last one that was not written whole is left out."""
        lines = self._beside.read_bytes().split(b"\n")[:-1]
        try:
            return {int(one["line"]): dict(one["result"]) for one in map(json.loads, lines)}
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(
                "the file holds something else than results of questions that were asked again",
                where=str(self._beside),
                hint=f"move it away: what {self.path.name} lacks is then asked again",
            ) from error


def _in_place_of(line: bytes, result: dict[str, Any] | None) -> bytes:
    """The result, if the line is of the same question, which failed; else the line."""
    before = _document(line) if result is not None and line.endswith(b"\n") else None
    if result is None or before is None or "error" not in before:
        return line
    return _line(result) if before["question"].strip() == str(result.get("question")).strip() else line


def _opened(path: Path) -> IO[bytes]:
    try:
        path.touch()
        return path.open("r+b")
    except OSError as error:
        raise UsageError(
            f"the file of results cannot be opened: {error.strerror}", where=str(path)
        ) from error


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"the file of results cannot be written: {error.strerror}", where=str(path))


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _document(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_one = isinstance(found, dict) and isinstance(found.get("question"), str)
    return found if is_one and ("hits" in found or "error" in found) else None
