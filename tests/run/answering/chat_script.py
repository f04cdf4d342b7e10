"""A chat model for tests of whole questions: over real HTTP, and what it says is scripted by the step."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from model_server import ChatReply, ModelServer
from workspace import Workspace

Said = str | ChatReply
Saying = Said | Callable[[str], Said]

_STEPS = {
    "rephrase": "You reword questions",
    "stand_alone": "You make a question that belongs to a conversation",
    "grade": "You grade how well",
    "verify": "You decide whether a passage",
    "answer": "You answer questions from passages",
    "combine": "You combine several answers",
    "make_question": "You write test questions",
    "faithfulness": "You judge whether passages support",
    "relevance": "You judge whether an answer answers",
}

DOCUMENTS = {
    "hours.md": "# Opening hours\n\nThe office is open from nine to five on weekdays.\n",
    "install.md": "# Installing\n\nDownload the archive, unpack it and run the installer as root.\n",
    "retry.md": "# Retries\n\nA failed task is tried again after a pause of thirty seconds.\n",
    "coffee.md": "# Coffee\n\nThe machine on the second floor makes espresso until noon.\n",
}


class ChatScript:
    """Says for each step what it is told to; records what it was asked. To be given to `ModelServer`.

    Args:
        steps: step → what is said, or what makes it of the user's message. A step that is not there gets no
            rewording, `YES`, 5, or an answer that quotes each passage.
    """

    def __init__(self, **steps: Saying) -> None:
        self.steps = steps
        self.asked: list[tuple[str, str]] = []

    def __call__(self, messages: list[dict[str, Any]]) -> Said:
        system, user = str(messages[0]["content"]), str(messages[-1]["content"])
        step = next(name for name, beginning in _STEPS.items() if system.startswith(beginning))
        self.asked.append((step, user))
        said = self.steps.get(step, _DEFAULTS[step])
        return said(user) if callable(said) else said

    def count(self, step: str) -> int:
        return sum(name == step for name, _ in self.asked)


def quoting(user: str) -> str:
    """An answer that states the first words of each passage and quotes them."""
    found = re.findall(r'<passage id="(\d+)"[^>]*>\n(.*?)\n</passage>', user, re.DOTALL)
    sentences = []
    for number, text in found:
        words = " ".join(text.split("\n")[-1].split()[:6])
        sentences.append(f'Passage {number} says: {words} [{number}: "{words}"].')
    return " ".join(sentences) or "NOT IN THE PASSAGES"


_DEFAULTS: dict[str, Saying] = {
    "rephrase": "",
    "stand_alone": lambda user: user.rsplit("\n", 1)[-1],
    "grade": "5",
    "verify": "YES",
    "answer": quoting,
    "combine": "NOT IN THE PASSAGES",
    "make_question": '{"question": null}',
    "faithfulness": "",
    "relevance": "",
}


def openai(server: ModelServer, **settings: Any) -> dict[str, Any]:
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


def fill(workspace: Workspace, documents: dict[str, str] = DOCUMENTS) -> Workspace:
    for path, text in documents.items():
        workspace.write(path, text)
    workspace.ingest()
    return workspace
