"""rephrase, query, dedupe, rank and answer of questions to a database: each a task, or neighbours in one.

As in `ask_task`, a reference goes from task to task, and what it stands for, rows of the database among it,
lies in the run's folder of the work directory, which the last stage removes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ragctl.errors import RagctlError, UsageError
from ragctl.run.answering.asked import SCHEMA_VERSION, Asked, fails_alone
from ragctl.run.answering.rewording import begin
from ragctl.run.composition import Composition
from ragctl.run.sql_answering.asking import STAGES, NoStatement, SqlAsker, carry_out, finished
from ragctl.run.tasks.bulk_format import read_lines, write_lines
from ragctl.run.tasks.parameters import ask_parameters
from ragctl.run.tasks.work_directory import BulkGone, WorkDirectory
from ragctl.run.usage import usage_of
from ragctl.sql.assistant import SqlAsked
from ragctl.sql.wire import from_json, to_json

OF_DOCUMENTS = ("where", "history", "top_n")
"""Parameters that mean nothing to a database."""


def run_sql_questions(
    composition: Composition,
    stages: Sequence[str],
    given: Mapping[str, Any] | None,
    conf: Mapping[str, Any] | str | None,
    run: str,
    work: WorkDirectory,
) -> dict[str, Any]:
    """As `ask_task.run_questions`, for a spec with `ask.type: sql`.

    Raises:
        UsageError: a parameter is wrong, or the one question is.
        RagctlError: see `SqlAsker`.
    """
    parameters = ask_parameters(conf)
    for name in OF_DOCUMENTS:
        if getattr(parameters, name):
            raise UsageError(
                f"the parameter {name!r} is for documents, and this DAG asks a database", where="conf"
            )
    asker = SqlAsker(composition, sensitive=parameters.sensitive)
    task = _SqlAskTask(asker, run, work, parameters.single)
    try:
        return task.run(stages, given, parameters.questions)
    finally:
        asker.close()


@dataclass
class _Entry:
    """A question on its way, or the error that it failed with, as JSON."""

    asked: Asked
    on_its_way: SqlAsked
    error: dict[str, Any] | None = None
    result: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "question": self.asked.question,
            "timings": self.asked.timings,
            "usage": to_json(self.asked.usage),
            "on_its_way": to_json(self.on_its_way),
            "error": self.error,
        }

    @classmethod
    def of_json(cls, one: Mapping[str, Any]) -> _Entry:
        asked = Asked(one["question"], (one["question"],), timings=dict(one["timings"]))
        asked.usage = {stage: usage_of(usage) for stage, usage in one["usage"].items()}
        return cls(asked, from_json(SqlAsked, one["on_its_way"]), one["error"])


class _SqlAskTask:
    def __init__(self, asker: SqlAsker, run: str, work: WorkDirectory, single: bool) -> None:
        self._asker, self._run, self._single = asker, run, single
        self._folder = work.of(run)
        self._entries: list[_Entry] = []

    def run(
        self, stages: Sequence[str], given: Mapping[str, Any] | None, questions: Sequence[str]
    ) -> dict[str, Any]:
        if stages[0] == STAGES[0]:
            self._begin(questions)
        else:
            self._take_over(given or {})
        for stage in stages:
            self._each(lambda entry, stage=stage: self._carry_out(entry, stage))  # type: ignore[misc]
        if stages[-1] != STAGES[-1]:
            return self._hand_on(stages[-1])
        if stages[0] != STAGES[0]:
            with suppress(RagctlError):  # what is left behind is removed another time
                self._folder.remove_all()
        return self._result()

    def _begin(self, questions: Sequence[str]) -> None:
        self._entries = [_Entry(Asked(one, (one,)), SqlAsked(one)) for one in questions]

        def stripped(entry: _Entry) -> None:
            entry.asked = begin(entry.asked.question)
            entry.on_its_way = SqlAsked(entry.asked.question)

        self._each(stripped)

    def _each(self, step: Callable[[_Entry], None]) -> None:
        """A question that is wrong fails alone, unless it is the only one."""
        for entry in self._entries:
            if entry.error is not None:
                continue
            try:
                step(entry)
            except RagctlError as error:
                if self._single or not (fails_alone(error) or isinstance(error, NoStatement)):
                    raise
                entry.error = error.as_json()

    def _carry_out(self, entry: _Entry, stage: str) -> None:
        asked, context = entry.asked, self._asker.context
        with asked.timed("schema"):
            assistant = context.assistant(self._asker.database, asked)
        if stage != STAGES[-1]:
            with asked.timed(stage):
                carry_out(assistant, stage, entry.on_its_way)
            return
        with asked.timed(stage):
            answer = assistant.answer(entry.on_its_way)
        asked.timings["total_ms"] = sum(asked.timings.values())
        entry.result = finished(asked, answer, context).as_json()

    def _hand_on(self, stage: str) -> dict[str, Any]:
        with self._folder.writing(stage, "jsonl.gz") as (file, name):
            write_lines(file, (entry.as_json() for entry in self._entries))
        return {"run": self._run, "questions": len(self._entries), "file": name[0]}

    def _take_over(self, given: Mapping[str, Any]) -> None:
        try:
            self._entries = [_Entry.of_json(line) for line in read_lines(self._folder.read(given["file"]))]
        except BulkGone as gone:
            raise UsageError(
                f"what the task before left is gone: {gone}",
                where="airflow.work_dir",
                hint="clear the run's tasks from `rephrase` on, or ask again",
            ) from None

    def _result(self) -> dict[str, Any]:
        results = [
            entry.result if entry.error is None else {"question": entry.asked.question, "error": entry.error}
            for entry in self._entries
        ]
        return results[0] if self._single else {"schema_version": SCHEMA_VERSION, "results": results}
