"""The shapes of names in a spec, each with the sentence that explains it, and a valid name from any text."""

from __future__ import annotations

import re
import unicodedata

# 40: a table is called after the index, a generation and a kind, and PostgreSQL cuts names at 63 bytes.
NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"
INDEX = r"^[a-z0-9][a-z0-9_]{0,39}$"
ENVIRONMENT_VARIABLE = r"^([A-Z_][A-Z0-9_]{0,99}|[a-z_][a-z0-9_]{0,99})$"
METADATA_KEY = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
CONNECTION = r"^[A-Za-z0-9_.-]{1,100}$"
SOURCE_NAME = r"^[^/\x00-\x1f\x7f]{1,200}$"

WHAT_FITS = {
    NAME: "lower-case letters, digits, - and _, at most 40, beginning with a letter or a digit",
    INDEX: "lower-case letters, digits and _, at most 40, beginning with a letter or a digit",
    METADATA_KEY: "letters, digits and _, at most 63, beginning with a letter or _",
    CONNECTION: "the id of an Airflow connection: letters, digits, _, . and -, at most 100",
    SOURCE_NAME: "1 to 200 characters, without / and without control characters",
    ENVIRONMENT_VARIABLE: (
        "the name of an environment variable, such as RAGCTL_DSN, and never the secret itself: "
        "letters of one case, digits and _"
    ),
}
"""Pattern → what fits it."""


def slug(text: str) -> str:
    """A valid `name` that reads like `text`: `Über Docs!` gives `uber-docs`; `docs` if nothing is left."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9_]+", "-", ascii_text).strip("-_")[:40].rstrip("-_") or "docs"
