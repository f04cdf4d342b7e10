"""The small JSON files of a model's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ragctl.errors import UsageError

_MOST_BYTES = 64 << 20
"""Far more than any of them has."""

_REQUIRED = object()


def read_json(file: Path, *, missing: Any = _REQUIRED) -> Any:
    """The file's content, or `missing` where there is no such file.

    Raises:
        UsageError: it cannot be read or is no JSON; or there is none, and `missing` was not given.
    """
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise UsageError("it is too large to be what its name says", where=str(file))
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if missing is not _REQUIRED:
            return missing
        raise UsageError(f"the model has no {file.name}", where=str(file.parent)) from error
    except OSError as error:
        raise UsageError(f"it cannot be read: {error.strerror or error}", where=str(file)) from error
    except ValueError as error:
        raise UsageError(f"it is no JSON: {error}", where=str(file)) from error


def read_object(file: Path, *, missing: Any = _REQUIRED) -> dict[str, Any]:
    """The same, for a file that holds a JSON object.

    Raises:
        UsageError: see `read_json`; or it holds something else.
    """
    found = read_json(file, missing=missing)
    if not isinstance(found, dict):
        raise UsageError("it should be a JSON object", where=str(file))
    return found
