"""The chat models that a spec names, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ragctl.ports import Generator
from ragctl.run.answering.chat_choice import choose_chat, section_at
from ragctl.run.models.places import OWN_HOSTS, endpoint_of
from ragctl.run.models.prices import is_known, price_of_settings
from ragctl.run.models.privacy import PrivacyGate
from ragctl.selection.prices import known_model

if TYPE_CHECKING:
    from ragctl.run.composition import Composition

Role = Literal["rephrase", "grade", "verify", "answer", "combine", "judge"]
ROLES: tuple[Role, ...] = ("rephrase", "grade", "verify", "answer", "combine")
"""Those that take part in asking."""

ASSUMED_CONTEXT = 8_192
"""Tokens that a model is taken to read and write where neither the spec nor the price file says how many."""

_KEYS: dict[Role, str] = {
    "rephrase": "ask.rephrase",
    "grade": "ask.rank",
    "verify": "ask.verify",
    "answer": "ask.answer",
    "combine": "ask.answer.combine",
    "judge": "eval.judge",
}
_One = TypeVar("_One")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A chat model and what else its section says.

    Attributes:
        context_tokens: the most that it reads and writes together.
        at_once: the most requests under way.
        privacy: what may be sent to it.
        key: where its settings stand in the spec.
        priced: is it known what it costs?
    """

    generator: Generator
    context_tokens: int
    at_once: int
    privacy: PrivacyGate
    key: str
    priced: bool

    @property
    def name(self) -> str:
        return str(self.generator.provenance.get("model", self.generator.identity))


class ChatModels:
    """Threads may share it."""

    def __init__(self, composition: Composition, privacy: PrivacyGate) -> None:
        self._composition = composition
        self._privacy = privacy
        self._made: dict[Role, ChatModel | None] = {}
        self._lock = Lock()

    def get(self, role: Role) -> ChatModel | None:
        """The model for one step; None if the spec names none for it.

        Raises:
            UsageError, MissingPackage, Unavailable: the model, or its key, cannot be had.
            NothingChosen, LockDrift: see `choose_chat`.
        """
        with self._lock:
            if role not in self._made:
                self._made[role] = self._make(role)
            return self._made[role]

    def _make(self, role: Role) -> ChatModel | None:
        key = _KEYS[role]
        section = section_at(self._composition, key)
        if section is None or (role == "grade" and section.provider != "openai"):
            return None
        return make_chat_model(self._composition, self._privacy, key, section)


def make_chat_model(composition: Composition, privacy: PrivacyGate, key: str, section: Any) -> ChatModel:
    """The chat model of a section of the spec, which stands at `key`.

    Raises:
        UsageError, MissingPackage, Unavailable, NothingChosen, LockDrift: see `ChatModels.get`.
    """
    settings, place = section, key
    if section.provider == "auto":
        chosen = choose_chat(composition, section, key)
        settings, place = chosen.settings, chosen.key
    criteria = getattr(section, "selection_criteria", None)
    if criteria is not None:
        privacy = privacy.beside(criteria, f"{key}.selection_criteria")
    return ChatModel(
        composition.models.generator(settings, place),
        _context_tokens(settings),
        settings.max_in_flight,
        privacy,
        place,
        is_known(price_of_settings(settings), "generator"),
    )


def _context_tokens(settings: Any) -> int:
    if settings.context_tokens is not None:
        return int(settings.context_tokens)
    own = endpoint_of(settings) == OWN_HOSTS[settings.provider]
    row = known_model(settings.provider, settings.model) if own else None
    return row.context_tokens if row is not None and row.context_tokens else ASSUMED_CONTEXT


def each_at_once(most: int) -> Callable[[Callable[[_One], _Made], Sequence[_One]], list[_Made]]:
    """What calls a function for each of several values, so many at once; the results are in their order.

    If one call raises, those that have not begun are not made.
    """

    def call(make: Callable[[_One], _Made], values: Sequence[_One]) -> list[_Made]:
        if most <= 1 or len(values) <= 1:
            return [make(one) for one in values]
        pool = ThreadPoolExecutor(min(most, len(values)))
        try:
            return list(pool.map(make, values))
        finally:
            pool.shutdown(cancel_futures=True)

    return call
