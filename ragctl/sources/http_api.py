"""Records of an HTTP API that answers with JSON, a document each."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from ragctl.errors import (
    DocumentError,
    MalformedDocument,
    UnidentifiedDocument,
    UnreadableDocument,
    UsageError,
)
from ragctl.sources.addresses import RefusedAddress, WebAddress, web_address
from ragctl.sources.http_api_pages import Pagination, WrongAnswer, field_of, with_query
from ragctl.sources.polite_client import FetchFailed, Limits
from ragctl.sources.records import NoId, NoText, Record, RecordFields
from ragctl.sources.web_page_store import Page
from ragctl.sources.web_pages import WebPages
from ragctl.types import RECORD_MEDIA_TYPE, Failure, Item


class HttpApiSource:
    """The records that an API lists, answer by answer.

    Args:
        name: the source's name, unique in a spec.
        work_directory: `.ragctl` beside the spec.
        environment: where `auth_env` is looked up.
        url: of the first answer.
        params: added to its query.
        records: where in an answer the list of records stands, with dots between keys; empty: the answer is
            that list.
        id, text, title, metadata_fields: names of a record's fields, see `RecordFields`; with dots between
            keys of objects within it, but for `metadata_fields`.
        updated: a field that changes whenever the record does: it alone then says whether it has.
        link: a field that has the record's own URL, for people.
        pagination: see `Pagination`; None: there is one answer.
        auth_env: name of the variable that holds the secret; sent as `auth_header: auth_scheme secret`.
        max_answers: at most; if there are more, the source cannot be listed.
        allow_hosts: see `AddressGuard`.
        max_bytes, timeout_seconds, retries, delay_seconds: see `Limits`.
        metadata: given to every item.

    Raises:
        RefusedAddress: the URL is none that is ever asked; a valid spec has none such.
    """

    def __init__(
        self,
        name: str,
        *,
        work_directory: Path,
        environment: Mapping[str, str],
        url: str,
        params: Mapping[str, str] | None = None,
        records: str = "",
        id: str | None = None,  # noqa: A002  (as the spec has it)
        text: Sequence[str] = ("text",),
        title: str | None = "title",
        updated: str | None = None,
        link: str | None = None,
        metadata_fields: Sequence[str] = (),
        pagination: Any = None,
        auth_env: str | None = None,
        auth_header: str = "Authorization",
        auth_scheme: str = "Bearer",
        max_answers: int = 1000,
        allow_hosts: Sequence[str] = (),
        max_bytes: int = 20_000_000,
        timeout_seconds: float = 60.0,
        retries: int = 3,
        delay_seconds: float = 0.0,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._url = with_query(web_address(url), dict(params or {})) if params else web_address(url)
        self._records = records
        self._fields = RecordFields(id, tuple(text), title, tuple(metadata_fields))
        self._named = tuple(name for name in (id, title, updated, link, *text, *metadata_fields) if name)
        self._updated = updated
        self._link = link
        self._pagination = _pagination(pagination)
        self._environment = environment
        self._auth = (auth_env, auth_header.lower(), auth_scheme)
        self._max_answers = max_answers
        self._metadata = dict(metadata or {})
        limits = Limits(max_bytes, timeout_seconds, retries, delay_seconds)
        self.pages = WebPages(
            name, work_directory, allow_hosts=allow_hosts, limits=limits, secrets=self._secrets
        )
        self._parsed: tuple[str, list[Any]] | None = None

    @property
    def name(self) -> str:
        return self.pages.name

    def items(self) -> Iterator[Item | Failure]:
        """Every record, in the order of the answers, of which one at a time is held in memory.

        What is wrong with one record befalls that record alone. Of records of one id the first is taken.

        Raises:
            ListingFailed: an answer cannot be had, or is not what the spec says.
            UsageError: the variable `auth_env` is not set.
        """
        begun = self.pages.begin(resume=False)  # answers of two times do not fit together
        seen: set[str] = set()
        for page, values in self._answers():
            for number, value in enumerate(values, start=1):
                yield self._listed(page, number, value, seen)
        self.pages.end(begun)

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """The record's bytes, see `types.RECORD_MEDIA_TYPE`.

        Raises:
            UnreadableDocument: its answer cannot be had, or does not have it any more.
        """
        where = f"{self.name}:{item.path}"
        try:
            for value in self._values_at(item.locator):
                record = self._record_or_none(value)
                if record is not None and self._path(record) == item.path:
                    return io.BytesIO(record.content)
        except (FetchFailed, RefusedAddress, WrongAnswer) as failed:
            raise UnreadableDocument(f"cannot be read: {failed}", where=where) from None
        raise UnreadableDocument(
            "the answer that had it when it was listed has it no more", where=where, hint="Run it again."
        )

    def _values_at(self, url: str) -> list[Any]:
        page = self.pages.look(web_address(url), with_body=True)
        if self._parsed is None or self._parsed[0] != page.digest:
            self._parsed = (page.digest, self._values(self._json(page)))
        return self._parsed[1]

    def _answers(self) -> Iterator[tuple[Page, list[Any]]]:
        at: WebAddress | None = self._pagination.start(self._url)
        asked: set[str] = set()
        while at is not None:
            self._check_next(at, asked)
            asked.add(str(at))
            try:
                page = self.pages.look(at, with_body=True, may_follow=self._why_not_followed)
                answer = self._json(page)
                values = self._values(answer)
                following = self._pagination.after(at, answer, len(values), page.headers)
            except (FetchFailed, WrongAnswer) as failed:
                raise self.pages.listing_failed(str(failed), where=str(at)) from None
            yield page, values
            at = following

    def _check_next(self, at: WebAddress, asked: set[str]) -> None:
        reason = None
        if str(at) in asked:
            reason = "its pages go round in a circle"
        elif len(asked) >= self._max_answers:
            reason = f"it has more answers than max_answers ({self._max_answers:,})"
        elif at.origin != self._url.origin:
            reason = f"its next page is on another server than {self._url.authority}"
        if reason is not None:
            hint = "Look at `pagination` in the spec."
            raise self.pages.listing_failed(reason, where=str(at), hint=hint)

    def _why_not_followed(self, to: WebAddress) -> str | None:
        return None if to.origin == self._url.origin else "which is another server"

    def _json(self, page: Page) -> Any:
        body = self.pages.store.body(page.digest)
        if body is None:
            raise WrongAnswer("its answer was removed meanwhile")
        try:
            return json.loads(body.read_bytes())
        except (ValueError, RecursionError) as error:
            raise WrongAnswer(f"it does not answer with JSON ({error})") from None

    def _values(self, answer: Any) -> list[Any]:
        values = field_of(answer, self._records)
        if not isinstance(values, list):
            what = f"its {self._records!r}" if self._records else "its answer"
            raise WrongAnswer(f"{what} is no list of records; `records` says where the list stands")
        return values

    def _listed(self, page: Page, number: int, value: Any, seen: set[str]) -> Item | Failure:
        try:
            record = self._fields.record(self._flat(value))
        except NoText as error:
            return self._failure(self._path_of(error.id), MalformedDocument, str(error))
        except NoId as error:
            message = f"{error}; while it is so, no document of this source is deleted"
            return self._failure(f"{page.url}:{number}", UnidentifiedDocument, message)
        path = self._path(record)
        if path in seen:
            message = f"its id {record.id!r} was listed before; that record is the one that is taken"
            return self._failure(f"{page.url}:{number}", MalformedDocument, message)
        seen.add(path)
        return Item(
            source=self.name,
            path=path,
            uri=self._uri(value, record),
            fingerprint=self._fingerprint(value, record),
            size=len(record.content),
            media_type=RECORD_MEDIA_TYPE,
            locator=page.url,
            metadata=self._metadata,
        )

    def _record_or_none(self, value: Any) -> Record | None:
        try:
            return self._fields.record(self._flat(value))
        except (NoId, NoText):
            return None

    def _flat(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise NoId("it is no object")
        found = {name: field_of(value, name) for name in self._named if "." in name}
        return {**value, **found}

    def _fingerprint(self, value: Any, record: Record) -> str:
        stamp = field_of(value, self._updated) if self._updated is not None else None
        return f"updated:{stamp}"[:500] if isinstance(stamp, str | int | float) else record.fingerprint

    def _uri(self, value: Any, record: Record) -> str:
        link = field_of(value, self._link) if self._link is not None else None
        if isinstance(link, str):
            try:
                return str(web_address(link))
            except RefusedAddress:
                pass
        return f"{self._url}#{quote(record.id, safe='')}"

    def _path(self, record: Record) -> str:
        return self._path_of(record.id)

    def _path_of(self, record_id: str) -> str:
        return f"{self._url.authority}{self._url.path}#{record_id}"

    def _failure(self, document: str, kind: type[DocumentError], message: str) -> Failure:
        return Failure(self.name, document, "list", kind.kind, message, kind.retryable)

    def _secrets(self) -> dict[str, str]:
        variable, header, scheme = self._auth
        if variable is None:
            return {}
        secret = self._environment.get(variable, "").strip()
        if not secret:
            raise UsageError(
                f"the source {self.name!r} needs a secret, and {variable} is not set",
                hint=f"set the environment variable {variable}",
            )
        if not secret.isascii() or not secret.isprintable():
            raise UsageError(f"{variable} holds what no header can carry", hint=f"look at {variable}")
        return {header: f"{scheme} {secret}".strip()}


def _pagination(given: Any) -> Pagination:
    """From the spec's section, an object with these attributes, or as it is."""
    if given is None or isinstance(given, Pagination):
        return given or Pagination()
    return Pagination(given.by, given.parameter, given.first, given.next, given.size)
