"""What faults of a provider cost: texts through each of them, often and rarely, by the real SDKs.

    python benchmarks/providers.py [--texts N] [--only FAULT;...] [--provider openai|cohere]

The server is the stand-in of tests/model_server.py on loopback: it shows that every text is embedded, how
many requests are repeated and what the waiting comes to, and nothing of a real provider's speed. After each
run every text must have come exactly once, with the vector that it has in an undisturbed run.

Texts are handed over 500 at a time, as requests of 63, so that there are enough of them to go wrong. Pauses
before a repetition, which are chosen as always, are shortened to a twentieth; the table has their full length
too. A request is repeated up to 12 times instead of 6: at a share of 30 % one in some 4,600 fails 7 times in
a row, and its run would end with an error.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from numpy.typing import NDArray

from model_server import Fault, ModelServer
from ragctl.errors import RejectedInputs
from ragctl.providers.cohere.embedder import CohereEmbedder
from ragctl.providers.openai.embedder import OpenAIEmbedder
from ragctl.types import Usage

AT_A_TIME = 500
SHARES = (0.05, 0.3)
SHORTENED = 20
RETRIES = 12
TIMEOUT, HANG_TIMEOUT = 30.0, 0.5
MARK = "REJECT-ME"
REJECTED = (0.0005, 0.005)
"""Shares of texts that a server refuses for good."""

FAULTS: dict[str, Fault] = {
    "429, Retry-After in seconds": Fault("rate_limit", 0.5),
    "429, retry-after-ms": Fault("rate_limit", 0.5, "milliseconds"),
    "429, Retry-After a date": Fault("rate_limit", 1.0, "date"),
    "429 alone": Fault("rate_limit"),
    "500": Fault("server_error"),
    "503, Retry-After in seconds": Fault("overloaded", 0.5),
    "hangs": Fault("hang"),
    "cut before the answer": Fault("cut_before_headers"),
    "cut within the answer": Fault("cut_in_body"),
    "slow drip, 0.5 s": Fault("drip", seconds=0.5),
    "invalid JSON": Fault("invalid_json"),
    "a page instead of JSON": Fault("html"),
    "JSON of another form": Fault("other_json"),
    "wrong count": Fault("wrong_count"),
    "wrong dimension": Fault("wrong_dimension"),
    "NaN": Fault("nan"),
    "zero vector": Fault("zero"),
    "in another order": Fault("shuffled"),
    "an index twice": Fault("bad_index"),
}
ONLY_WITH_AN_INDEX = ("in another order", "an index twice")

Vectors = NDArray[np.float32]


class Pauses:
    """Sleeps a part of what is asked for, and adds up the whole."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._lock = threading.Lock()

    def __call__(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds
        time.sleep(seconds / SHORTENED)


def openai(url: str, **options: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder(
        "text-embedding-3-small", api_key="any", base_url=f"{url}/v1", dimensions=64, **options
    )


def cohere(url: str, **options: Any) -> CohereEmbedder:
    return CohereEmbedder("embed-v4.0", api_key="any", base_url=url, dimensions=256, **options)


PROVIDERS: dict[str, Callable[..., OpenAIEmbedder | CohereEmbedder]] = {"openai": openai, "cohere": cohere}


@dataclass(frozen=True)
class Outcome:
    """Of one run. `sent`: texts in all requests, a repeated one counted each time."""

    vectors: Vectors
    usage: Usage
    seconds: float
    pauses: float
    sent: int
    faults: int


def run(provider: str, texts: list[str], fault: Fault | None = None, share: float = 0.0) -> Outcome:
    """Embeds all texts; those that are refused for good have NaN in place of their vector.

    Raises:
        AssertionError: a text came more than once.
    """
    pauses = Pauses()
    with ModelServer(faults={fault: share} if fault else {}, seed=7) as server:
        timeout = HANG_TIMEOUT if fault and fault.kind == "hang" else TIMEOUT
        model = PROVIDERS[provider](server.url, timeout=timeout, retries=RETRIES, sleep=pauses)
        vectors = np.full((len(texts), model.dimension), np.nan, np.float32)
        started = time.perf_counter()
        for first in range(0, len(texts), AT_A_TIME):
            for positions, found in batches(model, texts[first : first + AT_A_TIME]):
                rows = [first + position for position in positions]
                assert np.isnan(vectors[rows]).all(), "a text came twice"
                vectors[rows] = found
        seconds = time.perf_counter() - started
    sent = sum(len(request.body.get("input") or request.body["texts"]) for request in server.requests)
    met = sum(request.fault is not None for request in server.requests)
    return Outcome(vectors, model.usage, seconds, pauses.seconds, sent, met)


def batches(
    model: OpenAIEmbedder | CohereEmbedder, texts: list[str]
) -> Iterator[tuple[tuple[int, ...], Vectors]]:
    try:
        for batch in model.embed(texts):
            yield batch.positions, batch.vectors
    except RejectedInputs as error:
        assert all(MARK in texts[position] for position in error.refused), "a good text was refused"


def check(outcome: Outcome, undisturbed: Outcome, refused: list[int]) -> None:
    missing = np.flatnonzero(np.isnan(outcome.vectors).any(axis=1)).tolist()
    assert missing == refused, f"{len(missing)} texts have no vector, {len(refused)} were to be refused"
    kept = np.ones(len(outcome.vectors), bool)
    kept[refused] = False
    assert np.array_equal(outcome.vectors[kept], undisturbed.vectors[kept]), "vectors differ"


def row(name: str, share: str, outcome: Outcome, undisturbed: Outcome) -> None:
    cells = [
        name,
        share,
        f"{outcome.usage.requests:,}",
        f"{outcome.usage.retries:,}",
        f"{outcome.sent - undisturbed.sent:,}",
        f"{outcome.seconds - undisturbed.seconds:+.1f}",
        f"{outcome.pauses:.0f}",
    ]
    print(f"| {' | '.join(cells)} |", flush=True)


def compare(provider: str, texts: list[str], only: list[str]) -> None:
    run(provider, texts[:AT_A_TIME])  # imports and the server's own memory
    undisturbed = min((run(provider, texts) for _ in range(2)), key=lambda outcome: outcome.seconds)
    assert not np.isnan(undisturbed.vectors).any()
    print(
        f"\n{provider}: {len(texts):,} texts; undisturbed {undisturbed.usage.requests} requests "
        f"in {undisturbed.seconds:.1f} s\n"
    )
    print(
        "| fault | share | requests | repeated | texts sent again | seconds lost | pauses, s, unshortened |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, fault in FAULTS.items():
        if (only and name not in only) or (provider == "cohere" and name in ONLY_WITH_AN_INDEX):
            continue
        for share in SHARES:
            outcome = run(provider, texts, fault, share)
            check(outcome, undisturbed, [])
            assert outcome.faults, f"{name} never happened"
            row(name, f"{share:.0%} of requests", outcome, undisturbed)
    for share in REJECTED if not only else ():
        step = round(1 / share)
        refused = list(range(step // 2, len(texts), step))
        marked = [f"{text} {MARK}" if number in set(refused) else text for number, text in enumerate(texts)]
        outcome = run(provider, marked)
        check(outcome, undisturbed, refused)
        row("a text is refused", f"{len(refused)} texts", outcome, undisturbed)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument(
        "--only", default="", help="faults, by their names in the table, with semicolons between"
    )
    parser.add_argument("--provider", choices=[*PROVIDERS])
    given = parser.parse_args()
    texts = [f"text number {number} of the corpus" for number in range(given.texts)]
    started = time.perf_counter()
    for provider in [given.provider] if given.provider else PROVIDERS:
        compare(provider, texts, [name for name in given.only.split(";") if name])
    print(f"\nall in {time.perf_counter() - started:.0f} s; every text came once, with its own vector")


if __name__ == "__main__":
    main()
