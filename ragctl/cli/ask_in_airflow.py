"""`ragctl ask --airflow`: questions by way of the exported ask DAG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.cli.airflow_option import airflow_at, carry_out
from ragctl.errors import UsageError

if TYPE_CHECKING:
    from ragctl.airflow.dag_runs import DagClient
    from ragctl.spec.load import LoadedSpec
    from ragctl.types import Message

WAIT_S = 0.25
"""Seconds between two looks at a run: somebody is waiting for an answer."""


def ask_in_airflow(
    url: str,
    loaded: LoadedSpec,
    question: str | None,
    questions: list[str],
    top: int | None,
    *,
    sensitive: bool = False,
    where: Sequence[str] = (),
    history: Sequence[Message] = (),
    verbose: bool,
) -> Iterator[dict[str, Any]]:
    """The documents of `ragctl ask --format json`, one a question, in order.

    Args:
        question: the one question; if None, `questions` are asked, a DAG run for as many as it takes.
        top: hits for each; the spec's `ask.rank.top_n` if None.
        sensitive: they are, whatever the spec says.
        where: conditions on the documents, as they were written.
        history: turns of the conversation that the one question belongs to; the latest are handed on.

    Raises:
        UsageError: the question is empty or too long for the DAG; one of several fails alone. Or a condition
            is none.
        RagctlError: what the run failed with; see also `DagClient`.
    """
    from ragctl.cli.output import talk
    from ragctl.run.answering.conditions import conditions_of
    from ragctl.run.tasks.parameters import MOST_TURNS, ask_parameters

    conf: dict[str, Any] = {} if top is None else {"top_n": top}
    if sensitive:
        conf["sensitive"] = True
    if where:
        conf["where"] = list(where)
    if history:
        conf["history"] = [{"role": one.role, "content": one.content} for one in history[-MOST_TURNS:]]
    # What is wrong is said here, and not by a task's log.
    conditions_of(where, option="--where")
    ask_parameters({**conf, "question": "?"})
    with airflow_at(url, loaded, talk if verbose else _in_silence) as client:
        asker = _Asker(client, f"{loaded.spec.name}_ask", conf)
        if question is not None:
            yield asker.one(question)
        else:
            yield from asker.several(questions)


def refuse_what_no_run_takes(*, chat: bool, out: Path | None, parallel: int, max_cost: float | None) -> None:
    """
    Raises:
        UsageError: with why, for an option that means nothing to a run of the DAG.
    """
    reasons = {
        "--chat": (
            chat,
            "a run answers what it is given, and knows nothing of the one before: --history hands "
            "a conversation to one question",
        ),
        "--out": (
            out is not None,
            "a file is gone on with by who writes it: --format json > FILE keeps the results",
        ),
        "--parallel": (parallel > 1, "a run answers its questions in its own tasks"),
        "--max-cost": (max_cost is not None, "the tasks of a run that asks share no budget"),
    }
    for option, (is_given, reason) in reasons.items():
        if is_given:
            raise UsageError(f"{option} cannot be given together with --airflow: {reason}")


class _Asker:
    def __init__(self, client: DagClient, dag_id: str, conf: dict[str, Any]) -> None:
        self._client = client
        self._dag_id = dag_id
        self._conf = conf

    def one(self, question: str) -> dict[str, Any]:
        from ragctl.airflow.documents import ask_document

        mistake = _mistake(question)
        if mistake is not None:
            raise mistake
        return ask_document(self._result({"question": question}))

    def several(self, questions: list[str]) -> Iterator[dict[str, Any]]:
        """A question that the DAG's parameters do not allow would fail all those that go with it."""
        from ragctl.airflow.documents import ask_documents
        from ragctl.run.tasks.parameters import MOST_QUESTIONS

        for first in range(0, len(questions), MOST_QUESTIONS):
            part = questions[first : first + MOST_QUESTIONS]
            good = [question for question in part if _mistake(question) is None]
            found = iter(ask_documents(self._result({"questions": good}), len(good)) if good else ())
            for question in part:
                mistake = _mistake(question)
                yield next(found) if mistake is None else {"question": question, "error": mistake.as_json()}

    def _result(self, conf: dict[str, Any]) -> Any:
        outcome = carry_out(self._client, self._dag_id, "answer", {**self._conf, **conf}, interval_s=WAIT_S)
        if outcome.error is not None:
            raise outcome.error
        return outcome.result


def _mistake(question: str) -> UsageError | None:
    from ragctl.run.tasks.parameters import QUESTION_CHARACTERS

    if not question.strip():
        return UsageError("the question is empty")
    if len(question) > QUESTION_CHARACTERS:
        return UsageError(
            f"the question is too long: {len(question):,} characters, the DAG takes {QUESTION_CHARACTERS:,}",
            hint="shorten it",
        )
    return None


def _in_silence(message: str) -> None:
    """For someone who only wants the answer."""
