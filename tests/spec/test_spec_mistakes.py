"""Mistakes about keys and values: each placed, each in words, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragctl.errors import ExitCode, SpecError
from ragctl.spec.load import load_spec

SOURCES = [
    *("directory", "files", "object_storage", "git", "sql", "jsonl", "csv", "parquet"),
    *("url", "sitemap", "crawl", "http_api"),
]
ANY_SOURCE = " or ".join(f"'{one}'" for one in SOURCES)
HEAD = "name: docs\nsources:\n  - {type: directory, path: a}\n"


def mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, *overrides: str) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("docs.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_spec(Path("docs.yaml"), overrides)
    assert caught.value.exit_code == ExitCode.WRONG_CALL
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return list(caught.value.mistakes)


@pytest.mark.parametrize(
    ("added", "mistake"),
    [
        # keys
        ("chunk: {max_token: 128}", "4:9: chunk.max_token: unknown key; did you mean 'max_tokens'?"),
        ("chunks: {}", "4:1: chunks: unknown key; did you mean 'chunk'?"),
        (
            "max_tokens: 128",
            "4:1: max_tokens: is not known here but under 'chunk' or under 'embed' or under "
            "'embed.embedder_options.N' or elsewhere; known here: name, sources, extract, chunk, embed, "
            "store, state, ask, eval, experiment, max_failures, ignore, airflow",
        ),
        (
            "store: {name: x}",
            "4:9: store.name: is not known here but at the top level or under 'sources.N'; "
            "known here: type, index, existing, keep_generations, cache_max_bytes, dsn_env, schema, "
            "table_prefix, hnsw",
        ),
        (
            "embed: {embedder_options: []}",
            "4:9: embed.embedder_options: is not known for 'local' but for 'auto'; known here: provider, "
            "model, revision, query_prefix, passage_prefix, selection_criteria",
        ),
        ("name: again", "4:1: name: is given twice; the first one is at docs.yaml:1:1"),
        (
            "chunk: {overlap: 8, overlap: 9}",
            "4:21: chunk.overlap: is given twice; the first one is at docs.yaml:4:9",
        ),
        # closed choices
        ("store: {type: pgvectr}", "4:15: store.type: unknown type 'pgvectr'; did you mean 'pgvector'?"),
        ("store: {type: PGVector}", "4:15: store.type: unknown type 'PGVector'; did you mean 'pgvector'?"),
        (
            "embed: {provider: opnai}",
            "4:19: embed.provider: unknown provider 'opnai'; did you mean 'openai'?",
        ),
        (
            "embed: {model: all-minilm-l6-v2}",
            "4:16: embed.model: unknown model 'all-minilm-l6-v2'; did you mean 'all-MiniLM-L6-v2'?",
        ),
        (
            "embed: {model: ~/models/mine}",
            "4:16: embed.model: ~ is not expanded; write the path relative to the spec file, or in full",
        ),
        (
            "embed: {model: ' '}",
            "4:16: embed.model: must not be empty; name a model, such as all-MiniLM-L6-v2",
        ),
        (
            "ask: {rank: {model: ./cross}}",
            "4:21: ask.rank.model: is for `provider: local` or `provider: huggingface` or `provider: cohere` "
            "or `provider: openai`",
        ),
        (
            "ask: {rank: {provider: local}}",
            "4:13: ask.rank.model: is missing; name the cross-encoder's folder, package or place on the hub",
        ),
        (
            "ask: {rank: {provider: local, model: x, candidates: 3}}",
            "4:53: ask.rank.candidates: must be at least top_n (8), not 3",
        ),
        (
            "store: {existing: keep}",
            "4:19: store.existing: unknown value 'keep'; known: 'replace' or 'skip' or 'error'",
        ),
        (
            "ask: {query: {mode: 3}}",
            "4:21: ask.query.mode: must be 'hybrid' or 'dense' or 'lexical', not a number",
        ),
        ("ask: {query: {dense_weight: -1}}", "4:29: ask.query.dense_weight: must be at least 0, not -1"),
        ("ask: {query: {dense_weight: two}}", "4:29: ask.query.dense_weight: must be a number, not text"),
        (
            "chunk: {context: [heading]}",
            "4:19: chunk.context.0: unknown value 'heading'; did you mean 'headings'?",
        ),
        # types
        ("chunk: {overlap: '32'}", "4:18: chunk.overlap: must be a whole number; write it without quotes"),
        ("chunk: {overlap: many}", "4:18: chunk.overlap: must be a whole number, not text"),
        ("chunk: {overlap: 1.5}", "4:18: chunk.overlap: must be a whole number, not 1.5"),
        ("chunk: {overlap: true}", "4:18: chunk.overlap: must be a whole number, not true or false"),
        ("chunk: {overlap: }", "4:18: chunk.overlap: has no value"),
        ("chunk: {context: title}", "4:18: chunk.context: must be a list; write ['title']"),
        ("chunk: {context: {a: b}}", "4:18: chunk.context: must be a list, not a mapping"),
        ("chunk: {context: }", "4:18: chunk.context: has no value"),
        (
            "store: pgvector",
            "4:8: store: must be a mapping of keys to values, such as {type: pgvector}, not text",
        ),
        ("chunk:", "4:7: chunk: has no value; write its keys below it, indented, or remove the line"),
        ("extract: {reader: [auto]}", "4:19: extract.reader: must be 'auto' or 'unstructured', not a list"),
        ("store: {index: 5}", "4:16: store.index: must be text, and YAML reads this as a number; quote it"),
        (
            "store: {index: true}",
            "4:16: store.index: must be text, and YAML reads this as a boolean; quote it",
        ),
        ("store: {index: [a]}", "4:16: store.index: must be text, not a list"),
        # ranges and shapes
        (
            "chunk: {max_tokens: 3, overlap: 0, min_tokens: 0}",
            "4:21: chunk.max_tokens: must be at least 16, not 3",
        ),
        ("ask: {query: {k: 5000}}", "4:18: ask.query.k: must be at most 1000, not 5000"),
        ("max_failures: -1", "4:15: max_failures: must be at least 0, not -1"),
        (
            "extract: {max_bytes: big}",
            "4:22: extract.max_bytes: must be a number of bytes, or a size such as 64 MiB",
        ),
        (
            "extract: {readers: {PDF: text}}",
            "4:21: extract.readers.PDF: as a key, must be a suffix such as .conf or a media type such as "
            "application/pdf, in small letters",
        ),
        (
            "extract: {readers: {.pdf: pdff}}",
            "4:27: extract.readers..pdf: unknown value 'pdff'; did you mean 'pdf'?",
        ),
        (
            "extract: {encodings: [utf-9]}",
            "4:23: extract.encodings.0: is no encoding that Python knows, such as cp1251 or shift_jis",
        ),
        (
            "extract: {encodings: [base64]}",
            "4:23: extract.encodings.0: is no encoding of text files, such as cp1251 or shift_jis",
        ),
        ("extract: {limits: {seconds: 0}}", "4:29: extract.limits.seconds: must be at least 0.1, not 0"),
        (
            "extract: {max_bytes: 9 GiB}",
            "4:22: extract.max_bytes: must be at most 4294967296, not 9663676416",
        ),
        (
            "store: {index: my-docs}",
            "4:16: store.index: must be lower-case letters, digits and _, at most 40, "
            "beginning with a letter or a digit, not 'my-docs'",
        ),
        # rules between values
        ("chunk: {overlap: 128}", "4:18: chunk.overlap: must be less than half of max_tokens (256), not 128"),
        ("chunk: {context: [title, title]}", "4:18: chunk.context: names something twice"),
        (
            "chunk: {max_tokens: 512}",
            "4:21: chunk.max_tokens: must be at most 256, which is all that all-MiniLM-L6-v2 reads, not 512",
        ),
        ("ask: {rank: {top_n: 51}}", "4:21: ask.rank.top_n: must be at most query.k (50), not 51"),
        # names of environment variables
        (
            "store: {dsn_env: '${PG_DSN}'}",
            "4:18: store.dsn_env: takes the name alone: PG_DSN",
        ),
    ],
)
def test_one_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, added: str, mistake: str) -> None:
    assert mistakes(tmp_path, monkeypatch, HEAD + added + "\n") == [f"docs.yaml:{mistake}"]


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        (
            "{path: a}",
            f"2:11: sources.0.type: is missing; it takes {' or '.join(f'`type: {one}`' for one in SOURCES)}",
        ),
        ("{type: directory}", "2:11: sources.0.path: is missing"),
        ("{type: dir, path: a}", f"2:18: sources.0.type: unknown type 'dir'; known: {ANY_SOURCE}"),
        ("{type: jsnl, path: a}", "2:18: sources.0.type: unknown type 'jsnl'; did you mean 'jsonl'?"),
        ("{type: JSONL, path: a}", "2:18: sources.0.type: unknown type 'JSONL'; did you mean 'jsonl'?"),
        ("{type: 5, path: a}", f"2:18: sources.0.type: must be {ANY_SOURCE}, not a number"),
        ("{type: [jsonl], path: a}", f"2:18: sources.0.type: must be {ANY_SOURCE}, not a list"),
        ("{type: , path: a}", f"2:18: sources.0.type: has no value; it must be {ANY_SOURCE}"),
        ("{type: jsonl}", "2:11: sources.0.path: is missing"),
        ("{type: jsonl, path: ''}", "2:31: sources.0.path: must not be empty; write the name of a file"),
        (
            "{type: jsonl, path: ~/a.jsonl}",
            "2:31: sources.0.path: ~ is not expanded; write the path relative to the spec file, or in full",
        ),
        (
            "{type: jsonl, path: a, include: ['*.md']}",
            "2:34: sources.0.include: is not known for 'jsonl' but for 'directory' or 'object_storage' or "
            "'git' or 'sitemap' or 'crawl'; known here: type, path, name, id, text, title, metadata, "
            "metadata_fields, metadata_types, sensitivity",
        ),
        (
            "{type: directory, path: a, title: x}",
            "2:38: sources.0.title: is not known for 'directory' but for 'sql' or 'jsonl' or 'csv' or "
            "'parquet' or 'http_api'; known here: type, path, name, include, exclude, ignore_files, "
            "follow_links, metadata, path_metadata, metadata_types, sensitivity",
        ),
        (
            "{type: jsonl, path: a, metadata_field: [x]}",
            "2:34: sources.0.metadata_field: unknown key; did you mean 'metadata_fields'?",
        ),
        ("{type: jsonl, path: a, text: body}", "2:40: sources.0.text: must be a list; write ['body']"),
        ("{type: jsonl, path: a, text: []}", "2:40: sources.0.text: needs at least one entry"),
        ("{type: jsonl, path: a, text: [a, a]}", "2:40: sources.0.text: names a field twice"),
        (
            "{type: jsonl, path: a, text: [a, '']}",
            "2:44: sources.0.text.1: must not be empty; write the name of a record's field",
        ),
        (
            "{type: jsonl, path: a, id: 5}",
            "2:38: sources.0.id: must be text, and YAML reads this as a number; quote it",
        ),
        (
            "{type: jsonl, path: a, metadata_fields: [pub-date]}",
            "2:52: sources.0.metadata_fields.0: must be letters, digits and _, at most 63, "
            "beginning with a letter or _, not 'pub-date'",
        ),
        (
            "{type: jsonl, path: a, metadata: {year: 1}, metadata_fields: [x, year]}",
            "2:72: sources.0.metadata_fields: 'year' has a fixed value under metadata",
        ),
        (
            "{type: directory, path: ''}",
            "2:35: sources.0.path: must not be empty; write . for the folder that the spec is in",
        ),
        (
            "{type: directory, path: ~/docs}",
            "2:35: sources.0.path: ~ is not expanded; write the path relative to the spec file, or in full",
        ),
        (
            "{type: directory, path: '${HOME}/docs'}",
            "2:35: sources.0.path: ${HOME} stays as it is: nothing expands variables in a "
            "spec; write the value, or use --set",
        ),
        (
            "{type: directory, path: $HOME/docs}",
            "2:35: sources.0.path: ${HOME} stays as it is: nothing expands variables in a "
            "spec; write the value, or use --set",
        ),
        ("{type: directory, path: /}", "2:35: sources.0.path: gives no name; add `name: …`"),
        (
            "docs",
            "2:11: sources.0: must be a mapping of keys to values, such as "
            "{type: directory, path: docs}, not text",
        ),
        (
            "{type: directory, path: a, include: '*.md'}",
            "2:47: sources.0.include: must be a list; write ['*.md']",
        ),
        ("{type: directory, path: a, include: []}", "2:47: sources.0.include: needs at least one entry"),
        (
            "{type: directory, path: a, include: [/a]}",
            "2:48: sources.0.include.0: must be relative to the source's path, without a "
            "leading / and without ..",
        ),
        (
            "{type: directory, path: a, exclude: ['a\\b']}",
            "2:48: sources.0.exclude.0: uses \\; write / between the parts of a pattern, on Windows as well",
        ),
        (
            "{type: directory, path: a, exclude: ['']}",
            "2:48: sources.0.exclude.0: must name something; for example '**/*.md'",
        ),
        (
            "{type: directory, path: a, exclude: ['[z-a]']}",
            "2:48: sources.0.exclude.0: [z-a] is no set of characters: a range runs backwards",
        ),
        (
            "{type: directory, path: a, metadata: {a b: 1}}",
            "2:49: sources.0.metadata.a b: as a key, must be letters, digits and _, at most "
            "63, beginning with a letter or _",
        ),
        (
            "{type: directory, path: a, metadata: {a: {}}}",
            "2:52: sources.0.metadata.a: must be text, a number, true, false or a list of texts",
        ),
        (
            "{type: directory, path: a, metadata: [a]}",
            "2:48: sources.0.metadata: must be a mapping of keys to values, not a list",
        ),
        (
            "{type: directory, path: a, name: a/b}",
            "2:44: sources.0.name: must be 1 to 200 characters, without / and without "
            "control characters, not 'a/b'",
        ),
    ],
)
def test_one_mistake_in_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, mistake: str
) -> None:
    assert mistakes(tmp_path, monkeypatch, f"name: docs\nsources: [{source}]\n") == [f"docs.yaml:{mistake}"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("{type: jsnl, path: a, include: [x], name: a/b}", ["type", "include", "name"]),
        ("{type: jsonlines, path: a, text: a, title: 5}", ["type", "text", "title"]),
        ("{path: a, exclude: x}", ["type", "exclude"]),
        ("{type: dir}", ["path", "type"]),
        ("{}", ["path", "type"]),
    ],
)
def test_a_source_of_no_type_is_looked_at_as_what_was_most_likely_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, found: list[str]
) -> None:
    lines = mistakes(tmp_path, monkeypatch, f"name: docs\nsources: [{source}]\n")
    assert [line.split(": ")[1] for line in lines] == [f"sources.0.{key}" for key in found]


def test_a_key_of_a_source_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + "extract: {metadata: {}}\n"
    assert mistakes(tmp_path, monkeypatch, text) == [
        "docs.yaml:4:11: extract.metadata: is not known here but under 'sources.N'; "
        "known here: reader, readers, encodings, max_bytes, limits, workers, unstructured"
    ]


def test_what_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mistakes(tmp_path, monkeypatch, "max_failures: 0\n") == [
        "docs.yaml:1:1: name: is missing; for example `name: docs`",
        "docs.yaml:1:1: sources: is missing; for example `sources: [{type: directory, path: docs}]`",
    ]
    assert mistakes(tmp_path, monkeypatch, "name: Über uns\nsources: docs\n") == [
        "docs.yaml:1:7: name: must be lower-case letters, digits, - and _, at most 40, beginning with "
        "a letter or a digit, not 'Über uns'; for example 'uber-uns'",
        "docs.yaml:2:10: sources: must be a list, such as [{type: directory, path: docs}], not text",
    ]


def test_all_mistakes_come_at_once_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
name: 5
sources:
  - {type: directory, path: docs}
  - {type: directory, path: ./docs/, excludes: []}
chunk: {max_tokens: 300}
store:
  type: pgvectr
  existing: no
max_failures: 1.5
max_failures: 2
"""
    found = mistakes(tmp_path, monkeypatch, text, "ask.query.k=0")
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in found] == [
        "docs.yaml:1:7 name",
        "docs.yaml:3:29 sources.0.path",
        "docs.yaml:4:29 sources.1.path",
        "docs.yaml:4:38 sources.1.excludes",
        "docs.yaml:5:21 chunk.max_tokens",
        "docs.yaml:7:9 store.type",
        "docs.yaml:8:13 store.existing",
        "docs.yaml:9:15 max_failures",
        "docs.yaml:10:1 max_failures",
        "--set ask.query.k must be at least 1, not 0",
    ]


def test_a_file_full_of_mistakes_is_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = mistakes(tmp_path, monkeypatch, HEAD + "".join(f"key{n}: 1\n" for n in range(150)))
    assert len(found) == 101
    assert found[-1] == "docs.yaml: and 50 more"


def test_two_sources_of_one_name_are_shown_at_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "name: docs\nsources:\n- {type: directory, path: x/a}\n- {type: directory, path: b, name: a}\n"
    assert mistakes(tmp_path, monkeypatch, text) == [
        "docs.yaml:3:27: sources.0.path: gives the name 'a', the name of another source too "
        "(docs.yaml:4:36); add `name: …` to one",
        "docs.yaml:4:36: sources.1.name: is 'a', the name of another source too "
        "(docs.yaml:3:27); add `name: …` to one",
    ]


@pytest.mark.parametrize(
    "secret",
    [
        "postgresql://admin:hunter2@db/x",
        "host=db password=hunter2",
        "hunter2",
        "sk-proj-hunter2hunter2",
        "Hunter2_Hunter2",
    ],
)
def test_a_secret_in_place_of_a_name_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    if secret == "hunter2":
        secret = "9hunter2"  # a name may not begin with a digit
    (found,) = mistakes(tmp_path, monkeypatch, f"{HEAD}store: {{dsn_env: '{secret}'}}\n")
    assert "hunter2" not in found.lower()
    assert "must be the name of an environment variable" in found


@pytest.mark.parametrize(
    "text",
    [
        "store: {dsn: 'postgresql://u:hunter2@h/d'}",
        "store: {type: 'postgresql://u:hunter2@h/d'}",
        "store: {'postgresql://u:hunter2@h/d': 1}",
        "store: 'postgresql://u:hunter2@h/d'",
        "name: 'postgresql://u:hunter2@h/d'",
        "store: {index: 'password=hunter2'}",
        "store: {dsn_env: postgresql://u:hunter2@h/d",
    ],
)
def test_a_secret_anywhere_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert "hunter2" not in "\n".join(mistakes(tmp_path, monkeypatch, HEAD + text + "\n"))


def test_as_json(tmp_path: Path) -> None:
    path = tmp_path / "docs.yaml"
    path.write_text(HEAD + "chunk: {overlap: -1}\n", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert caught.value.as_json() == {
        "code": 2,
        "kind": "spec",
        "message": "chunk.overlap: must be at least 0, not -1",
        "where": f"{path}:4:18",
        "hint": None,
        "mistakes": [f"{path}:4:18: chunk.overlap: must be at least 0, not -1"],
    }
