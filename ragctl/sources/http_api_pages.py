"""How an API's answers follow one another: by page number, by cursor, by offset, or by a Link header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from ragctl.sources.addresses import RefusedAddress, WebAddress, web_address

_LINK = re.compile(r"<([^<>]*)>([^<]*)")


class WrongAnswer(Exception):
    """An answer is not what the spec says it is; the message says how."""


@dataclass(frozen=True, slots=True)
class Pagination:
    """How to get from one answer to the next.

    Attributes:
        by: `none`: there is one answer; `page`, `offset`: a number in the query; `cursor`: the answer has the
            next one's; `link`: the header `Link` has (RFC 8288, `rel="next"`).
        parameter: of the query, that carries number or cursor.
        first: number of the first page, or offset of the first record.
        next: of `cursor`, where in the answer it stands, with dots between keys: a cursor, or a whole URL.
        size: of `offset`, records an answer; of `page`, if given, fewer records say that it is the last.
    """

    by: Literal["none", "page", "offset", "cursor", "link"] = "none"
    parameter: str = ""
    first: int = 1
    next: str = ""
    size: int | None = None

    def start(self, address: WebAddress) -> WebAddress:
        """The first answer's address."""
        return with_query(address, {self.parameter: str(self.first)}) if self._counts else address

    def after(
        self, at: WebAddress, answer: Any, records: int, headers: Mapping[str, str]
    ) -> WebAddress | None:
        """The next answer's address; None after the last.

        Args:
            at: this answer's.
            records: how many it had.

        Raises:
            WrongAnswer: it says something that is no address.
        """
        if self._counts:
            return self._counted(at, records)
        if self.by == "cursor":
            return self._by_cursor(at, field_of(answer, self.next))
        return _linked(at, headers.get("link", "")) if self.by == "link" else None

    @property
    def _counts(self) -> bool:
        return self.by in ("page", "offset")

    def _counted(self, at: WebAddress, records: int) -> WebAddress | None:
        if not records or (self.size is not None and records < self.size):
            return None
        number = int(dict(parse_qsl(at.query)).get(self.parameter, self.first))
        step = 1 if self.by == "page" else records
        return with_query(at, {self.parameter: str(number + step)})

    def _by_cursor(self, at: WebAddress, cursor: Any) -> WebAddress | None:
        if cursor is None or cursor in ("", False):
            return None
        if isinstance(cursor, bool) or not isinstance(cursor, str | int):
            raise WrongAnswer(f"its {self.next!r} is neither text nor a number")
        text = str(cursor)
        if text.startswith(("http://", "https://", "/")):
            return _address(text, at)
        return with_query(at, {self.parameter: text})


def with_query(address: WebAddress, values: Mapping[str, str]) -> WebAddress:
    """The address with these parameters set, in place of those of the same names."""
    kept = [
        (key, value) for key, value in parse_qsl(address.query, keep_blank_values=True) if key not in values
    ]
    query = urlencode([*kept, *values.items()])
    return web_address(f"{address.scheme}://{address.authority}{address.path}{'?' if query else ''}{query}")


def field_of(answer: Any, path: str) -> Any:
    """What stands at `path` (keys with dots between them) in a JSON value; None if nothing does."""
    if not path:
        return answer
    if isinstance(answer, dict) and path in answer:
        return answer[path]
    for key in path.split("."):
        if not isinstance(answer, dict):
            return None
        answer = answer.get(key)
    return answer


def _linked(at: WebAddress, header: str) -> WebAddress | None:
    for url, rest in _LINK.findall(header):
        if re.search(r';\s*rel\s*=\s*("[^"]*\bnext\b[^"]*"|next\b)', rest, re.IGNORECASE):
            return _address(url, at)
    return None


def _address(text: str, at: WebAddress) -> WebAddress:
    try:
        return web_address(text, base=at)
    except RefusedAddress as refused:
        raise WrongAnswer(f"its next page is not asked: {refused}") from None
