"""What an experiment consists of: its variants, each a valid spec, its questions, and its name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragctl.errors import SpecError, UsageError
from ragctl.evaluate.experiment_matrix import Variant, variants
from ragctl.evaluate.judgements import QuestionSet
from ragctl.evaluate.metrics import checked_metrics
from ragctl.evaluate.question_files import read_questions
from ragctl.run.evaluating.eval_run import file_json
from ragctl.spec.load import LoadedSpec
from ragctl.spec.variant_spec import changed_spec

MOST_VARIANTS = 500
_ID_LENGTH = 10
_SECTIONS = ("name", "sources", "extract", "chunk", "embed", "ask", "eval")


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment.

    Attributes:
        id: ten hexadecimal digits: of the spec, the variants and the question files, so that whoever runs the
            same runs the same experiment, wherever that is.
        base: the spec that the variants change.
        questions: as read; `queries` and `qrels` are their files.
        baseline: name of the variant that the others are compared with.
        environment: values in place of environment variables; the process's own if None.
    """

    id: str
    base: LoadedSpec
    variants: tuple[Variant, ...]
    questions: QuestionSet
    queries: Path
    qrels: Path | None
    metrics: tuple[str, ...]
    baseline: str
    environment: Mapping[str, str] | None = None

    def variant(self, name: str) -> Variant:
        """The variant of this name.

        Raises:
            UsageError: there is none.
        """
        for one in self.variants:
            if one.name == name:
                return one
        raise _unknown(name, self.variants, self.base.where("experiment"))

    def spec_of(self, variant: Variant) -> LoadedSpec:
        """The variant's spec. Results of identical questions are not kept, as they would cost no time."""
        values = {**variant.values, "ask.cache": False}
        return changed_spec(self.base, values, {**variant.places, "ask.cache": ("ask",)})

    def difference(self, variant: Variant) -> list[tuple[str, Any, Any]]:
        """What the variant changes: key, the base spec's value (None where there is none), its own."""
        base = self.base.spec.model_dump(mode="json")
        return [(key, _value_at(base, key), value) for key, value in variant.values.items()]


def planned_variants(loaded: LoadedSpec) -> tuple[Variant, ...]:
    """The variants of a spec, every one of them valid.

    Raises:
        UsageError: the spec has no experiment, or too large a one.
        SpecError: with every mistake of every variant, each at its place in the spec.
    """
    settings = loaded.spec.experiment
    found = variants(settings.matrix, settings.include, settings.exclude)
    if not found:
        raise UsageError(
            "the spec has no experiment",
            where=str(loaded.path),
            hint="experiment: {matrix: {chunk.max_tokens: [128, 256]}, queries: questions.jsonl}",
        )
    if len(found) > MOST_VARIANTS:
        raise UsageError(
            f"these are {len(found):,} variants, and {MOST_VARIANTS:,} is the most",
            where=loaded.where("experiment.matrix"),
        )
    mistakes: dict[str, SpecError] = {}
    for one in found:
        try:
            changed_spec(loaded, one.values, one.places)
        except SpecError as error:
            mistakes |= dict.fromkeys(error.mistakes, error)
    if len(mistakes) == 1:
        raise next(iter(mistakes.values()))
    if mistakes:
        raise SpecError(f"{len(mistakes)} mistakes in the experiment", mistakes=list(mistakes))
    if settings.baseline is not None and settings.baseline not in {one.name for one in found}:
        raise _unknown(settings.baseline, found, loaded.where("experiment.baseline"))
    return found


def planned_experiment(loaded: LoadedSpec, environment: Mapping[str, str] | None = None) -> Experiment:
    """The experiment of a spec. `environment` as in `Experiment`.

    Raises:
        UsageError: see `planned_variants`; or a file of questions is not named, or cannot be read.
        SpecError: see there.
    """
    settings, found = loaded.spec.experiment, planned_variants(loaded)
    if settings.queries is None:
        raise UsageError(
            "the experiment names no questions",
            where=loaded.where("experiment"),
            hint="queries: questions.jsonl; `ragctl eval SPEC make --out questions.jsonl` makes some",
        )
    queries = loaded.resolve(settings.queries)
    qrels = None if settings.qrels is None else loaded.resolve(settings.qrels)
    questions = read_questions(queries, qrels)
    dumped = loaded.spec.model_dump(mode="json")
    content = {
        "spec": {name: dumped[name] for name in _SECTIONS},
        "variants": {one.name: one.values for one in found},
        "files": [file_json(file)["sha256"] for file in (queries, qrels) if file is not None],
        "metrics": settings.metrics,
    }
    return Experiment(
        id=digest(content)[:_ID_LENGTH],
        base=loaded,
        variants=found,
        questions=questions,
        queries=queries,
        qrels=qrels,
        metrics=checked_metrics(settings.metrics),
        baseline=settings.baseline or found[0].name,
        environment=environment,
    )


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of JSON values."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=list)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _unknown(name: str, known: tuple[Variant, ...], where: str) -> UsageError:
    from difflib import get_close_matches

    names = [one.name for one in known]
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"such as {', '.join(names[:3])}"
    return UsageError(f"the experiment has no variant {name!r}", where=where, hint=hint)


def _value_at(data: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        elif isinstance(data, Mapping):
            data = data.get(part)
        else:
            return None
    return data
