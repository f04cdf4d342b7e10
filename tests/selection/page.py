"""Writes the tables of docs/choosing-an-embedder.md: `PYTHONPATH=tests python -m selection.page`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from selection.decision_cases import GROUPS, MEANING, Case
from selection.privacy_cases import MAY_GO, ROWS

from ragctl.selection.cost_levels import UP_TO
from ragctl.selection.decision import Criteria, select
from ragctl.selection.prices import PricedModel, known_models

PAGE = Path(__file__).resolve().parents[2] / "docs" / "choosing-an-embedder.md"


def page_text(text: str) -> str:
    """The page with its tables as they must be; what stands around them stays."""
    tables = {"levels": _levels(), "decision": _decision(), "privacy": _privacy(), "prices": _prices()}
    for name, lines in tables.items():
        begin, end = f"<!-- {name}: made by tests/selection/page.py -->", f"<!-- end of {name} -->"
        text, count = re.subn(
            f"{re.escape(begin)}\n.*?{re.escape(end)}",
            lambda _, begin=begin, end=end, lines=lines: "\n".join([begin, *lines, end]),  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
        assert count == 1, f"the page has no place for the table {name}"
    return text


def _levels() -> list[str]:
    rows, above = ["| level | US dollars per million tokens |", "| --- | --- |"], 0.0
    for level, most in UP_TO.items():
        span = f"more than {above:g}" if most == float("inf") else f"more than {above:g}, up to {most:g}"
        rows.append(f"| `{level}` | {span if above else f'0 to {most:g}'} |")
        above = most
    return rows


def _decision() -> list[str]:
    used = {name for cases in GROUPS.values() for case in cases for name in case.options}
    lines = [f"- **{name}**: {meaning}" for name, meaning in MEANING.items() if name in used]
    for group, cases in GROUPS.items():
        lines += ["", f"### {group}", ""]
        lines += ["| asked | options | tokens; GPU | chosen | why |", "| --- | --- | --- | --- | --- |"]
        lines += [_row(case) for case in cases]
    return lines


def _row(case: Case) -> str:
    options = ", ".join(_option(case, name) for name in case.options)
    tokens = "not known" if case.known.tokens is None else f"{case.known.tokens // 10**6} million"
    text = f"{tokens}; {'yes' if case.known.gpu else 'none'}"
    text += "; a source is sensitive" if case.known.sensitive_text else ""
    sentence = select(case.made(), case.asked, case.known).sentence
    return f"| {_asked(case.asked)} | {options} | {text} | {case.chosen or '**none**'} | {sentence} |"


def _asked(criteria: Criteria) -> str:
    default = Criteria()
    given = [
        f"`{one.name}: {_yaml(getattr(criteria, one.name))}`"
        for one in fields(criteria)
        if getattr(criteria, one.name) != getattr(default, one.name)
    ]
    return ", ".join(given) or "nothing"


def _option(case: Case, name: str) -> str:
    changed = case.changed.get(name, {})
    said = [f"`cost: {changed['cost']}`"] if "cost" in changed else []
    if "tokens_per_second" in changed:
        speed = changed["tokens_per_second"]
        said.append("speed not known" if speed is None else f"{speed:,} tokens a second")
    return f"{name} ({', '.join(said)})" if said else name


def _yaml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _privacy() -> Iterator[str]:
    heads = ("spec", "source", "document", "question", "sensitive")
    yield f"| {' | '.join(heads)} | this process | this machine | allowed host | other |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in ROWS:
        levels = ["true" if row.spec else "", row.source or "", row.document or "", row.question or ""]
        answers = [
            "yes" if row.sensitive else "no",
            *("goes" if one else "**no**" for one in MAY_GO[row.sensitive]),
        ]
        yield f"| {' | '.join([*levels, *answers])} |"


def _prices() -> Iterator[str]:
    yield "| provider | model | US dollars | dimensions | reads | source | the same in | seen |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in known_models():
        reads = row.max_tokens or row.context_tokens
        yield (
            f"| {row.provider} | {row.model} | {_price(row)} | {row.dim or ''} "
            f"| {f'{reads:,}' if reads else ''} | <{row.source}> | {', '.join(row.witnesses)} | {row.seen} |"
        )


def _price(row: PricedModel) -> str:
    price = row.price
    if price.usd_per_thousand_searches is not None:
        return f"{price.usd_per_thousand_searches:g} a thousand searches"
    if price.usd_per_million_tokens is None:
        return "not known"
    text = f"{price.usd_per_million_tokens:g}"
    if price.usd_per_million_output_tokens is not None:
        text += f", output {price.usd_per_million_output_tokens:g}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page_text(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
