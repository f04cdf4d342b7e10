"""`ragctl ask --airflow`: questions by way of the exported ask DAG."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragctl.cli.airflow_option import airflow_at, carry_out
from ragctl.errors import UsageError

if TYPE_CHECKING:
    from ragctl.airflow.dag_runs import DagClient
    from ragctl.spec.load import LoadedSpec

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
    verbose: bool,
) -> Iterator[dict[str, Any]]:
    """The documents of `ragctl ask --format json`, one a question, in order.

    Args:
        question: the one question; if None, `questions` are asked, a DAG run for as many as it takes.
        top: hits for each; the spec's `ask.rank.top_n` if None.
        sensitive: they are, whatever the spec says.

    Raises:
        UsageError: the question is empty or too long for the DAG; one of several fails alone.
        RagctlError: what the run failed with; see also `DagClient`.
    """
    from ragctl.cli.output import talk

    conf: dict[str, Any] = {} if top is None else {"top_n": top}
    if sensitive:
        conf["sensitive"] = True
    with airflow_at(url, loaded, talk if verbose else _in_silence) as client:
        asker = _Asker(client, f"{loaded.spec.name}_ask", conf)
        if question is not None:
            yield asker.one(question)
        else:
            yield from asker.several(questions)


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
