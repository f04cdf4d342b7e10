"""An answer for people: its text, as it is written or whole, and its numbered sources."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ragctl.cli.output import counted, one_line, print_indented, visible

if TYPE_CHECKING:
    from rich.console import Console

    from ragctl.run.answering.asked import AskResult
    from ragctl.types import Answer, Citation

NO_ANSWER = "The passages that were found do not answer this question."
NOT_IN_THE_PASSAGES = "NOT IN THE PASSAGES"
"""What a model is told to write where they do not; nobody is to read that."""


class Stream:
    """Writes an answer to a terminal while it comes."""

    def __init__(self) -> None:
        self._held = ""
        self._begun = False

    @property
    def shown(self) -> bool:
        """Was anything written?"""
        return self._begun

    def __call__(self, piece: str) -> None:
        if not self._begun:
            # Until it is clear that these are not the words for "no answer".
            self._held = (self._held + piece).lstrip()
            if NOT_IN_THE_PASSAGES.startswith(self._held[: len(NOT_IN_THE_PASSAGES)].upper()):
                return
            piece, self._held, self._begun = self._held, "", True
        sys.stdout.write(visible(piece))
        sys.stdout.flush()

    def end(self) -> None:
        """Ends the line."""
        if self._begun:
            sys.stdout.write("\n")
            sys.stdout.flush()


def print_answer(console: Console, result: AskResult, *, streamed: bool = False) -> None:
    """The answer, unless it was streamed, its sources, and what is to be known of it."""
    from rich.text import Text

    answer = result.answer
    assert answer is not None  # whoever has none prints the passages
    if not answer.text:
        console.print(f"\n{NO_ANSWER}", markup=False)
        return
    if not streamed:
        console.print()
        print_indented(console, Text(visible(answer.text)), first="")
    for sentence in _remarks(answer):
        console.print(f"\n{sentence}", markup=False, style="yellow")
    if answer.citations:
        console.print("\nSources", style="bold")
    number = 0
    for citation in answer.citations:
        if citation.number != number:
            _print_place(console, citation)
        number = citation.number
        print_indented(console, Text(f"“{' '.join(visible(citation.quote).split())}”"))


def _print_place(console: Console, citation: Citation) -> None:
    from rich.text import Text

    hit = citation.hit
    heading = " > ".join(hit.headings) or hit.title
    page = f", page {hit.page}" if hit.page is not None else ""
    line = f":{hit.line}" if hit.line is not None else ""
    console.print()
    first = f"[{citation.number}] "
    print_indented(console, Text(one_line(heading or hit.document), style="bold"), first=first)
    print_indented(console, Text(one_line(f"{hit.source}: {hit.document}{line}{page}"), style="cyan"))
    if hit.uri:
        print_indented(console, Text(one_line(hit.uri)))


def _remarks(answer: Answer) -> list[str]:
    """What a reader must know before they rely on it."""
    made = []
    if not answer.citations:
        made.append("Not grounded: nothing in it could be found in the passages.")
    elif answer.status == "partial":
        parts = []
        if answer.unsupported:
            has = "has" if answer.unsupported == 1 else "have"
            parts.append(f"{counted(answer.unsupported, 'statement')} {has} no evidence")
        if answer.dropped:
            parts.append(f"{counted(answer.dropped, 'citation')} not in the passage named, and left out")
        made.append(f"Partly grounded: {'; '.join(parts) or 'not every statement could be checked'}.")
    if answer.cut_off:
        made.append("It was cut off at ask.answer.max_tokens.")
    return made
