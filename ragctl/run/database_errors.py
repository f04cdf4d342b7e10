"""What psycopg raises, as errors for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ragctl.errors import Mismatch, Unavailable


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns "the database is gone" into an error for people.

    Raises:
        Unavailable: it cannot be reached, was shut down, or has no room left.
        Mismatch: a table is gone.
    """
    import psycopg

    try:
        yield
    except psycopg.errors.UndefinedTable as error:
        raise Mismatch(
            f"a table is missing: {_first_line(error)}",
            where="store",
            hint="ragctl doctor SPEC says what is left and how to mend it",
        ) from error
    except psycopg.errors.DiskFull as error:
        raise Unavailable(
            f"the database has no room left: {_first_line(error)}",
            where="store",
            hint="free some space and run the same command again: what was committed is kept",
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Unavailable(
            f"the database does not answer: {_first_line(error)}",
            where="store",
            hint="run the same command again: what was committed is kept",
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
