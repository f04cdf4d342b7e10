"""The state's tables and the steps that made them. A released step is never edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch
from ragctl.state.document_versions import TABLES as VERSION_TABLES
from ragctl.state.schema import SCHEMA as SCHEMA
from ragctl.state.schema import schema_exists

if TYPE_CHECKING:
    from psycopg import Connection, sql

_FIRST = """
CREATE TABLE ragctl.indexes (
    name        text PRIMARY KEY,
    pipeline    text NOT NULL,
    active      bigint,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE ragctl.generations (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    index_name   text NOT NULL REFERENCES ragctl.indexes (name),
    number       integer NOT NULL,
    recipe       text NOT NULL,
    recipe_parts jsonb NOT NULL,
    embedder     text NOT NULL,
    dimension    integer NOT NULL CHECK (dimension > 0),
    status       text NOT NULL CHECK (status IN ('building', 'active', 'kept', 'dropped')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    UNIQUE (index_name, number)
);
ALTER TABLE ragctl.indexes ADD FOREIGN KEY (active) REFERENCES ragctl.generations (id);
CREATE UNIQUE INDEX one_active_generation ON ragctl.generations (index_name) WHERE status = 'active';
CREATE TABLE ragctl.items (
    generation  bigint NOT NULL REFERENCES ragctl.generations (id) ON DELETE CASCADE,
    source      text NOT NULL,
    path        text NOT NULL,
    fingerprint text NOT NULL,
    digest      text NOT NULL DEFAULT '',
    stored      boolean NOT NULL DEFAULT false,
    skipped     text,
    failure     jsonb,
    attempts    integer NOT NULL DEFAULT 0,
    failed_at   timestamptz,
    PRIMARY KEY (generation, source, path)
);
CREATE TABLE ragctl.documents (
    generation bigint NOT NULL REFERENCES ragctl.generations (id) ON DELETE CASCADE,
    source     text NOT NULL,
    path       text NOT NULL,
    item       text NOT NULL,
    digest     text NOT NULL,
    reader     text NOT NULL,
    chunks     integer NOT NULL,
    run        text NOT NULL,
    stored_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (generation, source, path)
);
CREATE INDEX documents_of_an_item ON ragctl.documents (generation, source, item);
CREATE TABLE ragctl.runs (
    id          text PRIMARY KEY,
    index_name  text NOT NULL,
    pipeline    text NOT NULL,
    command     text NOT NULL,
    host        text NOT NULL,
    status      text NOT NULL CHECK (status IN ('running', 'done', 'failed', 'interrupted')),
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    record      jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE ragctl.embedders (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity text NOT NULL UNIQUE
);
CREATE TABLE ragctl.vectors (
    embedder integer NOT NULL REFERENCES ragctl.embedders (id),
    hash     bytea NOT NULL,
    vector   bytea NOT NULL,
    PRIMARY KEY (embedder, hash)
);
"""

_SECOND = """
CREATE TABLE ragctl.leases (
    index_name text PRIMARY KEY,
    run        text NOT NULL,
    host       text NOT NULL,
    epoch      bigint NOT NULL,
    taken_at   timestamptz NOT NULL DEFAULT now(),
    renewed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE ragctl.texts (
    index_name  text NOT NULL,
    source      text NOT NULL,
    path        text NOT NULL,
    extract     text NOT NULL,
    fingerprint text NOT NULL,
    digest      text NOT NULL,
    documents   bytea NOT NULL,
    PRIMARY KEY (index_name, source, path)
);
ALTER TABLE ragctl.vectors ADD COLUMN added_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX vectors_by_age ON ragctl.vectors (added_at);
ALTER TABLE ragctl.embedders ADD COLUMN entries bigint NOT NULL DEFAULT 0;
ALTER TABLE ragctl.embedders ADD COLUMN vector_bytes bigint NOT NULL DEFAULT 0;
UPDATE ragctl.embedders e SET entries = v.entries, vector_bytes = v.bytes
FROM (SELECT embedder, count(*) AS entries, sum(octet_length(vector)) AS bytes
      FROM ragctl.vectors GROUP BY embedder) v
WHERE v.embedder = e.id;
-- So that the size of the cache is known without a look at all of it.
CREATE FUNCTION ragctl.count_vectors() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    UPDATE ragctl.embedders e
    SET entries = e.entries + sign * c.entries, vector_bytes = e.vector_bytes + sign * c.bytes
    FROM (SELECT embedder, count(*) AS entries, sum(octet_length(vector)) AS bytes
          FROM changed GROUP BY embedder) c
    WHERE e.id = c.embedder;
    RETURN NULL;
END
$$;
CREATE TRIGGER vectors_in AFTER INSERT ON ragctl.vectors REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION ragctl.count_vectors();
CREATE TRIGGER vectors_out AFTER DELETE ON ragctl.vectors REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION ragctl.count_vectors();
ALTER TABLE ragctl.generations ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';
ALTER TABLE ragctl.items ADD COLUMN first_failed_at timestamptz;
UPDATE ragctl.items SET first_failed_at = failed_at;
ALTER TABLE ragctl.runs DROP CONSTRAINT runs_status_check;
ALTER TABLE ragctl.runs ADD CHECK (status IN ('running', 'done', 'failed', 'interrupted', 'abandoned'));
"""

_THIRD = """
-- A run of many processes holds the index by its name, not by a session on the server.
ALTER TABLE ragctl.leases ADD COLUMN held_by text NOT NULL DEFAULT 'session'
    CHECK (held_by IN ('session', 'run'));
ALTER TABLE ragctl.leases ADD COLUMN released_at timestamptz;
"""

_FOURTH = """
-- What providers let a run send, and what it may spend with them. No key stands here: a name is a digest.
CREATE TABLE ragctl.throttles (
    name    text PRIMARY KEY,
    free_at timestamptz NOT NULL
);
CREATE TABLE ragctl.budgets (
    run          text PRIMARY KEY,
    max_usd      numeric CHECK (max_usd >= 0),
    spent_usd    numeric NOT NULL DEFAULT 0 CHECK (spent_usd >= 0),
    reserved_usd numeric NOT NULL DEFAULT 0 CHECK (reserved_usd >= 0),
    unpriced     boolean NOT NULL DEFAULT false
);
CREATE TABLE ragctl.reservations (
    id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run text NOT NULL REFERENCES ragctl.budgets (run) ON DELETE CASCADE,
    usd numeric NOT NULL CHECK (usd >= 0)
);
CREATE INDEX reservations_of_a_run ON ragctl.reservations (run);
"""

_FIFTH = """
-- Results of questions, where a spec has them kept. `contents` says what the documents were at the time.
CREATE TABLE ragctl.answers (
    generation bigint NOT NULL REFERENCES ragctl.generations (id) ON DELETE CASCADE,
    key        bytea NOT NULL,
    contents   text NOT NULL,
    result     jsonb NOT NULL,
    asked_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (generation, key)
);
CREATE INDEX answers_by_age ON ragctl.answers (generation, asked_at);
"""

_SIXTH = f"""
ALTER TABLE ragctl.generations ADD COLUMN store text NOT NULL DEFAULT 'pgvector';
{VERSION_TABLES}
"""

_SEVENTH = """
-- What a generation's tables are called where that is not the index and the generation's number.
ALTER TABLE ragctl.generations ADD COLUMN tables text;
CREATE UNIQUE INDEX tables_of_one_generation ON ragctl.generations
    (coalesce(tables, index_name || '_g' || number));
"""

_EIGHTH = """
-- What came of each question of an evaluation; the run's record holds what is true of all of them.
CREATE TABLE ragctl.evaluation_questions (
    run      text NOT NULL REFERENCES ragctl.runs (id) ON DELETE CASCADE,
    position integer NOT NULL CHECK (position >= 0),
    entry    jsonb NOT NULL,
    PRIMARY KEY (run, position)
);
"""

_NINTH = """
-- A generation that an experiment made: it is asked by name alone, and never the active one unless promoted.
ALTER TABLE ragctl.generations DROP CONSTRAINT generations_status_check;
ALTER TABLE ragctl.generations ADD CONSTRAINT generations_status_check
    CHECK (status IN ('building', 'active', 'kept', 'trial', 'dropped'));
"""

MIGRATIONS: tuple[str, ...] = (
    _FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH, _SEVENTH, _EIGHTH, _NINTH,
)  # fmt: skip
_VERSION_TABLE = """
CREATE TABLE ragctl.schema_version (version integer NOT NULL);
INSERT INTO ragctl.schema_version VALUES (0);
"""
_LOCK_KEY = 0x7261_6763_746C  # "ragctl": two processes must not migrate at once


def schema_version(connection: Connection[Any], schema: str = SCHEMA) -> int:
    """The version of the state's tables in this schema of the database; 0 if there are none."""
    # Not to_regclass: after waiting for another process's migration it still answers from a cache.
    there = connection.execute(
        "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'schema_version'", (schema,)
    ).fetchone()
    if there is None:
        return 0
    found = connection.execute(in_schema("SELECT version FROM ragctl.schema_version", schema)).fetchone()
    return int(found[0]) if found else 0


def in_schema(statements: str, schema: str) -> sql.SQL:
    """Statements of this module and its neighbours, which name the tables in `ragctl`, for another schema."""
    from psycopg import sql

    if schema == SCHEMA:
        return _as_sql(statements)
    # A name may hold the quotes that a function's body is put into.
    text = statements.replace("$$", "$ragctl_body$")
    return _as_sql(text.replace("ragctl.", f"{sql.Identifier(schema).as_string()}."))


def _as_sql(text: str) -> sql.SQL:
    from psycopg import sql

    return sql.SQL(text)  # the schema's name in it is quoted


def migrate(connection: Connection[Any], schema: str = SCHEMA) -> None:
    """Brings the state's tables up to this release's version, in one transaction.

    The schema itself is made too, where it is not there.

    Raises:
        Mismatch: a newer ragctl made this state.
    """
    from psycopg import sql

    version = schema_version(connection, schema)
    if version == len(MIGRATIONS):
        return
    _refuse_newer(version)
    with connection.transaction():
        lock_migrations(connection)
        version = schema_version(connection, schema)  # another process may have done it meanwhile
        _refuse_newer(version)
        if version == 0:
            if not schema_exists(connection, schema):
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            connection.execute(in_schema(_VERSION_TABLE, schema))
        for statements in MIGRATIONS[version:]:
            connection.execute(in_schema(statements, schema))
        set_version = f"UPDATE ragctl.schema_version SET version = {len(MIGRATIONS)}"
        connection.execute(in_schema(set_version, schema))


def lock_migrations(connection: Connection[Any]) -> None:
    """Waits until no other process makes the state's tables; none does until this transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))


def _refuse_newer(version: int) -> None:
    if version > len(MIGRATIONS):
        raise Mismatch(
            f"the state has schema version {version}, this ragctl knows versions up to {len(MIGRATIONS)}",
            hint="a newer ragctl wrote it: install that version or a later one",
        )
