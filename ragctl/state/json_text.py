"""Values as JSON that PostgreSQL's `jsonb` takes."""

from __future__ import annotations

import json
import re

_REFUSED = re.compile("[\x00\ud800-\udfff]")


def json_text(value: object) -> str:
    """JSON text of `value`, with U+FFFD for NUL and halves of surrogate pairs.

    `jsonb` refuses those, and the message of a failure may quote them from a broken document.
    """
    return json.dumps(_replaced(value))


def _replaced(value: object) -> object:
    if isinstance(value, str):
        return _REFUSED.sub("�", value)
    if isinstance(value, dict):
        return {_replaced(key): _replaced(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(one) for one in value]
    return value
