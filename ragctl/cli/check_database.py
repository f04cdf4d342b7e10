"""`ragctl check` where the spec says `ask.type: sql`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragctl.cli.options import Format
from ragctl.errors import SpecError

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

_OF_DOCUMENTS = {"sources", "extract", "chunk", "store", "eval", "max_failures", "ignore"}


def check_database(loaded: LoadedSpec, output: Format) -> None:
    """Looks at the prompts and at the file that is asked; connects to nothing.

    Raises:
        SpecError: one of these is not there, or not what it should be.
    """
    from ragctl.cli.check import print_resolved
    from ragctl.cli.output import print_json, talk
    from ragctl.run.composition import Composition
    from ragctl.run.sql_answering.opening import sql_prompts, sql_section

    with Composition(loaded) as composition:
        sql_prompts(composition)
        file = sql_section(composition).database.sqlite
    if file is not None and not loaded.resolve(file).is_file():
        where = loaded.where("ask.database.sqlite")
        raise SpecError(
            "the database is not there", mistakes=[f"{where}: ask.database.sqlite: {file} is not a file"]
        )
    resolved = loaded.spec.model_dump(mode="json", exclude=_OF_DOCUMENTS)
    if output is Format.JSON:
        print_json({"schema_version": 1, "ok": True, "spec": resolved})
        return
    talk(f"{loaded.path}: the spec is valid; it asks a database")
    print_resolved(resolved)
