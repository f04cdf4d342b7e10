"""Many questions: several at once, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from ragctl.run.answering.asked import AskResult, Unanswered
from ragctl.run.answering.asker import AnyAsker

MOST_AT_ONCE = 64


def answer_each(
    asker: AnyAsker, questions: Sequence[str], *, parallel: int = 1
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
    idle: SimpleQueue[AnyAsker] = SimpleQueue()
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
