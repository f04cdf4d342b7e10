"""The model of a spec's sources from the web: URLs, sitemaps, crawls and HTTP APIs.

Descriptions are written for the person who writes a spec, see `ragctl.spec.model`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from ragctl.spec.mistakes import looks_secret
from ragctl.spec.names import ENVIRONMENT_VARIABLE, SOURCE_NAME
from ragctl.spec.section import Section, wrong
from ragctl.spec.source_section import (
    FieldName,
    File,
    FixedMetadata,
    MetadataKey,
    Pattern,
    Sensitivity,
    SourceSection,
)

_HOST = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?)(:([0-9]{1,5}))?", re.ASCII
)
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/([a-z0-9.+-]{1,100}|\*)")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,60}")


def _url(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong(("", "is no URL; write one such as 'https://docs.example/guide'")) from None
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise wrong(("", "must be a URL that begins with https:// or http:// and a host"))
    if "@" in parts.netloc or looks_secret(value):
        raise wrong(("", "holds a login or a key, and a spec may be read by anybody"))
    if re.search(r"[\x00-\x20\\]", value):
        raise wrong(("", "holds white space or a \\; write %20 for a space"))
    return value


def _host(value: Any) -> Any:
    if isinstance(value, str):
        found = _HOST.fullmatch(value)
        if not found or not 0 < int(found.group(4) or 1) < 65536:
            text = "must be a host or host:port alone, such as 'intranet.example' or '127.0.0.1:8000'"
            raise wrong(("", text))
    return value


def _media_type(value: Any) -> Any:
    if isinstance(value, str) and not _MEDIA_TYPE.fullmatch(value):
        raise wrong(("", "must be a media type in small letters, such as text/html or text/*"))
    return value


def _header(value: Any) -> Any:
    if isinstance(value, str) and not _HEADER.fullmatch(value):
        raise wrong(("", "must be the name of a header: letters, digits and -"))
    return value


Url = Annotated[str, BeforeValidator(_url)]
Host = Annotated[str, BeforeValidator(_host)]
MediaTypePattern = Annotated[str, BeforeValidator(_media_type)]
HeaderName = Annotated[str, BeforeValidator(_header)]
WebSourceName = Annotated[
    str,
    Field(
        pattern=SOURCE_NAME,
        description="What hits and documents call this source; part of a document's identity, so a new name "
        "means new documents. Unique in a spec.",
        json_schema_extra={"default_is": "the last part of `url`, or its host"},
    ),
]
AllowHosts = Annotated[
    tuple[Host, ...],
    Field(
        description="Hosts, as `host` or `host:port`, that may have a private or loopback address. All "
        "others must have public ones, wherever a link or a redirect leads to."
    ),
]
Timeout = Annotated[
    float,
    Field(ge=1, le=3600, description="Seconds that a request may take with its redirects, to its last byte."),
]
Retries = Annotated[
    int,
    Field(
        ge=0,
        le=10,
        description="How often a request is sent again that was not answered, or with a status that may pass "
        "(429, 503 and the like). `Retry-After` is waited for, up to two minutes.",
    ),
]
Delay = Annotated[
    float, Field(ge=0, le=3600, description="Seconds between the beginnings of two requests to one host.")
]
MediaTypes = Annotated[
    tuple[MediaTypePattern, ...],
    Field(description="Media types that are taken; what a server calls something else is not downloaded."),
]
PathPatterns = tuple[Pattern, ...]
_TYPES = ("text/*", "application/*", "message/*")
_INCLUDE = (
    "Patterns of the pages to take, over a URL's path without its first / and without its query; a pattern "
    "of a folder takes all below it. The page `/` is called `index`. Quote them."
)
_EXCLUDE = "Patterns of pages to leave out, whatever `include` says."
_HOSTS = "Other hosts, as `host` or `host:port`, whose pages are taken besides those of `url`."


class UrlSource(SourceSection):
    """Web pages by their URLs."""

    path_keys = ("path",)
    example = "{type: url, name: pages, urls: ['https://docs.example/guide.html']}"

    type: Literal["url"] = Field(description="The kind of source.")
    urls: tuple[Url, ...] = Field(default=(), description="URLs of pages.")
    path: File | None = Field(
        default=None,
        description="A file of further URLs, one a line; lines that begin with # are comments. Relative to "
        "the spec file, or absolute.",
    )
    name: WebSourceName = Field(default="", json_schema_extra={"default_is": "none: a name must be given"})
    media_types: MediaTypes = _TYPES
    delay_seconds: Delay = 0.1
    timeout_seconds: Timeout = 60.0
    retries: Retries = 3
    allow_hosts: AllowHosts = ()
    metadata: FixedMetadata = Field(default={})
    sensitivity: Sensitivity = None

    @model_validator(mode="after")
    def _there_are_urls(self) -> UrlSource:
        if not self.urls and self.path is None:
            raise wrong(("", "needs `urls`, or a file of them as `path`"))
        return self


class SitemapSource(SourceSection):
    """The pages that a site's sitemap names."""

    named_by = "url"
    example = "{type: sitemap, url: 'https://docs.example/sitemap.xml'}"

    type: Literal["sitemap"] = Field(description="The kind of source.")
    url: Url = Field(description="The sitemap, or an index of sitemaps; compressed with gzip or not.")
    name: WebSourceName = ""
    include: PathPatterns = Field(default=(), description=_INCLUDE)
    exclude: PathPatterns = Field(default=(), description=_EXCLUDE)
    hosts: tuple[Host, ...] = Field(default=(), description=_HOSTS)
    trust_lastmod: bool = Field(
        default=True,
        description="Take a page whose `lastmod` is as before for unchanged, without asking for it. A page "
        "without one is always asked for, under conditions.",
    )
    media_types: MediaTypes = _TYPES
    delay_seconds: Delay = 0.1
    timeout_seconds: Timeout = 60.0
    retries: Retries = 3
    allow_hosts: AllowHosts = ()
    metadata: FixedMetadata = Field(default={})
    sensitivity: Sensitivity = None


class CrawlSource(SourceSection):
    """The pages of a site that links lead to."""

    named_by = "url"
    example = "{type: crawl, url: 'https://docs.example/'}"

    type: Literal["crawl"] = Field(description="The kind of source.")
    url: Url = Field(description="The page to begin with.")
    name: WebSourceName = ""
    max_pages: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="Pages that are looked at, at most. A site that has more is reported as a failure, and "
        "nothing of it is deleted.",
    )
    max_depth: int = Field(default=10, ge=0, le=1000, description="Links between `url` and a page, at most.")
    include: PathPatterns = Field(default=(), description=_INCLUDE)
    exclude: PathPatterns = Field(default=(), description=_EXCLUDE)
    hosts: tuple[Host, ...] = Field(default=(), description=_HOSTS)
    queries: bool = Field(default=False, description="Take pages whose URL has a query (`?page=2`), too.")
    robots: bool = Field(default=True, description="Obey robots.txt. Only turn it off on a site of your own.")
    follow_nofollow: bool = Field(
        default=False, description="Follow links that their page asks robots not to follow."
    )
    media_types: MediaTypes = _TYPES
    delay_seconds: Delay = 0.5
    timeout_seconds: Timeout = 60.0
    retries: Retries = 3
    allow_hosts: AllowHosts = ()
    metadata: FixedMetadata = Field(default={})
    sensitivity: Sensitivity = None


class Pagination(Section):
    """How an API's answers follow one another."""

    example = "{by: page, parameter: page}"

    by: Literal["none", "page", "offset", "cursor", "link"] = Field(
        default="none",
        description="`page` or `offset`: a number in the query. `cursor`: an answer has the next one's "
        "cursor or URL. `link`: the header `Link` has its URL. `none`: there is one answer.",
    )
    parameter: str = Field(
        default="", max_length=100, description="The query's parameter for page, offset or cursor."
    )
    first: int = Field(
        default=1, ge=0, le=10**9, description="The first page's number; with `by: offset`, mostly 0."
    )
    next: str = Field(
        default="",
        max_length=200,
        description="Of `cursor`: where in the answer the next one stands, with dots between keys.",
    )
    size: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        default=None,
        description="Records in a full answer; one with fewer is then the last. Without it, one with none.",
    )

    @model_validator(mode="after")
    def _says_enough(self) -> Pagination:
        problems = []
        if self.by in ("page", "offset", "cursor") and not self.parameter:
            problems.append(("parameter", f"is needed with `by: {self.by}`"))
        if self.by == "cursor" and not self.next:
            problems.append(("next", "is needed with `by: cursor`"))
        if problems:
            raise wrong(*problems)
        return self


class HttpApiSource(SourceSection):
    """Records of an HTTP API that answers with JSON, one document each."""

    named_by = "url"
    gives_records = True
    example = "{type: http_api, url: 'https://api.example/posts', text: [body]}"

    type: Literal["http_api"] = Field(description="The kind of source.")
    url: Url = Field(description="The first answer.")
    name: WebSourceName = ""
    params: dict[str, str] = Field(default={}, description="Parameters that are added to the URL's query.")
    records: str = Field(
        default="",
        max_length=200,
        description="Where in an answer the list of records stands, with dots between keys. Empty: the "
        "answer is that list.",
    )
    id: FieldName | None = Field(
        default=None,
        description="The field that names a record: text or a whole number. Like `text`, `title`, `updated` "
        "and `link`, it may have dots between keys.",
        json_schema_extra={"default_is": "`id`, or `_id` where a record has no `id`"},
    )
    text: Annotated[tuple[FieldName, ...], Field(min_length=1)] = Field(
        default=("text",),
        description="The fields that make a record's text, in this order, with a blank line between them. A "
        "record may lack some of them.",
    )
    title: FieldName | None = Field(
        default="title", description="The field that holds the title. `null` if none does."
    )
    updated: FieldName | None = Field(
        default=None,
        description="A field that changes whenever the record does, and alone says whether it has. Without "
        "one, title, text and metadata are compared.",
    )
    link: FieldName | None = Field(default=None, description="The field that holds the record's own URL.")
    pagination: Pagination = Pagination()
    auth_env: Annotated[str, Field(pattern=ENVIRONMENT_VARIABLE)] | None = Field(
        default=None, description="Name of the environment variable that holds the secret to send."
    )
    auth_header: HeaderName = Field(default="Authorization", description="The header that carries it.")
    auth_scheme: Annotated[str, Field(pattern=r"^[A-Za-z]{0,20}$")] = Field(
        default="Bearer", description="The word before it; empty for the secret alone."
    )
    max_answers: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="Answers, at most; an API that has more is not listed at all.",
    )
    delay_seconds: Delay = 0.0
    timeout_seconds: Timeout = 60.0
    retries: Retries = 3
    allow_hosts: AllowHosts = ()
    metadata: FixedMetadata = Field(default={})
    metadata_fields: tuple[MetadataKey, ...] = Field(
        default=(),
        description="Fields whose values a document carries as metadata: text, numbers, true or false, and "
        "lists of these. Other values are left out.",
    )
    sensitivity: Sensitivity = None

    @model_validator(mode="after")
    def _fits_together(self) -> HttpApiSource:
        problems = []
        if len(set(self.text)) < len(self.text):
            problems.append(("text", "names a field twice"))
        if both := [key for key in self.metadata_fields if key in self.metadata]:
            problems.append(("metadata_fields", f"'{both[0]}' has a fixed value under metadata"))
        parts = urlsplit(self.url)
        is_own = bool({parts.netloc, parts.hostname} & set(self.allow_hosts))
        if self.auth_env is not None and parts.scheme.lower() == "http" and not is_own:
            problems.append(("url", "must begin with https://, as a secret is sent to it"))
        if problems:
            raise wrong(*problems)
        return self
