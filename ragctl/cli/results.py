"""Results of questions, as people and programs are shown them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragctl.cli.options import Format

if TYPE_CHECKING:
    from rich.console import Console

    from ragctl.run.answering.asked import AskResult, Unanswered
    from ragctl.types import Hit


@dataclass(frozen=True)
class Look:
    """How results are printed."""

    output: Format
    full: bool
    explain: bool
    hits: bool = False


def print_result(result: AskResult | Unanswered, look: Look, *, streamed: bool = False) -> None:
    """One result on stdout, what is to be known of it on stderr.

    Args:
        streamed: the answer was shown while it was written.
    """
    from ragctl.cli.output import data_console, print_json
    from ragctl.run.answering.asked import Unanswered

    if look.output is Format.JSON:
        print_json(result.as_json())
        return
    console = data_console()
    if not streamed:
        console.print(result.question, style="bold", markup=False)
    if isinstance(result, Unanswered):
        console.print(f"  error: {result.error}\n", markup=False)
        return
    _talk_about_result(result)
    if result.sql is not None:
        from ragctl.cli.sql_answers import print_sql_answer

        print_sql_answer(console, result, full=look.full, explain=look.explain)
        return
    if result.answer is not None:
        from ragctl.cli.answers import print_answer

        print_answer(console, result, streamed=streamed)
    if result.answer is None or look.hits:
        if not result.hits:
            console.print("  nothing found", markup=False)
        for hit in result.hits:
            _print_hit(console, hit, result.question, look.full)
    if look.explain:
        from ragctl.cli.explain import print_explanation

        print_explanation(console, result)


def _talk_about_result(result: AskResult) -> None:
    from ragctl.cli.output import talk

    for note in result.notes:
        talk(f"note: {note['step']}: {note['message']}")


def _print_hit(console: Console, hit: Hit, question: str, full: bool) -> None:
    from rich.text import Text

    from ragctl.cli.output import one_line, print_indented, visible
    from ragctl.cli.passages import excerpt, marked, question_stems, reflowed

    stems = question_stems(question)
    colour = console.color_system is not None and not console.no_color
    line = f":{hit.line}" if hit.line is not None else ""
    heading = " > ".join(hit.headings) or hit.title
    passage = reflowed(visible(hit.text))
    console.print()
    print_indented(console, Text(one_line(heading), style="bold"), first=f"{hit.rank:>2}. ")
    place = Text.assemble((one_line(f"{hit.source}: {hit.document}{line}"), "cyan"), f"   {_trail(hit)}")
    print_indented(console, place)
    print_indented(console, marked(passage if full else excerpt(passage, stems), stems, colour=colour))
    for other in hit.duplicates:
        if (other["source"], other["document"]) == (hit.source, hit.document):
            continue  # it overlaps what is shown
        print_indented(console, Text(one_line(f"the same text: {other['source']}: {other['document']}")))


def _trail(hit: Hit) -> str:
    found = {name: step for name, step in hit.trail.items() if "rank" in step}
    steps = ", ".join(f"{name} #{step['rank']} {step['score']:.3f}" for name, step in found.items())
    return f"score {hit.score:.3f} ({steps})"
