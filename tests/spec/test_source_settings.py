"""Sources in a spec: what each type must have, what names it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragctl.errors import SpecError
from ragctl.spec.load import load_spec


def loaded(tmp_path: Path, source: str) -> object:
    path = tmp_path / "docs.yaml"
    path.write_text(f"name: docs\nsources: [{source}]\n", encoding="utf-8")
    return load_spec(path).spec.sources[0]


def mistake(tmp_path: Path, source: str) -> str:
    with pytest.raises(SpecError) as refused:
        loaded(tmp_path, source)
    return str(refused.value)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{type: files, path: notes, files: [a.md]}", "notes"),
        ("{type: object_storage, url: 's3://bucket/in/docs/'}", "docs"),
        ("{type: object_storage, url: 'gs://bucket'}", "bucket"),
        ("{type: git, url: 'https://git.example/group/handbook.git'}", "handbook"),
        ("{type: git, url: 'ssh://git@git.example/handbook.git'}", "handbook"),
        ("{type: git, url: 'git@git.example:group/handbook.git'}", "handbook"),
        ("{type: git, url: ../project}", "project"),
        ("{type: csv, path: a/records.csv}", "records.csv"),
        ("{type: parquet, path: records.parquet}", "records.parquet"),
        ("{type: sql, name: tickets, path: app.db, query: SELECT 1}", "tickets"),
    ],
)
def test_what_names_a_source(tmp_path: Path, source: str, name: str) -> None:
    assert loaded(tmp_path, source).name == name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{type: sql, path: app.db, query: SELECT 1}", "needs a name"),
        ("{type: sql, name: a, query: SELECT 1}", "needs dsn_env (PostgreSQL) or path (SQLite)"),
        ("{type: sql, name: a, query: SELECT 1, path: a.db, dsn_env: A}", "one of the two"),
        ("{type: sql, name: a, path: a.db, query: ' ; '}", "query: must not be empty"),
        ("{type: sql, name: a, dsn_env: 'host=x password=y', query: SELECT 1}", "never the secret itself"),
        ("{type: git, url: 'https://me:secret@git.example/docs.git'}", "holds a login"),
        ("{type: git, url: 'ext::sh -c touch'}", "must be https://"),
        ("{type: git, url: '--upload-pack=x'}", "must be https://"),
        ("{type: git, url: 'git://git.example/docs.git'}", "must be https://"),
        ("{type: git, url: 'ssh://-oProxyCommand=x/docs.git'}", "must be https://"),
        ("{type: git, url: docs, revision: '--upload-pack=x'}", "must be a branch, a tag"),
        ("{type: git, url: docs, revision: 'a..b'}", "must be a branch, a tag"),
        ("{type: git, url: docs, path: ../up}", "must be a folder of the repository"),
        ("{type: object_storage, url: 'ftp://bucket/docs'}", "must be s3://bucket"),
        ("{type: object_storage, url: 's3://key:secret@bucket/docs'}", "must be s3://bucket"),
        (
            "{type: object_storage, url: 's3://b', endpoint_url: 'https://a:b@minio.example'}",
            "without a login",
        ),
        ("{type: csv, path: a.csv, delimiter: ';;'}", "delimiter"),
        ("{type: csv, path: a.csv, encoding: utf-99}", "no encoding that Python knows"),
        ("{type: csv, path: a.csv, encoding: utf-16}", "a line feed is one byte"),
        ("{type: csv, path: a.csv, text: [a, a]}", "names a field twice"),
        ("{type: parquet, path: a.parquet, metadata: {x: 1}, metadata_fields: [x]}", "has a fixed value"),
        ("{type: directory, path: a, ignore_files: [a/.gitignore]}", "the name of a file"),
        ("{type: directory, path: a, path_metadata: ['docs/**']}", "names nothing"),
        ("{type: directory, path: a, path_metadata: ['{a b}/**']}", "is no name"),
        ("{type: directory, path: a, path_metadata: ['{a}/{a}']}", "is there twice"),
        ("{type: directory, path: a, path_metadata: ['^(?P<a']}", "is no regular expression"),
        ("{type: directory, path: a, metadata_types: {x: int}}", "number"),
        ("{type: files, path: a, files: []}", "needs at least one entry"),
    ],
)
def test_what_is_refused(tmp_path: Path, source: str, why: str) -> None:
    said = mistake(tmp_path, source)
    assert why in said
    assert "secret@" not in said
