"""The JSON schema of a spec, for editors: configs/ragctl.schema.json.

`python -m ragctl.spec.schema > configs/ragctl.schema.json` brings the file up to date.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ragctl.spec.model import Spec


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12, as strict as the model about keys, types and ranges of single values.

    Rules between values (overlap and max_tokens, say) are beyond it; `ragctl check` knows them.
    """
    made: dict[str, Any] = _tidied(Spec.model_json_schema(mode="validation"))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "ragctl spec"}
    return {**head, **made, "anyOf": [{"required": ["sources"]}, _ASKS_DATABASE]}


def schema_text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


_ASKS_DATABASE = {
    "required": ["ask"],
    "properties": {"ask": {"required": ["type"], "properties": {"type": {"const": "sql"}}}},
}
"""A spec that has no sources."""


def _tidied(node: Any) -> Any:
    """Without pydantic's titles, which only repeat the keys, and without defaults that stand for others."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if key != "title" or not isinstance(value, str)}
    if meaning := kept.pop("default_is", None):
        kept.pop("default", None)
        kept["description"] = f"{kept.get('description', '')} Default: {meaning}.".strip()
    return {key: _tidied(value) for key, value in kept.items()}


if __name__ == "__main__":
    sys.stdout.buffer.write(schema_text().encode("utf-8"))
