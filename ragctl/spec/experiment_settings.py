"""The section `experiment`: which variants of the spec are measured, and by which questions."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from ragctl.spec.section import Problem, Section, wrong

VARIED = ("extract", "chunk", "embed", "ask")
"""Sections whose values a variant may change: what the index is made of, and how it is asked."""
_LONGEST_LIST = 100

Values = dict[str, Any]


class ExperimentSettings(Section):
    """Variants of this spec, each ingested apart from the live index and measured with the same questions."""

    example = "{matrix: {chunk.max_tokens: [128, 256]}, queries: questions.jsonl}"

    matrix: dict[str, tuple[Any, ...]] = Field(
        default={},
        description="Keys of the sections extract, chunk, embed and ask, dotted, with the values to try: "
        "each combination is a variant.",
        examples=["{chunk.max_tokens: [128, 256], ask.query.mode: [dense, hybrid]}"],
    )
    include: tuple[Values, ...] = Field(
        default=(),
        description="Further variants, each a mapping of keys to values; `{}` is the spec as it is.",
        examples=["[{}, {chunk.max_tokens: 64}]"],
    )
    exclude: tuple[Values, ...] = Field(
        default=(),
        description="Combinations of the matrix to leave out: those that have all of the given values.",
        examples=["[{chunk.max_tokens: 128, ask.query.mode: dense}]"],
    )
    queries: str | None = Field(
        default=None,
        min_length=1,
        description="File of questions, as `ragctl eval --queries` takes it; relative to the spec. Needed to "
        "run.",
        examples=["questions.jsonl"],
    )
    qrels: str | None = Field(
        default=None,
        min_length=1,
        description="File of judgements in BEIR's or TREC's form, if `queries` has none.",
        examples=["qrels/test.tsv"],
    )
    metrics: tuple[str, ...] = Field(
        default=(),
        description="Metrics such as `ndcg@10`; the first one decides. Empty: those of `ragctl eval`.",
        examples=["[ndcg@10, recall@100]"],
    )
    baseline: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the variant that the others are compared with; the first one if left out.",
        examples=["max_tokens-128"],
    )

    @model_validator(mode="after")
    def _names_keys_that_vary(self) -> ExperimentSettings:
        problems: list[Problem] = []
        for key, values in self.matrix.items():
            path: tuple[str, ...] = ("matrix", key)
            if not values:
                problems.append((path, "names no value"))
            if len(values) > _LONGEST_LIST:
                problems.append((path, f"has more than {_LONGEST_LIST} values"))
        for path, key in self._keys():
            section, _, rest = key.partition(".")
            if section not in VARIED or key == "ask.type":
                problems.append((path, f"is no key that may vary: one under {', '.join(VARIED)}"))
            elif not rest and section != "embed":
                problems.append(
                    (path, f"is a whole section; name a key in it, such as `{_EXAMPLES[section]}`")
                )
        if problems:
            raise wrong(*problems)
        return self

    def _keys(self) -> list[tuple[tuple[str, ...], str]]:
        found: list[tuple[tuple[str, ...], str]] = [(("matrix", key), key) for key in self.matrix]
        for name in ("include", "exclude"):
            for number, values in enumerate(getattr(self, name)):
                found += [((name, str(number), key), key) for key in values]
        return found


_EXAMPLES = {"extract": "extract.reader", "chunk": "chunk.max_tokens", "ask": "ask.query.mode"}
