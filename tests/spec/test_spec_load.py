"""A sound spec: what is loaded, with which defaults, from where."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pydantic
import pytest

from ragctl.spec.load import LoadedSpec, load_spec

ROOT = Path(__file__).resolve().parents[2]
SHORTEST = "name: my-docs\nsources:\n  - {type: directory, path: ../corpus}\n"


def load(tmp_path: Path, text: str | bytes, *overrides: str) -> LoadedSpec:
    path = tmp_path / "docs.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return load_spec(path, overrides)


def test_the_shortest_spec_has_every_default(tmp_path: Path) -> None:
    loaded = load(tmp_path, SHORTEST)
    spec = loaded.spec
    assert spec.name == "my-docs"
    (source,) = spec.sources
    assert (source.name, source.include, source.exclude, source.metadata) == ("corpus", ("**/*",), (), {})
    assert (spec.extract.reader, spec.extract.max_bytes) == ("auto", 64 * 1024 * 1024)
    assert (spec.chunk.splitter, spec.chunk.max_tokens, spec.chunk.overlap) == ("auto", 256, 32)
    assert (spec.chunk.min_tokens, spec.chunk.context) == (64, ("title", "headings"))
    assert (spec.embed.provider, spec.embed.model) == ("local", "all-MiniLM-L6-v2")
    assert (spec.store.type, spec.store.index, spec.store.existing) == ("pgvector", "my_docs", "replace")
    assert (spec.store.keep_generations, spec.store.dsn_env) == (1, None)
    assert (spec.ask.query.mode, spec.ask.query.k) == ("hybrid", 50)
    assert (spec.ask.rank.provider, spec.ask.rank.top_n) == ("none", 8)
    assert spec.max_failures == 0


def test_what_is_known_of_the_file(tmp_path: Path) -> None:
    loaded = load(tmp_path, SHORTEST)
    assert loaded.path == tmp_path / "docs.yaml"
    assert loaded.base == tmp_path.resolve()
    assert loaded.digest == hashlib.sha256(SHORTEST.encode()).hexdigest()
    assert loaded.resolve("a/b") == tmp_path.resolve() / "a" / "b"


def test_places_of_values(tmp_path: Path) -> None:
    loaded = load(tmp_path, SHORTEST, "chunk.overlap=8")
    file = tmp_path / "docs.yaml"
    assert loaded.where("sources.0.path") == f"{file}:3:29"
    assert loaded.where("name") == f"{file}:1:7"
    assert loaded.where("sources.0.include") == f"{file}:3:5"  # not in the file: its source
    assert loaded.where("chunk.overlap") == "--set chunk.overlap"


def test_paths_are_relative_to_the_link_that_was_named(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "real.yaml"
    target.write_text(SHORTEST, encoding="utf-8")
    link = tmp_path / "docs.yaml"
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("this account may not make symbolic links")
    assert load_spec(link).base == tmp_path.resolve()


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + SHORTEST.encode(),
        SHORTEST.replace("\n", "\r\n").encode(),
        b"%YAML 1.1\n---\n" + SHORTEST.encode() + b"...\n",
        b"# a comment\n\n" + SHORTEST.encode(),
    ],
    ids=["byte order mark", "CRLF", "document markers", "comment first"],
)
def test_other_ways_to_write_the_same(tmp_path: Path, text: bytes) -> None:
    assert load(tmp_path, text).spec == load(tmp_path, SHORTEST).spec


def test_aliases_and_merges(tmp_path: Path) -> None:
    text = """\
name: docs
sources:
  - &first {type: directory, path: a, exclude: [x]}
  - {<<: *first, path: b}
  - {<<: [{path: c, exclude: [z]}, *first]}
"""
    sources = load(tmp_path, text).spec.sources
    assert [(source.name, source.exclude) for source in sources] == [
        ("a", ("x",)),
        ("b", ("x",)),
        ("c", ("z",)),
    ]


@pytest.mark.parametrize(
    ("size", "value"),
    [
        ("1000", 1000),
        ("1 KiB", 1024),
        ("2MB", 2_000_000),
        ("3 GiB", 3 * 2**30),
        ("10 B", 10),
        ("1mib", 2**20),
    ],
)
def test_sizes(tmp_path: Path, size: str, value: int) -> None:
    assert load(tmp_path, f"{SHORTEST}extract: {{max_bytes: {size}}}\n").spec.extract.max_bytes == value


def test_metadata_keeps_its_types(tmp_path: Path) -> None:
    text = (
        "name: docs\nsources:\n- type: directory\n  path: a\n  metadata:\n"
        "    year: 2024\n    share: 0.5\n    public: true\n    team: 'no'\n    tags: [a, b]\n    exact: 1e3\n"
    )
    metadata = load(tmp_path, text).spec.sources[0].metadata
    assert metadata == {
        "year": 2024, "share": 0.5, "public": True, "team": "no", "tags": ("a", "b"), "exact": 1000.0
    }  # fmt: skip
    assert [type(value) for value in metadata.values()] == [int, float, bool, str, tuple, float]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("docs", "docs"),
        ("./docs/", "docs"),
        ("a/../b", "b"),
        ("/srv/wiki", "wiki"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_a_source_is_called_by_its_path(tmp_path: Path, path: str, name: str) -> None:
    text = f"name: docs\nsources: [{{type: directory, path: '{path}'}}]\n"
    assert load(tmp_path, text).spec.sources[0].name == name


def test_a_source_that_is_the_specs_own_folder(tmp_path: Path) -> None:
    text = "name: docs\nsources: [{type: directory, path: .}]\n"
    assert load(tmp_path, text).spec.sources[0].name == tmp_path.resolve().name


def test_a_spec_cannot_be_changed(tmp_path: Path) -> None:
    loaded = load(tmp_path, SHORTEST)
    with pytest.raises(pydantic.ValidationError):
        loaded.spec.chunk.overlap = 3


def test_the_package_itself_imports_nothing_heavy() -> None:
    code = "import sys, ragctl.spec; print({'pydantic', 'yaml'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"
