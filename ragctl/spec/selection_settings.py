"""What the choice of a model is made by: criteria, and what an option says of itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ragctl.spec.mistakes import closest, shown
from ragctl.spec.section import Problem, Section, wrong
from ragctl.spec.server_settings import Host, Usd

CostLevel = Literal["low", "medium", "high"]
_LEVELS = ("low", "medium", "high")
_MOST_USD = 1_000_000


def _cost(value: Any) -> Any:
    """A level, or US dollars for a million tokens."""
    expected = "low, medium, high or a number of US dollars per million tokens"
    if isinstance(value, str):
        if value in _LEVELS:
            return value
        near = closest(value, _LEVELS)
        raise wrong(
            (
                "",
                f"unknown value {shown(value)}; "
                + (f"did you mean '{near}'?" if near else f"it must be {expected}"),
            )
        )
    if value is None:
        raise wrong(("", f"has no value; it must be {expected}"))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(("", f"must be {expected}"))
    if not 0 <= value <= _MOST_USD:
        raise wrong(("", f"must be at least 0 and at most {_MOST_USD}, not {value}"))
    return float(value)


Cost = Annotated[CostLevel | Usd, BeforeValidator(_cost)]
Share = Annotated[float, Field(ge=0, le=1)]


class SelectionCriteria(Section):
    """What a model must meet to be chosen, and where sensitive text may go."""

    example = "{cost_threshold: medium, privacy_sensitive: false}"

    cost_threshold: Cost | None = Field(
        default=None,
        description="The most that a model may cost: `low`, `medium`, `high`, or US dollars per million "
        "tokens. None: any price. See docs/choosing-an-embedder.md for what the levels mean.",
    )
    use_gpu_if_necessary: bool = Field(
        default=True,
        description="Whether an option with `use_gpu` may be chosen, where there is a GPU and nothing "
        "without one will do.",
    )
    privacy_sensitive: bool = Field(
        default=False,
        description="All of this spec's text is sensitive: no model outside this machine and "
        "`allowed_hosts` may read it.",
    )
    max_cost_usd: Usd | None = Field(
        default=None, description="The most that embedding this corpus may cost, in US dollars."
    )
    max_minutes: Annotated[float, Field(ge=0, le=1_000_000)] | None = Field(
        default=None, description="The most minutes that embedding this corpus may take, by the estimate."
    )
    min_quality: Share | None = Field(
        default=None, description="The least `quality` of an option, from 0 to 1."
    )
    allowed_hosts: tuple[Host, ...] = Field(
        default=(),
        description="Hosts that may read sensitive text, such as `models.example` (whatever the port) or "
        "`models.example:8443`. This machine itself (`localhost`) always may.",
    )


CHOOSES = frozenset(SelectionCriteria.model_fields) - {"privacy_sensitive", "allowed_hosts"}
"""Criteria that say which model to take; the others hold for one that is given as well."""


def criteria_without_a_choice(criteria: SelectionCriteria) -> list[Problem]:
    """What is wrong with criteria beside a model that the spec names itself."""
    return [
        (f"selection_criteria.{key}", "is for `provider: auto`: here the model is given")
        for key, field in SelectionCriteria.model_fields.items()
        if key in CHOOSES and getattr(criteria, key) != field.default
    ]


class OptionFacts(Section):
    """What an option says of itself, beside the settings of its provider."""

    use_gpu: bool = Field(default=False, description="It needs a GPU.")
    cost: Cost | None = Field(
        default=None,
        description="What it costs: `low`, `medium`, `high`, or US dollars per million tokens.",
        json_schema_extra={"default_is": "the price that ragctl knows"},
    )
    dim: int | None = Field(
        default=None,
        ge=1,
        le=16_000,
        description="Dimensions of its vectors, where ragctl does not know them. For `plan`.",
    )
    max_tokens: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="The most tokens that it reads, where ragctl does not know it.",
    )
    quality: Share | None = Field(
        default=None,
        description="How good it is, from 0 to 1, by an evaluation of your own; for `min_quality`.",
    )
