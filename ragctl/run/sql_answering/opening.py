"""The database that a spec asks, opened to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragctl.errors import RagctlError, SpecError, UsageError
from ragctl.sql.database import Database
from ragctl.sql.prompts import PLACES, Prompts, own_prompts
from ragctl.sql.schema_options import SchemaOptions
from ragctl.sql.settings import SqlSettings
from ragctl.sql.types import Limits

if TYPE_CHECKING:
    from ragctl.run.composition import Composition
    from ragctl.spec.sql_ask_settings import SqlAskSettings

_PROMPTS = {
    "rephrase": ("rephrase", "prompt"),
    "sql": ("query", "prompt"),
    "sql_repair": ("query", "repair_prompt"),
    "sql_conclude": ("answer", "prompt"),
}
"""Name of a prompt → section of `ask`, and its key."""


def sql_section(composition: Composition) -> SqlAskSettings:
    """`ask` of a spec that asks a database.

    Raises:
        UsageError: it asks documents.
    """
    from ragctl.spec.sql_ask_settings import SqlAskSettings

    section = composition.spec.ask
    if not isinstance(section, SqlAskSettings):
        raise UsageError("this spec asks documents, and no database", where=composition.loaded.where("ask"))
    return section


def open_database(composition: Composition) -> Database:
    """Nothing is connected to yet. Close it when done.

    Raises:
        UsageError: the variable with the connection string is not set.
    """
    section = sql_section(composition)
    given, rank, schema = section.database, section.rank, section.schema
    options = SchemaOptions(
        schemas=schema.schemas,
        include=schema.include,
        exclude=schema.exclude,
        sensitive=schema.sensitive,
        samples=schema.samples,
        foreign_tables=schema.foreign_tables,
    )
    limits = Limits(
        timeout_s=rank.timeout_seconds,
        lock_timeout_s=rank.lock_timeout_seconds,
        max_rows=rank.max_rows,
        max_bytes=rank.max_result_bytes,
        max_cost=rank.max_cost,
    )
    if given.sqlite is not None:
        from ragctl.sql.sqlite import SqliteDatabase

        path = composition.loaded.resolve(given.sqlite)
        return SqliteDatabase(path, options=options, limits=limits, functions=rank.functions)
    from ragctl.sql.postgres import PostgresDatabase

    return PostgresDatabase(
        _dsn(composition, str(given.dsn_env)),
        options=options,
        limits=limits,
        writer=given.writer,
        search_path=given.search_path,
    )


def _dsn(composition: Composition, name: str) -> str:
    """The connection string; one that is none is refused without a word of it."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    where, dsn = composition.loaded.where("ask.database.dsn_env"), composition.environment.get(name)
    if not dsn:
        raise UsageError(
            f"the environment variable {name} is not set", where=where, hint=f"export {name}=postgresql://…"
        )
    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise UsageError(
            f"the environment variable {name} holds no valid connection string",
            where=where,
            hint="it is of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        ) from None
    return dsn


def sql_settings(section: SqlAskSettings, *, execute: bool, hide_values: bool) -> SqlSettings:
    """What each stage does."""
    return SqlSettings(
        rewordings=0 if section.rephrase.provider == "none" else section.rephrase.n,
        schema_tokens=section.schema.max_tokens,
        repair=section.rank.repair,
        conclude=section.answer.provider != "none",
        execute=execute,
        hide_values=hide_values,
        functions=section.rank.functions,
    )


def sql_prompts(composition: Composition) -> Prompts:
    """The spec's prompts; ragctl's own where it names no file.

    Raises:
        SpecError: a file cannot be read, or is no such prompt; every mistake with its place.
    """
    from dataclasses import replace

    from ragctl.spec.prompt_files import read_prompt
    from ragctl.stages.prompt import Prompt

    section, made, mistakes = sql_section(composition), own_prompts(), []
    for name, (part, key) in _PROMPTS.items():
        file = getattr(getattr(section, part), key, None)
        if file is None:
            continue
        try:
            prompt = Prompt.parse(read_prompt(composition.loaded, file), places=PLACES[name])
            made = replace(made, **{name: prompt})
        except ValueError as error:
            where = f"ask.{part}.{key}"
            mistakes.append(f"{composition.loaded.where(where)}: {where}: {file}: {error}")
    if mistakes:
        raise SpecError("a prompt is not what it should be", mistakes=mistakes)
    return made


def placed(error: RagctlError, composition: Composition) -> RagctlError:
    """An error of the database that says no place is about the spec's section of it."""
    error.where = error.where or composition.loaded.where("ask.database")
    return error
