"""The model of a spec's section `state`: where what ragctl knows of an index is kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ragctl.spec.names import ENVIRONMENT_VARIABLE
from ragctl.spec.section import Section


class StateSettings(Section):
    """The ledger, the runs, the generations and cached vectors, in PostgreSQL.

    They lie in the database of a pgvector store itself. For any other store it is named here; without
    `dsn_env`, ragctl runs a server of its own, under `.ragctl/` beside the spec.
    """

    example = "{dsn_env: RAGCTL_DSN}"

    dsn_env: Annotated[str, Field(pattern=ENVIRONMENT_VARIABLE)] | None = Field(
        default=None,
        description="Name of the environment variable that holds the connection string of a PostgreSQL "
        "database (`postgresql://…`).",
    )
