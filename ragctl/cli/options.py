"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragctl.errors import UsageError

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec


class Format(StrEnum):
    """How data is printed: for people, or one JSON document (JSON Lines for streams)."""

    TABLE = "table"
    JSON = "json"


SpecArgument = Annotated[
    Path, typer.Argument(metavar="SPEC", help="The spec, a YAML file.", show_default=False)
]
FormatOption = Annotated[
    Format, typer.Option("--format", help="Print for people, or one JSON document.", case_sensitive=False)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a value of the spec, as in --set ask.rank.top_n=3. Repeatable.",
        show_default=False,
    ),
]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Say more on stderr.")]
LogJsonOption = Annotated[bool, typer.Option("--log-json", help="Write progress as JSON Lines on stderr.")]


def load(spec: Path, overrides: list[str] | None, *, of_documents: bool = True) -> LoadedSpec:
    """The spec, with the overrides of the command line.

    Args:
        of_documents: the command is about documents and their index, of which a spec with `ask.type: sql` has
            none.

    Raises:
        SpecError: with every mistake in it.
        UsageError: it asks a database, and the command is not for that.
    """
    from ragctl.spec.load import load_spec

    loaded = load_spec(spec, overrides or ())
    if of_documents and loaded.spec.asks_database:
        raise UsageError(
            "this spec asks a database and has no documents, so there is nothing to do here",
            where=loaded.where("ask.type"),
            hint=f'ragctl ask {loaded.as_argument} "your question"',
        )
    return loaded
