"""What answers questions, whatever from: a Protocol, for runs and batches of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ragctl.run.answering.asked import AskResult, Unanswered


class AnyAsker(Protocol):
    """One thread at a time uses it; `several` makes more."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What the record of a run says of it: `generation`, `models` and `prompts` by step."""
        ...

    @property
    def unpriced(self) -> Iterator[tuple[str, str]]:
        """(model, its section in the spec) of each that would be asked, and of which no price is known."""
        ...

    def prepare(self) -> None:
        """Makes all that the spec names, so that what is wrong with it is no question's fault."""
        ...

    def ask_alone(self, question: str) -> AskResult | Unanswered:
        """What came of a question; what may be its own failure is returned."""
        ...

    def ask_each(self, questions: Iterable[str]) -> Iterator[AskResult | Unanswered]:
        """One result a question, in order."""
        ...

    def several(self, count: int) -> Sequence[AnyAsker]:
        """As many that may be asked at the same time."""
        ...

    def stop_waiting(self) -> None:
        """Ends the waiting of requests for their provider's limits; they are not sent."""
        ...

    def close(self) -> None:
        """Ends the connections that it opened."""
        ...
