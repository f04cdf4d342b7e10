"""How a question is put to a database."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SqlSettings:
    """What each stage does.

    Attributes:
        rewordings: of the question, besides itself; 0 to 10.
        schema_tokens: the most that the schema's text may have; of a larger one tables are chosen.
        repair: whether a statement that fails is given back to the model, once.
        conclude: whether a final call decides and puts the answer into words; without it, the vote does.
        execute: False stops at the SQL: it is checked and explained, and not run.
        hide_values: no model is shown a value of the database: no rows, no samples, no errors that quote one.
        functions: that statements may call besides those of `allowed`. What such a function does is up to
            whoever lists it here.
    """

    rewordings: int = 2
    schema_tokens: int = 6_000
    repair: bool = True
    conclude: bool = True
    execute: bool = True
    hide_values: bool = False
    functions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.rewordings <= 10 or self.schema_tokens <= 0:
            raise ValueError("rewordings must be 0 to 10, and schema_tokens above 0")
