"""What a client needs before it can ask: the provider's SDK, and a key."""

from __future__ import annotations

from importlib.util import find_spec

from ragctl.errors import MissingPackage, UsageError


def require_sdk(package: str) -> None:
    """Looks whether the SDK is there; importing it takes time, and not every command asks a model.

    Args:
        package: its name, which is the provider's and the extra's too.

    Raises:
        MissingPackage: it is not.
    """
    if find_spec(package) is None:
        raise MissingPackage(
            f"the provider {package!r} needs the Python package {package!r}, which is not installed",
            hint=f"pip install 'ragctl[{package}]'",
        )


def checked_key(api_key: str | None, base_url: str | None, *, vendor: str, variable: str) -> str | None:
    """The key without white space around it; None for a server that needs none.

    Args:
        vendor, variable: whose key it is, and where it is looked for, for the error.

    Raises:
        UsageError: the vendor itself needs one, or it cannot stand in a header. The key is not shown.
    """
    key = (api_key or "").strip()
    if not key and base_url is None:
        raise UsageError(f"{vendor} needs a key", where="api_key_env", hint=f"set {variable}")
    if not (key.isascii() and key.isprintable()):
        raise UsageError("the key holds characters that no key has", where="api_key_env")
    return key or None
