"""What the steps from a question to an answer have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ragctl.run.answering.asked import Asked
from ragctl.run.answering.chat_models import ROLES, ChatModel, ChatModels, Role
from ragctl.run.answering.prompts import load_prompts
from ragctl.run.models.privacy import PrivacyGate
from ragctl.stages.prompt import Prompt

if TYPE_CHECKING:
    from ragctl.run.composition import Composition
    from ragctl.spec.ask_settings import AskSettings


class Context:
    """The spec's settings, models and prompts, and what may be sent where. Threads may share it.

    Args:
        sensitive: the questions are, whatever the spec says.

    Raises:
        SpecError: a prompt of the spec is not what it should be.
    """

    def __init__(self, composition: Composition, *, sensitive: bool = False) -> None:
        self.composition = composition
        self.settings: AskSettings = composition.spec.document_ask
        self.privacy = PrivacyGate(composition, question_is_sensitive=sensitive)
        self.prompts: Mapping[str, Prompt] = load_prompts(composition)
        self.models = ChatModels(composition, self.privacy)

    def prepare(self) -> None:
        """Makes every model that the spec names, so that what is wrong with one is no question's fault.

        Raises:
            UsageError, MissingPackage, Unavailable, GuardRefused, LockDrift: one of them cannot be had.
            PrivacyRefused: all that is asked is sensitive, and may not go to one of them.
        """
        for role in ROLES:
            model = self.models.get(role)
            if model is not None:
                model.privacy.question(model.generator)

    @property
    def chat_models(self) -> dict[Role, ChatModel]:
        """Every chat model that the spec names, by its role."""
        found = {role: self.models.get(role) for role in ROLES}
        return {role: model for role, model in found.items() if model is not None}

    def prompt(self, asked: Asked, name: str, model: ChatModel, stage: str) -> Prompt:
        """The prompt, its version and the model noted as this question's."""
        prompt = self.prompts[name]
        asked.prompts[name] = prompt.version
        asked.models[stage] = model.name
        return prompt
