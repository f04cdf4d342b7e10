"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ragctl.errors import NothingPublished, RagctlError

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Attributes:
        check: what was looked at.
        ok: there is nothing to be mended. What is only worth knowing is `ok` with a `warning`.
        detail: what was found.
        fix: what mends it, beginning with the command where there is one.
    """

    check: str
    ok: bool
    detail: str
    fix: str | None = None
    warning: bool = False


def as_json(findings: Sequence[Finding], done: Sequence[str] = ()) -> dict[str, Any]:
    """The document that `ragctl doctor --format json` prints; fields may be added, none changed.

    Args:
        done: what `--repair` or `--rebuild-state` did, before the findings were made.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": all(finding.ok for finding in findings),
        "findings": [asdict(finding) for finding in findings],
        "done": list(done),
    }


def check(name: str, look: Callable[[], str]) -> Finding:
    """The finding of a check that says what it saw, or raises what is wrong."""
    try:
        return Finding(name, True, look())
    except NothingPublished as error:
        return Finding(name, True, error.message, error.hint)
    except RagctlError as error:
        return Finding(name, False, str(error), error.hint)
