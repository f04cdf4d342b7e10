"""The model of a spec's sources: what documents come from, a class for each type.

Descriptions are written for the person who writes a spec, see `ragctl.spec.model`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ragctl.spec.names import ENVIRONMENT_VARIABLE
from ragctl.spec.record_source_settings import CsvSource, JsonlSource, ParquetSource, SqlSource
from ragctl.spec.section import wrong
from ragctl.spec.source_section import (
    FixedMetadata,
    Folder,
    MetadataTypes,
    PathMetadata,
    Pattern,
    Sensitivity,
    SourceName,
    SourceSection,
)
from ragctl.spec.web_source_settings import CrawlSource, HttpApiSource, SitemapSource, UrlSource

__all__ = [
    "CrawlSource",
    "CsvSource",
    "DirectorySource",
    "FilesSource",
    "GitSource",
    "HttpApiSource",
    "JsonlSource",
    "ObjectStorageSource",
    "ParquetSource",
    "SitemapSource",
    "Source",
    "SqlSource",
    "UrlSource",
]

_REPOSITORY = re.compile(
    r"https://[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?/[^\s?#]+"
    r"|ssh://([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?/[^\s?#]+"
    r"|([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]+:(?!//)[A-Za-z0-9_.~/]\S*"
)
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,249}")
_STORAGE = re.compile(r"(s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]*(/[^?#]*)?")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?(/[^\s?#@]*)?")


def _repository(value: Any) -> Any:
    """An address that git can take for nothing else, without a login; or a path."""
    if not isinstance(value, str) or _REPOSITORY.fullmatch(value):
        return value
    if re.match(r"https?://[^/]*@", value):
        raise wrong(("", "holds a login, and a spec may be read by anybody; use token_env"))
    if "::" in value or "://" in value or value.startswith("-") or not value.strip():
        raise wrong(("", "must be https://…, ssh://…, user@host:path, or the path of a local repository"))
    return value


def _revision(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _REVISION.fullmatch(value) or ".." in value or value.endswith((".lock", "/", ".")):
        raise wrong(("", "must be a branch, a tag or a commit's whole id"))
    return value


def _inside(value: Any) -> Any:
    if isinstance(value, str) and (value.startswith("/") or ".." in value.split("/") or ":" in value):
        raise wrong(("", "must be a folder of the repository, without a leading / and without .."))
    return value


def _storage(value: Any) -> Any:
    if isinstance(value, str) and (not _STORAGE.fullmatch(value) or ".." in value.split("/")):
        raise wrong(("", "must be s3://bucket/…, gs://bucket/… or az://container/…, without @, ? and #"))
    return value


def _endpoint(value: Any) -> Any:
    if isinstance(value, str) and not _ENDPOINT.fullmatch(value):
        raise wrong(("", "must be the address of a server, such as https://minio.example, without a login"))
    return value


def _file_name(value: Any) -> Any:
    if isinstance(value, str) and (not value.strip(".") or re.search(r"[/\\\0]", value)):
        raise wrong(("", "must be the name of a file, without a folder; for example .gitignore"))
    return value


Include = Annotated[
    tuple[Pattern, ...],
    Field(
        min_length=1,
        description="Patterns of the files to take, with / between parts; ** stands for any number of "
        "folders. Wildcards match no name that begins with a dot. Quote them.",
    ),
]
Exclude = Annotated[
    tuple[Pattern, ...], Field(description="Patterns of files to leave out, whatever `include` says.")
]
Variable = Annotated[str, Field(pattern=ENVIRONMENT_VARIABLE)]


class DirectorySource(SourceSection):
    """Files below a directory."""

    path_keys = ("path",)
    named_by = "path"
    example = "{type: directory, path: docs}"

    type: Literal["directory"] = Field(description="The kind of source.")
    path: Folder = Field(description="The directory, relative to the spec file, or absolute.")
    name: SourceName = ""
    include: Annotated[tuple[Pattern, ...], Field(min_length=1)] = Field(
        default=("**/*",),
        description="Patterns of the files to take, relative to `path`, with / between parts; "
        "** stands for any number of folders. Wildcards match no name that begins with a dot. Quote them.",
    )
    exclude: tuple[Pattern, ...] = Field(
        default=(), description="Patterns of files to leave out, whatever `include` says."
    )
    ignore_files: tuple[Annotated[str, BeforeValidator(_file_name)], ...] = Field(
        default=(),
        description="Names of files that say, by git's rules, what is left out of the folder that they lie "
        "in and of those below, such as `.gitignore` and `.ragctlignore`.",
    )
    follow_links: bool = Field(
        default=False,
        description="Follow symbolic links to directories, and out of `path`. Each directory outside is "
        "entered once.",
    )
    metadata: FixedMetadata = Field(default={})
    path_metadata: PathMetadata = ()
    metadata_types: MetadataTypes = Field(default={})
    sensitivity: Sensitivity = None


class FilesSource(SourceSection):
    """Files that are named one by one."""

    path_keys = ("path",)
    named_by = "path"
    example = "{type: files, path: ., files: [README.md]}"

    type: Literal["files"] = Field(description="The kind of source.")
    path: Folder = Field(description="What the names are relative to, itself relative to the spec file.")
    files: Annotated[tuple[Pattern, ...], Field(min_length=1)] = Field(
        description="Names of files, or patterns. A name without its file is a failure of that document."
    )
    name: SourceName = ""
    metadata: FixedMetadata = Field(default={})
    path_metadata: PathMetadata = ()
    metadata_types: MetadataTypes = Field(default={})
    sensitivity: Sensitivity = None


class ObjectStorageSource(SourceSection):
    """Objects of S3 or what speaks its protocol, Google Cloud Storage, or Azure Blob Storage."""

    named_by = "url"
    example = "{type: object_storage, url: 's3://bucket/docs'}"

    type: Literal["object_storage"] = Field(description="The kind of source.")
    url: Annotated[str, BeforeValidator(_storage)] = Field(
        description="The bucket or container, and what the keys begin with: `s3://`, `gs://` or `az://`."
    )
    name: SourceName = ""
    include: Include = ("**/*",)
    exclude: Exclude = ()
    endpoint_url: Annotated[str, BeforeValidator(_endpoint)] | None = Field(
        default=None, description="The address of a server other than the provider's own, such as MinIO."
    )
    region: str | None = Field(default=None, description="The region, for S3.")
    key_env: Variable | None = Field(
        default=None, description="Environment variable with the access key (S3) or account (Azure)."
    )
    secret_env: Variable | None = Field(
        default=None, description="Environment variable with the secret key (S3) or account key (Azure)."
    )
    token_env: Variable | None = Field(
        default=None,
        description="Environment variable with the session token (S3), the SAS token (Azure), or the path of "
        "a service account's file (Google). Without any of the three the machine's own role is used.",
    )
    anonymous: bool = Field(default=False, description="Ask without any key, for public buckets.")
    metadata: FixedMetadata = Field(default={})
    path_metadata: PathMetadata = ()
    metadata_types: MetadataTypes = Field(default={})
    sensitivity: Sensitivity = None


class GitSource(SourceSection):
    """Files of one revision of a git repository, without its history."""

    named_by = "url"
    example = "{type: git, url: 'https://git.example/docs.git', revision: main}"

    type: Literal["git"] = Field(description="The kind of source.")
    url: Annotated[str, BeforeValidator(_repository)] = Field(
        description="`https://…`, `ssh://…`, `user@host:path`, or a local path relative to the spec file."
    )
    revision: Annotated[str, BeforeValidator(_revision)] | None = Field(
        default=None,
        description="A branch, a tag or a commit's whole id.",
        json_schema_extra={"default_is": "the branch that the repository itself names"},
    )
    path: Annotated[str, BeforeValidator(_inside)] = Field(
        default="", description="A folder of the repository: only what is below it, and relative to it."
    )
    name: SourceName = ""
    include: Include = ("**/*",)
    exclude: Exclude = ()
    token_env: Variable | None = Field(
        default=None, description="Environment variable with a token for https."
    )
    token_user: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,100}$")] = Field(
        default="x-access-token", description="The user's name that goes with the token."
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=86400)] = Field(
        default=600.0, description="How long a fetch may take."
    )
    metadata: FixedMetadata = Field(default={})
    path_metadata: PathMetadata = ()
    metadata_types: MetadataTypes = Field(default={})
    sensitivity: Sensitivity = None


Source = Annotated[
    DirectorySource
    | FilesSource
    | ObjectStorageSource
    | GitSource
    | SqlSource
    | JsonlSource
    | CsvSource
    | ParquetSource
    | UrlSource
    | SitemapSource
    | CrawlSource
    | HttpApiSource,
    Field(discriminator="type"),
]
