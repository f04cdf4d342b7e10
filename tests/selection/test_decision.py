"""The choice among models, row by row of the decision table, and what holds whatever the rows are."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selection.decision_cases import CASES, OPTIONS, Case

from ragctl.selection.cost_levels import is_within, level_of
from ragctl.selection.decision import Criteria, Facts, Option, select
from ragctl.selection.privacy import may_be_sent


@pytest.mark.parametrize(
    ("group", "case"), CASES, ids=[f"{number}-{group[:12]}" for number, (group, _) in enumerate(CASES)]
)
def test_a_row_of_the_table(group: str, case: Case) -> None:
    found = select(case.made(), case.asked, case.known)
    assert (case.options[found.chosen.number] if found.chosen else None) == case.chosen, found.sentence
    names = dict(zip(case.options, found.verdicts, strict=True))
    fails = {
        name: tuple(check.name for check in verdict.checks if check.outcome == "fail")
        for name, verdict in names.items()
        if not verdict.passes
    }
    assert fails == dict(case.fails)
    assert tuple(name for name, verdict in names.items() if verdict.notes) == case.noted


def test_every_check_of_every_option_is_shown_with_its_number() -> None:
    asked = Criteria(cost_threshold="low", max_cost_usd=1, max_minutes=5, min_quality=0.6)
    options = [replace(OPTIONS["large"], cost="high", rate_source="measured by run 7"), OPTIONS["gpu"]]
    facts = Facts(tokens=30_000_000, gpu=True, gpu_reason="NVIDIA H100")
    large, gpu = select(options, asked, facts).verdicts
    assert [(check.name, check.outcome, check.text) for check in large.checks] == [
        ("privacy", "not asked", "goes to api.openai.com"),
        ("cost", "fail", "0.13 USD per million tokens (high, as the spec says); at most low"),
        ("max_cost_usd", "fail", "3.90 USD for 30,000,000 tokens; at most 1.00 USD"),
        ("min_quality", "pass", "0.65; at least 0.6"),
        ("max_minutes", "fail", "25 minutes at 20,000 tokens a second, measured by run 7; at most 5 minutes"),
        ("gpu", "not asked", "needs none"),
    ]
    assert large.notes == ("the spec says `cost: high`, and 0.13 USD per million tokens is medium",)
    assert [(check.outcome, check.text) for check in gpu.checks] == [
        ("not asked", "stays in this process"),
        ("pass", "0 USD per million tokens (low); at most low"),
        ("pass", "costs nothing"),
        ("pass", "0.64; at least 0.6"),
        ("pass", "2.5 minutes at 200,000 tokens a second; at most 5 minutes"),
        ("pass", "is necessary: NVIDIA H100"),
    ]


def test_a_choice_that_cannot_be_made_says_why_of_each_option() -> None:
    options = [replace(OPTIONS["small"], number=0), replace(OPTIONS["gpu"], number=1)]
    found = select(options, Criteria(privacy_sensitive=True), Facts(gpu_reason="torch is not installed"))
    assert found.chosen is None
    assert found.sentence == (
        "no option meets the criteria: openai text-embedding-3-small fails privacy (goes to api.openai.com, "
        "which is not in allowed_hosts); huggingface bge-large-en-v1.5 on a GPU fails gpu (there is none: "
        "torch is not installed)"
    )


def test_as_json() -> None:
    options = [replace(OPTIONS["small"], number=0), replace(OPTIONS["ours"], number=1, cost="medium")]
    made = json.loads(json.dumps(select(options, Criteria(cost_threshold="low"), Facts()).as_json()))
    assert made["chosen"] == 0
    assert made["sentence"].startswith("openai text-embedding-3-small is chosen: it is the only one of 2")
    assert [one["passes"] for one in made["options"]] == [True, False]
    assert (made["options"][1]["price"], made["options"][1]["level"]) == (None, "medium")
    assert made["options"][0]["checks"][1] == {
        "name": "cost",
        "outcome": "pass",
        "text": "0.02 USD per million tokens (low); at most low",
    }


@pytest.mark.parametrize(
    ("price", "level"),
    [(0, "low"), (0.05, "low"), (0.0500001, "medium"), (0.15, "medium"), (0.1500001, "high"), (1e6, "high")],
)
def test_the_bounds_of_the_levels(price: float, level: str) -> None:
    assert level_of(price) == level


def test_levels_are_in_order() -> None:
    assert is_within("low", "low") and is_within("low", "medium") and is_within("medium", "high")
    assert not is_within("high", "medium") and not is_within("medium", "low")


numbers = st.one_of(st.none(), st.sampled_from([0.0, 0.02, 0.05, 0.13, 0.2]))
levels = st.sampled_from(["low", "medium", "high"])
hosts = st.sampled_from(["api.openai.com", "localhost:8000", "models.example:8443"])
options_drawn = st.lists(
    st.builds(
        Option,
        number=st.just(0),
        provider=st.just("p"),
        model=st.just("m"),
        use_gpu=st.booleans(),
        cost=st.one_of(numbers, levels),
        endpoint=st.one_of(st.none(), hosts),
        usd_per_million_tokens=numbers,
        tokens_per_second=st.one_of(st.none(), st.sampled_from([100.0, 10_000.0])),
        quality=st.one_of(st.none(), st.sampled_from([0.2, 0.8])),
    ),
    min_size=1,
    max_size=5,
).map(lambda drawn: [replace(one, number=number) for number, one in enumerate(drawn)])
criteria_drawn = st.builds(
    Criteria,
    cost_threshold=st.one_of(numbers, levels),
    use_gpu_if_necessary=st.booleans(),
    privacy_sensitive=st.booleans(),
    max_cost_usd=st.one_of(st.none(), st.just(0.1)),
    max_minutes=st.one_of(st.none(), st.just(10.0)),
    min_quality=st.one_of(st.none(), st.just(0.5)),
    allowed_hosts=st.sampled_from([(), ("models.example",)]),
)
facts_drawn = st.builds(
    Facts,
    tokens=st.one_of(st.none(), st.just(1_000_000)),
    gpu=st.booleans(),
    sensitive_text=st.booleans(),
)


@given(options_drawn, criteria_drawn, facts_drawn)
def test_whatever_is_asked(options: list[Option], criteria: Criteria, facts: Facts) -> None:
    found = select(options, criteria, facts)
    passing = [verdict.option for verdict in found.verdicts if verdict.passes]
    assert (found.chosen is None) == (not passing)
    sensitive = criteria.privacy_sensitive or facts.sensitive_text
    for one in passing:
        assert may_be_sent(sensitive=sensitive, endpoint=one.endpoint, allowed_hosts=criteria.allowed_hosts)
        assert not one.use_gpu or (facts.gpu and criteria.use_gpu_if_necessary)
    if found.chosen is None:
        return
    assert found.chosen in passing
    assert all(found.chosen.dearest <= one.dearest for one in passing)
    if found.chosen.use_gpu:  # then none without one would have done at that price
        assert not [one for one in passing if not one.use_gpu and one.dearest <= found.chosen.dearest]
