"""The decision table: what is asked, what there is to choose from, and what must come of it.

docs/choosing-an-embedder.md shows these very cases, see `page.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ragctl.selection.decision import Criteria, Facts, Option

OPENAI, COHERE, OURS = "api.openai.com", "api.cohere.com", "models.example"

OPTIONS: dict[str, Option] = {
    "local": Option(
        0, "local", "all-MiniLM-L6-v2", usd_per_million_tokens=0, tokens_per_second=10_000, quality=0.55
    ),
    "small": Option(
        0,
        "openai",
        "text-embedding-3-small",
        endpoint=OPENAI,
        usd_per_million_tokens=0.02,
        tokens_per_second=20_000,
        quality=0.62,
    ),
    "large": Option(
        0,
        "openai",
        "text-embedding-3-large",
        endpoint=OPENAI,
        usd_per_million_tokens=0.13,
        tokens_per_second=20_000,
        quality=0.65,
    ),
    "cohere": Option(
        0, "cohere", "embed-v4.0", endpoint=COHERE, usd_per_million_tokens=0.12, tokens_per_second=20_000
    ),
    "ours": Option(0, "openai", "bge-m3", endpoint=f"{OURS}:8443", tokens_per_second=20_000),
    "ollama": Option(0, "openai", "nomic-embed-text", endpoint="localhost:11434", cost="low"),
    "gpu": Option(
        0,
        "huggingface",
        "bge-large-en-v1.5",
        use_gpu=True,
        usd_per_million_tokens=0,
        tokens_per_second=200_000,
        quality=0.64,
    ),
    "mini": Option(0, "openai", "gpt-4o-mini", endpoint=OPENAI, usd_per_million_tokens=0.15),
    "4o": Option(0, "openai", "gpt-4o", endpoint=OPENAI, usd_per_million_tokens=2.5),
}
"""What the rows choose among, by the names that the table has for them."""

MEANING = {
    "local": "all-MiniLM-L6-v2 in this process; free; 10,000 tokens a second; quality 0.55",
    "small": "text-embedding-3-small at api.openai.com; 0.02 USD per million tokens; 20,000; 0.62",
    "large": "text-embedding-3-large there; 0.13 USD; 20,000; 0.65",
    "cohere": "embed-v4.0 at api.cohere.com; 0.12 USD; 20,000; quality not known",
    "ours": "bge-m3 at models.example:8443; price not known; 20,000; quality not known",
    "ollama": "nomic-embed-text at localhost:11434; `cost: low`; speed and quality not known",
    "gpu": "bge-large-en-v1.5 in this process on a GPU, `use_gpu: true`; free; 200,000; 0.64",
    "mini": "gpt-4o-mini at api.openai.com; 0.15 USD per million tokens that it reads",
    "4o": "gpt-4o there; 2.50 USD",
}


NOTHING = Criteria()
USUAL = Facts(tokens=10_000_000, gpu=True)


@dataclass(frozen=True)
class Case:
    """A row. `fails` holds, of each option that fails, the criteria; `chosen` is None if all fail."""

    options: tuple[str, ...]
    chosen: str | None
    asked: Criteria = NOTHING
    known: Facts = USUAL
    fails: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    changed: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    noted: tuple[str, ...] = ()

    def made(self) -> list[Option]:
        """The options as they stand in this row's spec."""
        return [
            replace(OPTIONS[name], number=number, **self.changed.get(name, {}))  # type: ignore[arg-type]
            for number, name in enumerate(self.options)
        ]


SECRET = Criteria(privacy_sensitive=True)
HURRY = Criteria(max_minutes=5)
MUCH = Facts(tokens=30_000_000, gpu=True)
NO_GPU = Facts(tokens=30_000_000, gpu=False)

GROUPS: dict[str, tuple[Case, ...]] = {
    "Privacy comes first": (
        Case(("small", "local"), "local", SECRET, fails={"small": ("privacy",)}),
        Case(("ollama", "small"), "ollama", SECRET, fails={"small": ("privacy",)}),
        Case(("small", "large"), None, SECRET, fails={"small": ("privacy",), "large": ("privacy",)}),
        Case(
            ("small", "cohere"),
            "small",
            replace(SECRET, allowed_hosts=(OPENAI,)),
            fails={"cohere": ("privacy",)},
        ),
        Case(("ours",), "ours", replace(SECRET, allowed_hosts=(OURS,))),
        Case(("ours",), "ours", replace(SECRET, allowed_hosts=(f"{OURS}:8443",))),
        Case(("ours",), None, replace(SECRET, allowed_hosts=(f"{OURS}:9000",)), fails={"ours": ("privacy",)}),
        Case(
            ("small", "local"),
            "local",
            known=Facts(tokens=10_000_000, sensitive_text=True),
            fails={"small": ("privacy",)},
        ),
    ),
    "Then the price a token": (
        Case(("large", "small", "cohere"), "small"),
        Case(("small", "ours", "local"), "local"),
        Case(("large", "small"), "small", Criteria(cost_threshold="low"), fails={"large": ("cost",)}),
        Case(("large", "cohere"), "cohere", Criteria(cost_threshold="medium")),
        Case(("ours",), None, Criteria(cost_threshold="high"), fails={"ours": ("cost",)}),
        Case(("large", "cohere"), "cohere", Criteria(cost_threshold=0.12), fails={"large": ("cost",)}),
        Case(
            ("ours",),
            None,
            Criteria(cost_threshold=0.1),
            changed={"ours": {"cost": "medium"}},
            fails={"ours": ("cost",)},
        ),
        Case(("ours",), "ours", Criteria(cost_threshold=0.15), changed={"ours": {"cost": "medium"}}),
        Case(("ours",), "ours", Criteria(cost_threshold="low"), changed={"ours": {"cost": 0.04}}),
        Case(
            ("small",),
            None,
            Criteria(cost_threshold="low"),
            changed={"small": {"cost": "medium"}},
            fails={"small": ("cost",)},
            noted=("small",),
        ),
        Case(
            ("large",),
            "large",
            Criteria(cost_threshold="low"),
            changed={"large": {"cost": 0.03}},
            noted=("large",),
        ),
    ),
    "The price of the whole corpus": (
        Case(("large", "small"), "small", Criteria(max_cost_usd=1), fails={"large": ("max_cost_usd",)}),
        Case(("large",), "large", Criteria(max_cost_usd=1.3)),
        Case(
            ("ours", "ollama"),
            None,
            Criteria(max_cost_usd=100),
            fails={"ours": ("max_cost_usd",), "ollama": ("max_cost_usd",)},
        ),
        Case(
            ("small", "local"),
            "local",
            Criteria(max_cost_usd=1),
            known=Facts(),
            fails={"small": ("max_cost_usd",)},
        ),
    ),
    "Quality": (
        Case(("local", "small"), "small", Criteria(min_quality=0.6), fails={"local": ("min_quality",)}),
        Case(("cohere",), None, Criteria(min_quality=0.1), fails={"cohere": ("min_quality",)}),
        Case(("large",), "large", Criteria(min_quality=0.65)),
    ),
    "Time, and whether a GPU is necessary": (
        Case(("local", "gpu"), "local", replace(HURRY, max_minutes=50), MUCH, fails={"gpu": ("gpu",)}),
        Case(("local", "gpu"), "gpu", HURRY, MUCH, fails={"local": ("max_minutes",)}),
        Case(("local", "gpu"), None, HURRY, NO_GPU, fails={"local": ("max_minutes",), "gpu": ("gpu",)}),
        Case(
            ("local", "gpu"),
            None,
            replace(HURRY, use_gpu_if_necessary=False),
            MUCH,
            fails={"local": ("max_minutes",), "gpu": ("gpu",)},
        ),
        Case(("small", "gpu"), "small", replace(HURRY, max_minutes=25), MUCH, fails={"gpu": ("gpu",)}),
        Case(
            ("small", "gpu"),
            "gpu",
            Criteria(privacy_sensitive=True, max_minutes=25),
            MUCH,
            fails={"small": ("privacy",)},
        ),
        Case(("ollama",), None, HURRY, fails={"ollama": ("max_minutes",)}),
        Case(("local", "gpu"), "local", fails={"gpu": ("gpu",)}),
        Case(("small", "gpu"), "gpu"),
        Case(("small", "gpu"), "small", Criteria(use_gpu_if_necessary=False), fails={"gpu": ("gpu",)}),
        Case(("small", "gpu"), "small", known=Facts(tokens=10_000_000), fails={"gpu": ("gpu",)}),
        Case(("gpu",), None, known=Facts(tokens=10_000_000), fails={"gpu": ("gpu",)}),
        Case(("local", "gpu"), "gpu", Criteria(min_quality=0.6), fails={"local": ("min_quality",)}),
    ),
    "Of those that pass: the cheapest, then the fastest, then the first": (
        Case(
            ("large", "small"),
            "large",
            changed={"small": {"cost": 0.13, "tokens_per_second": 9_000}},
            noted=("small",),
        ),
        Case(
            ("small", "large"),
            "large",
            changed={"small": {"cost": 0.13, "tokens_per_second": None}},
            noted=("small",),
        ),
        Case(("small", "large"), "small", changed={"small": {"cost": 0.13}}, noted=("small",)),
        Case(("ollama", "small"), "small"),
        Case(("ours", "large"), "large"),
    ),
    "Chat models, by the price of what they read": (
        Case(("4o", "mini"), "mini", Criteria(cost_threshold="medium"), Facts(), fails={"4o": ("cost",)}),
        Case(("4o", "mini"), "mini", known=Facts()),
        Case(("4o",), None, SECRET, Facts(), fails={"4o": ("privacy",)}),
    ),
}

CASES = [(group, case) for group, cases in GROUPS.items() for case in cases]
