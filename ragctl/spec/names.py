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
# What Airflow itself and Celery take is wider: this is what a line of Python and a shell hold unquoted.
AIRFLOW_NAME = r"^[A-Za-z0-9_.:@-]([A-Za-z0-9_ .:@-]{0,248}[A-Za-z0-9_.:@-])?$"
EXECUTOR = r"^[A-Za-z0-9_.:-]{1,250}$"
IMAGE = r"^[A-Za-z0-9]([A-Za-z0-9._-]|[/:@][A-Za-z0-9]){0,498}$"  # not a URL: it has no //
KUBERNETES_LABEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
KUBERNETES_NAME = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
KUBERNETES_RESOURCE = (
    r"^(cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMG]i"
    r"|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)$"
)
KUBERNETES_QUANTITY = r"^[0-9]{1,18}(\.[0-9]{1,9})?(m|k|[KMGTPE]i|[MGTPE])?$"
HOST_NAME = r"^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?$"
TENANT = r"^[A-Za-z0-9_-]{1,64}$"
FORMAT = r"^(\.[a-z0-9_+-]{1,30}|[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,100})$"
SOURCE_NAME = r"^[^/\x00-\x1f\x7f]{1,200}$"

WHAT_FITS = {
    NAME: "lower-case letters, digits, - and _, at most 40, beginning with a letter or a digit",
    INDEX: "lower-case letters, digits and _, at most 40, beginning with a letter or a digit",
    METADATA_KEY: "letters, digits and _, at most 63, beginning with a letter or _",
    CONNECTION: "the id of an Airflow connection: letters, digits, _, . and -, at most 100",
    AIRFLOW_NAME: "a name of letters, digits, _, ., :, @ and -, with spaces inside alone, at most 250",
    EXECUTOR: "the name of an executor, such as CeleryExecutor, or its module path",
    IMAGE: "the name of an image, such as registry.example/ragctl:0.1.0",
    KUBERNETES_LABEL: "lower-case letters, digits and -, at most 63",
    KUBERNETES_NAME: "lower-case letters, digits, - and ., at most 253",
    KUBERNETES_RESOURCE: "cpu, memory, ephemeral-storage, or a resource with a /, such as nvidia.com/gpu",
    KUBERNETES_QUANTITY: "an amount as Kubernetes has them, such as 2, 500m or 4Gi",
    HOST_NAME: "the name of a host alone, such as weaviate.example",
    TENANT: "letters, digits, _ and -, at most 64",
    FORMAT: "a suffix such as .conf or a media type such as application/pdf, in small letters",
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
