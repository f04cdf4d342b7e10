"""A chat model for questions to a database: over real HTTP, and what it says is scripted by the step."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from model_server import ChatReply, ModelServer

Said = str | ChatReply
Saying = Said | Callable[[str], Said]

_STEPS = {
    "rephrase": "You reword questions",
    "sql": "You write SQL",
    "repair": "You correct SQL",
    "conclude": "You give the final answer",
}


class SqlScript:
    """Says for each step what it is told to; records what it was asked. To be given to `ModelServer`."""

    def __init__(self, **steps: Saying) -> None:
        self.steps = steps
        self.asked: list[tuple[str, str]] = []

    def __call__(self, messages: list[dict[str, Any]]) -> Said:
        system, user = str(messages[0]["content"]), str(messages[-1]["content"])
        step = next(name for name, beginning in _STEPS.items() if system.startswith(beginning))
        self.asked.append((step, user))
        said = self.steps.get(step, _DEFAULTS[step])
        return said(user) if callable(said) else said

    def of(self, step: str) -> list[str]:
        """What the model was asked in this step."""
        return [user for name, user in self.asked if name == step]


_DEFAULTS: dict[str, Saying] = {
    "rephrase": "",
    "sql": "CANNOT: nothing is scripted",
    "repair": "CANNOT: nothing is scripted",
    "conclude": json.dumps({"candidate": 1, "sentence": "Here it is."}),
}


def block(sql: str) -> str:
    """A statement as models write it."""
    return f"Here you are:\n```sql\n{sql}\n```"


def chat(server: ModelServer, **settings: Any) -> dict[str, Any]:
    """A section of the spec with a chat model of the server."""
    given: dict[str, Any] = {
        "provider": "openai",
        "model": "gpt-4o-mini",
        "base_url": f"{server.url}/v1",
        "usd_per_million_tokens": 1.0,
        "usd_per_million_output_tokens": 2.0,
        "retries": 0,
    }
    return {**given, **settings}
