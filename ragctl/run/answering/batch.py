"""Many questions: several at once, results in order, and a file of them that can be gone on with."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from ragctl.errors import UsageError
from ragctl.run.answering.ask import Asker
from ragctl.run.answering.asked import AskResult, Unanswered

MOST_AT_ONCE = 64


def answer_each(
    asker: Asker, questions: Sequence[str], *, parallel: int = 1
) -> Iterator[AskResult | Unanswered]:
    """One result a question, in their order; a question fails alone.

    Args:
        parallel: how many are asked at the same time. No more than twice as many are ahead of the one that
            is given back next.

    Raises:
        RagctlError: see `Asker.ask_each`; what is under way ends first.
    """
    if parallel <= 1:
        yield from asker.ask_each(questions)
        return
    asker.prepare()
    idle: SimpleQueue[Asker] = SimpleQueue()
    for one in asker.several(parallel):
        idle.put(one)

    def answer(question: str) -> AskResult | Unanswered:
        mine = idle.get()
        try:
            return mine.ask_alone(question)
        finally:
            idle.put(mine)

    pool = ThreadPoolExecutor(parallel, thread_name_prefix="ask")
    waiting: deque[Future[AskResult | Unanswered]] = deque()
    try:
        for question in questions:
            if len(waiting) >= 2 * parallel:
                yield waiting.popleft().result()
            waiting.append(pool.submit(answer, question))
        while waiting:
            yield waiting.popleft().result()
    finally:
        if waiting:
            asker.stop_waiting()
        pool.shutdown(cancel_futures=True)
        asker.close()


class ResultsFile:
    """A file with a line of JSON for each of some questions, in their order; it grows as they are answered.

    Args:
        questions: all of them, those with a line already among them.

    Raises:
        UsageError: it cannot be read or written, or its lines are of other questions.
    """

    def __init__(self, path: Path, questions: Sequence[str]) -> None:
        self._path = path
        self.failed = 0
        self._file = self._opened()
        try:
            self.done = self._taken_over(questions)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> ResultsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _opened(self) -> IO[bytes]:
        try:
            self._path.touch()
            return self._path.open("r+b")
        except OSError as error:
            raise UsageError(
                f"the file of results cannot be opened: {error.strerror}", where=str(self._path)
            ) from error

    def _taken_over(self, questions: Sequence[str]) -> int:
        """How many lines there are; one that was not written whole is cut off."""
        whole = number = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            found = _document(line)
            if found is None or number >= len(questions) or found["question"] != questions[number].strip():
                raise self._of_others(number)
            self.failed += "error" in found
            number += 1
            whole += len(line)
        self._file.seek(whole)
        self._file.truncate()
        return number

    def _of_others(self, number: int) -> UsageError:
        return UsageError(
            "the file holds something else than the results of these questions",
            where=f"{self._path}:{number + 1}",
            hint="name a new file, or the questions that these results are of",
        )

    def add(self, document: dict[str, Any]) -> None:
        """The next question's result; it is in the file, as far as this process goes, when this returns.

        Raises:
            UsageError: it cannot be written.
        """
        self.failed += "error" in document
        try:
            self._file.write(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            self._file.flush()
        except OSError as error:
            raise UsageError(
                f"the file of results cannot be written: {error.strerror}", where=str(self._path)
            ) from error


def _document(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_one = isinstance(found, dict) and isinstance(found.get("question"), str)
    return found if is_one and ("hits" in found or "error" in found) else None
