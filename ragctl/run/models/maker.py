"""Makes the models that a spec names: keys from the environment, prices, limits and the run's budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ragctl.errors import Unavailable, UsageError
from ragctl.ports import Embedder, Generator, Reranker
from ragctl.registry import adapter_class
from ragctl.run.models.keyless import KeylessEmbedder
from ragctl.run.models.places import IN_PROCESS, endpoint_of
from ragctl.run.models.prices import Kind, is_known, price_of_settings
from ragctl.state.throttle import PostgresThrottle, throttle_name

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.ports import Spending
    from ragctl.spec.load import LoadedSpec

# A constructor's argument, and the setting that it comes from where a section has that.
_LOCAL = {
    "local": ("model", "revision", "query_prefix", "passage_prefix"),
    "huggingface": (
        *("model", "revision", "query_prefix", "passage_prefix"),
        *("device", "precision", "batch_tokens"),
    ),
}
_REMOTE = {
    "model": "model",
    "base_url": "base_url",
    "timeout": "timeout_seconds",
    "retries": "retries",
    "max_in_flight": "max_in_flight",
    "dimensions": "dimensions",
    "max_tokens": "max_tokens",
    "tokenizer": "tokenizer",
    "query_prefix": "query_prefix",
    "passage_prefix": "passage_prefix",
}
_LEFT_OUT_IF_NONE = frozenset({"device", "precision", "batch_tokens", "tokenizer", "max_tokens"})


class ModelMaker:
    """Makes models of sections of a spec.

    Args:
        environment: where keys are looked up by the names that the spec has.
        connect: gives a connection on which no run holds a transaction open; for throttles.
        spending: what every paid request is reserved from.
        on_retry: told of each request that is repeated, and why.
    """

    def __init__(
        self,
        loaded: LoadedSpec,
        environment: Mapping[str, str],
        *,
        connect: Callable[[], Connection[Any]],
        spending: Spending,
        on_retry: Callable[[str], None],
    ) -> None:
        self._loaded = loaded
        self._environment = environment
        self._connect = connect
        self._spending = spending
        self._on_retry = on_retry
        self._throttles: list[PostgresThrottle] = []

    def close(self) -> None:
        """Ends the waiting of requests that a throttle holds."""
        for throttle in self._throttles:
            throttle.close()

    def embedder(self, settings: Any, key: str, *, revision: str | None = None) -> Embedder:
        """The embedder of a section `embed`.

        Args:
            settings: the section; with `provider: auto`, the chosen option's.
            key: the section's place in the spec, such as `embed`.
            revision: what is pinned, where the section names none.

        Raises:
            UsageError, MissingPackage, Unavailable: the model cannot be had.
        """
        kind = adapter_class("embedder", settings.provider)
        with self._placed(f"{key}.model"):
            if settings.provider in IN_PROCESS:
                arguments = self._local_arguments(settings)
                arguments["revision"] = arguments.get("revision") or revision
                made: Embedder = kind(base=self._loaded.base, **arguments)
                return made
            missing = self._missing_key(settings, key)
            given = self._remote_arguments(settings, "embedder", keyless=missing is not None)
            made = kind(**self._base(settings), **given)
        return KeylessEmbedder(made, missing) if missing is not None else made

    def reranker(self, settings: Any, key: str) -> Reranker:
        """The reranker of a section `ask.rank`.

        Raises:
            UsageError, MissingPackage, Unavailable: the model cannot be had.
        """
        kind = adapter_class("reranker", settings.provider)
        with self._placed(f"{key}.model"):
            if settings.provider in IN_PROCESS:
                made: Reranker = kind(base=self._loaded.base, **self._local_arguments(settings))
                return made
            missing = self._missing_key(settings, key)
            if missing is not None:
                raise missing
            reranker: Reranker = kind(**self._remote_arguments(settings, "reranker"))
            return reranker

    def generator(self, settings: Any, key: str) -> Generator:
        """The chat model of a section such as `ask.answer`.

        Raises:
            UsageError, MissingPackage, Unavailable: the model cannot be had.
        """
        kind = adapter_class("generator", settings.provider)
        with self._placed(f"{key}.model"):
            missing = self._missing_key(settings, key)
            if missing is not None:
                raise missing
            # `max_tokens` of such a section is what the model may write, and no setting of the model.
            arguments = self._remote_arguments(settings, "generator")
            arguments.pop("max_tokens", None)
            for name in ("temperature", "context_tokens"):
                if (value := getattr(settings, name, None)) is not None:
                    arguments[name] = value
            made: Generator = kind(**arguments)
            return made

    def _base(self, settings: Any) -> dict[str, Any]:
        """Where a tokenizer's folder is looked for, of those whose tokenizer the spec may name."""
        return {"base": self._loaded.base} if hasattr(settings, "tokenizer") else {}

    def _local_arguments(self, settings: Any) -> dict[str, Any]:
        names = _LOCAL[settings.provider]
        return {name: value for name in names if _is_given(name, value := getattr(settings, name, _ABSENT))}

    def _remote_arguments(self, settings: Any, kind: Kind, *, keyless: bool = False) -> dict[str, Any]:
        given = {
            name: value
            for name, setting in _REMOTE.items()
            if _is_given(name, value := getattr(settings, setting, _ABSENT))
        }
        price = price_of_settings(settings)
        return {
            **given,
            "api_key": NO_KEY if keyless else self._key(settings),
            "price": price,
            "throttle": self._throttle(settings),
            # What has no price cannot be held to a budget; who sets one is refused before.
            "spending": self._spending if is_known(price, kind) else None,
            "on_retry": self._on_retry,
        }

    def _throttle(self, settings: Any) -> PostgresThrottle | None:
        """None where the spec gives no limit."""
        requests, tokens = settings.requests_per_minute, settings.tokens_per_minute
        if requests is None and tokens is None:
            return None
        host = endpoint_of(settings)
        name = throttle_name(settings.provider, host, settings.model, self._key(settings))
        made = PostgresThrottle(self._connect, name, requests_per_minute=requests, tokens_per_minute=tokens)
        self._throttles.append(made)
        return made

    def _key(self, settings: Any) -> str | None:
        name = settings.api_key_env
        return (self._environment.get(name) or None) if name else None

    def _missing_key(self, settings: Any, key: str) -> UsageError | None:
        name = settings.api_key_env
        if not name or self._environment.get(name):
            return None
        return UsageError(
            f"the environment variable {name} is not set, and {settings.provider} needs a key",
            where=self._loaded.where(f"{key}.api_key_env"),
            hint=f"export {name}=…; or name another variable in {key}.api_key_env",
        )

    @contextmanager
    def _placed(self, key: str) -> Iterator[None]:
        """An error without a place is about that key of the spec."""
        try:
            yield
        except (UsageError, Unavailable) as error:
            error.where = error.where or self._loaded.where(key)
            raise


_ABSENT = object()
NO_KEY = "not-set"
"""In the place of a key that is missing: what is made with it is asked nothing, see `KeylessEmbedder`."""


def _is_given(name: str, value: object) -> bool:
    """Has the section this setting, and a value for it where a constructor has a default of its own?"""
    return value is not _ABSENT and not (value is None and name in _LEFT_OUT_IF_NONE)
