"""Where an Airflow is and how it is told who asks: `--airflow URL` and the names of the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from ragctl.errors import UsageError

if TYPE_CHECKING:
    from ragctl.spec.airflow_settings import ApiSettings

API = "/api/v2"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token, or a user and a password, or nothing; with the names that they were read by."""

    token: str | None = field(repr=False)
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    names: ApiSettings

    @property
    def hint(self) -> str:
        """Where they are to be put."""
        return (
            f"put a token into the environment variable {self.names.token_env}, or a user and a password "
            f"into {self.names.user_env} and {self.names.password_env} (airflow.api in the spec names them)"
        )


def credentials_of(names: ApiSettings, environment: Mapping[str, str] = os.environ) -> Credentials:
    """What the environment holds under those names.

    Raises:
        UsageError: a user without a password, or a token that cannot be one.
    """
    token, user, password = (
        environment.get(name, "").strip() or None
        for name in (names.token_env, names.user_env, names.password_env)
    )
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise UsageError(f"the environment variable {names.token_env} holds no token: a token is one word")
    if token is None and (user is None) != (password is None):
        missing = names.password_env if password is None else names.user_env
        raise UsageError(f"the environment variable {missing} is empty", hint="a user needs a password")
    return Credentials(token, user, password, names)


def base_url_of(url: str) -> str:
    """The URL without its last slash, or the path of the API, if one was given with it.

    Raises:
        UsageError: it is no URL of a server, or holds a password.
    """
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise _no_url("it cannot be read") from None
    if parts.username is not None or parts.password is not None:
        raise _no_url("it must not hold a user or a password; airflow.api in the spec names where they are")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _no_url("it begins with http:// or https:// and a host")
    if parts.query or parts.fragment:
        raise _no_url("it has no '?' and no '#'")
    path = parts.path.rstrip("/").removesuffix(API).rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _no_url(why: str) -> UsageError:
    # The URL itself is not repeated: it may hold a password.
    return UsageError(
        f"--airflow takes the address of Airflow's API server: {why}",
        hint="for example --airflow http://localhost:8080",
    )
