"""rephrase, query, dedupe, rank and answer: each a task of its own, or neighbours in one.

Questions go from task to task as a reference; the hits lie in the run's folder of the work directory,
which the last stage removes. Neighbours in one task hand on in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, ClassVar

from ragctl.errors import DocumentError, RagctlError, UsageError
from ragctl.run.answering.ask import Asker
from ragctl.run.answering.asked import SCHEMA_VERSION, Asked, fails_alone
from ragctl.run.answering.context import Context
from ragctl.run.answering.ordering import order
from ragctl.run.answering.rewording import begin, reword
from ragctl.run.answering.searching import fold
from ragctl.run.answering.writing import write_answer
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.tasks.bulk_format import hit_of, read_lines, write_lines
from ragctl.run.tasks.parameters import ask_parameters
from ragctl.run.tasks.work_directory import BulkGone, WorkDirectory
from ragctl.run.usage import usage_of
from ragctl.types import Hit, Message

STAGES = ("rephrase", "query", "dedupe", "rank", "answer")


def run_questions(
    composition: Composition,
    stages: Sequence[str],
    given: Mapping[str, Any] | None,
    conf: Mapping[str, Any] | str | None,
    run: str,
    work: WorkDirectory,
) -> dict[str, Any]:
    """Carries out neighbouring stages on the run's questions.

    Args:
        given: what the task before returned; None for `rephrase`.
        conf: the parameters of the run.

    Returns:
        After `answer`: the JSON document of `ragctl ask`, or of each of several questions under
        `results`. Before: a reference.

    Raises:
        UsageError: a parameter is wrong, or the one question is.
        NothingPublished, Mismatch, Unavailable: see there.
    """
    return _AskTask(composition, run, work, conf).run(stages, given)


class _AskTask:
    def __init__(
        self,
        composition: Composition,
        run: str,
        work: WorkDirectory,
        conf: Mapping[str, Any] | str | None,
    ) -> None:
        self._composition = composition
        self._run = run
        self._folder = work.of(run)
        self._parameters = ask_parameters(conf)
        self._asked: list[Asked | _Failed] = []

    def run(self, stages: Sequence[str], given: Mapping[str, Any] | None) -> dict[str, Any]:
        if stages[0] != "rephrase":
            self._take_over(given or {})
        for stage in stages:
            self._STAGES[stage](self)
        if stages[-1] != "answer":
            return self._hand_on(stages[-1])
        if stages[0] != "rephrase":
            with suppress(RagctlError):  # what is left behind is removed another time
                self._folder.remove_all()
        return self._result()

    def _each(self, step: Callable[[Asked], None]) -> None:
        """A question that is wrong fails alone, unless it is the only one."""
        for number, asked in enumerate(self._asked):
            if isinstance(asked, _Failed):
                continue
            try:
                step(asked)
            except RagctlError as error:
                if self._parameters.single or not fails_alone(error):
                    raise _of_the_question(error) from error
                self._asked[number] = _Failed(asked.question, _of_the_question(error).as_json())

    def _rephrase(self) -> None:
        self._asked = [Asked(question, (question,)) for question in self._parameters.questions]

        def step(asked: Asked) -> None:
            begun = begin(asked.question, self._parameters.history)
            asked.question, asked.versions = begun.question, begun.versions
            asked.history = begun.history
            reword(asked, self._context)

        self._each(step)

    def _query(self) -> None:
        with database_errors():
            asker = Asker(
                self._composition,
                top_n=self._parameters.top_n,
                sensitive=self._parameters.sensitive,
                where=self._parameters.where,
            )
        self._each(asker.query)

    def _dedupe(self) -> None:
        self._each(lambda asked: fold(asked, self._composition, top_n=self._top_n))

    def _rank(self) -> None:
        reranker = self._composition.reranker
        self._each(lambda asked: order(asked, self._context, reranker, top_n=self._top_n, turn=nullcontext()))

    def _answer(self) -> None:
        self._each(lambda asked: write_answer(asked, self._context))

    @property
    def _top_n(self) -> int:
        return self._parameters.top_n or self._composition.spec.document_ask.rank.top_n

    @cached_property
    def _context(self) -> Context:
        return Context(self._composition, sensitive=self._parameters.sensitive)

    _STAGES: ClassVar[dict[str, Callable[[_AskTask], None]]] = {
        "rephrase": _rephrase,
        "query": _query,
        "dedupe": _dedupe,
        "rank": _rank,
        "answer": _answer,
    }

    def _hand_on(self, stage: str) -> dict[str, Any]:
        with self._folder.writing(stage, "jsonl.gz") as (file, name):
            write_lines(file, map(_entry, self._asked))
        return {"run": self._run, "questions": len(self._asked), "file": name[0]}

    def _take_over(self, given: Mapping[str, Any]) -> None:
        try:
            self._asked = [_asked_of(line) for line in read_lines(self._folder.read(given["file"]))]
        except BulkGone as gone:
            raise UsageError(
                f"what the task before left is gone: {gone}",
                where="airflow.work_dir",
                hint="clear the run's tasks from `rephrase` on, or ask again",
            ) from None

    def _result(self) -> dict[str, Any]:
        results = [self._document(one) for one in self._asked]
        return (
            results[0] if self._parameters.single else {"schema_version": SCHEMA_VERSION, "results": results}
        )

    def _document(self, asked: Asked | _Failed) -> dict[str, Any]:
        if isinstance(asked, _Failed):
            return {"question": asked.question, "error": asked.error}
        asked.timings["total_ms"] = sum(asked.timings.get(f"{step}_ms", 0.0) for step in (*STAGES, "verify"))
        return asked.result().as_json()


class _Failed:
    """A question that failed among others, and the error as JSON."""

    def __init__(self, question: str, error: dict[str, Any]) -> None:
        self.question = question
        self.error = error


def _entry(asked: Asked | _Failed) -> dict[str, Any]:
    if isinstance(asked, _Failed):
        return {"question": asked.question, "error": asked.error}
    return asdict(replace(asked, answer=None, raw=""))  # the last step's alone, which hands nothing on


def _asked_of(entry: dict[str, Any]) -> Asked | _Failed:
    if "error" in entry:
        return _Failed(entry["question"], entry["error"])
    read = {
        **entry,
        "versions": tuple(entry["versions"]),
        "lists": [_hits(hits) for hits in entry["lists"]],
        "by_version": [_hits(hits) for hits in entry["by_version"]],
        **{name: _hits(entry[name]) for name in ("hits", "left_out", "shown_before")},
        "history": tuple(Message(**one) for one in entry["history"]),
        "usage": {stage: usage_of(one) for stage, one in entry["usage"].items()},
    }
    return Asked(**read)


def _hits(entries: Sequence[Mapping[str, Any]]) -> list[Hit]:
    return [hit_of(dict(one)) for one in entries]


def _of_the_question(error: RagctlError) -> RagctlError:
    """What is wrong with a question is the caller's mistake, as on the command line."""
    if isinstance(error, DocumentError):
        return UsageError(f"the question cannot be answered: {error.message}", where=error.where)
    return error
