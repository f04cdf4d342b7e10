"""How an embedder was chosen, as a table: every option, every criterion, and its number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from ragctl.run.models.choice import Selection


def print_selection(console: Console, selection: Selection) -> None:
    """Each option, and below it a row for each criterion."""
    from rich.table import Table

    for verdict in selection.verdicts:
        console.print(_plain(f"{verdict.option.name}: {'passes' if verdict.passes else 'fails'}"))
        table = Table.grid(padding=(0, 1))
        for fold in (False, False, False, True):
            table.add_column(no_wrap=not fold, overflow="fold")
        for check in verdict.checks:
            table.add_row("  ", check.name, check.outcome, _plain(check.text))
        for note in verdict.notes:
            table.add_row("  ", "note", "", _plain(note))
        console.print(table)


def _plain(text: str) -> Text:
    from rich.text import Text

    from ragctl.cli.output import one_line

    return Text(one_line(text))
