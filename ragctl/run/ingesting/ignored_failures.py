"""Failures that the spec's `ignore` accepts: they are listed, and do not count for the exit code."""

from __future__ import annotations

from collections.abc import Sequence

from ragctl.sources.patterns import Patterns
from ragctl.types import Failure


class IgnoredFailures:
    """Says of a failure whether it is one of those.

    Args:
        patterns: glob patterns over `source/path`, see `sources.patterns`; like `exclude` they match
            names with a leading dot, and all that is below a directory that they match.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = Patterns(patterns, dots=True)

    def __call__(self, failure: Failure) -> bool:
        return self.names(failure.source, failure.document)

    def names(self, source: str, path: str) -> bool:
        """Does a pattern name this document?"""
        return self._patterns.cover(f"{source}/{path}")
