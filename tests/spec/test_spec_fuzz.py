"""Whatever the text, a spec loads or is a SpecError: no other exception, and every mistake in our words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragctl.errors import SpecError
from ragctl.spec.airflow_settings import AirflowSettings, StageTask
from ragctl.spec.embed_settings import AutoEmbedder, HuggingFaceEmbedder, OpenAIEmbedder, OpenAIOption
from ragctl.spec.example import example_text
from ragctl.spec.load import load_spec
from ragctl.spec.source_settings import DirectorySource, JsonlSource

SEED = example_text()
LINES = [line for line in SEED.splitlines() if line.strip() and not line.lstrip().startswith("#")]
WORDS = sorted(set(re.findall(r"[a-zA-Z_]{3,}", "\n".join(LINES))))

SNIPPETS = st.sampled_from(
    ["\t", "\n", "  ", "- ", "[", "]", "{", "}", "'", '"', "#", "&a ", "*a", "!!int ", "!x ", "|", ">",
     "<<: ", ": ", "? ", "---\n", "...\n", "%", "@", "`", "no", "~", "1e9", "12:30", "2024-01-01", ".nan",
     "${X}", "\x00", "0777",
     "\ud7ff", "\ufeff", "\x85", "\u2028", "🙂", "\\", "-1", "99999999999999999999", "[]", "{}", "null"]
)  # fmt: skip

# pydantic's own words, and the sentence for an error that nobody foresaw
FOREIGN = re.compile(r"Input should|Field required|Extra inputs|does not fit \(|pydantic|Traceback")

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(WORDS)
)
KEYS = st.one_of(st.sampled_from(WORDS), st.text(max_size=4))


def documents() -> st.SearchStrategy[object]:
    return st.recursive(
        SCALARS,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
        max_leaves=12,
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "docs.yaml"


def loads_or_says_why(path: Path, data: bytes, *overrides: str) -> None:
    path.write_bytes(data)
    try:
        load_spec(path, overrides)
    except SpecError as error:
        assert error.mistakes
        for mistake in error.mistakes:
            assert mistake.startswith((str(path), "--set"))
            assert "\n" not in mistake
            assert not FOREIGN.search(mistake), mistake


quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(st.binary(max_size=60))
def test_any_bytes(path: Path, data: bytes) -> None:
    loads_or_says_why(path, data)


@quick
@given(
    st.lists(
        st.tuples(st.integers(0, len(SEED)), st.integers(0, 12), st.one_of(st.just(""), SNIPPETS)), max_size=4
    )
)
def test_a_sound_spec_with_pieces_cut_out_and_put_in(path: Path, edits: list[tuple[int, int, str]]) -> None:
    text = SEED
    for start, length, piece in edits:
        text = text[:start] + piece + text[start + length :]
    loads_or_says_why(path, text.encode("utf-8"))


@quick
@given(st.lists(st.sampled_from(LINES), max_size=12), st.lists(SNIPPETS, max_size=3))
def test_lines_of_a_sound_spec_in_any_order(path: Path, lines: list[str], pieces: list[str]) -> None:
    loads_or_says_why(path, ("\n".join(lines) + "".join(pieces)).encode("utf-8"))


@quick
@given(documents())
def test_any_structure_of_known_keys(path: Path, document: object) -> None:
    import yaml

    text = yaml.safe_dump(document, allow_unicode=True)
    loads_or_says_why(path, text.encode("utf-8", "backslashreplace"))


@quick
@given(
    st.fixed_dictionaries(
        {"name": st.just("docs"), "sources": st.just([{"type": "directory", "path": "a"}])},
        optional={
            key: documents()
            for key in (
                *("extract", "chunk", "embed", "store", "state", "ask", "max_failures", "ignore", "airflow"),
            )
        },
    )
)
def test_any_value_of_a_section(path: Path, document: object) -> None:
    import yaml

    loads_or_says_why(path, yaml.safe_dump(document).encode("utf-8", "backslashreplace"))


@quick
@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.one_of(st.sampled_from(["directory", "jsonl", "jsnl"]), documents())},
            optional={
                key: documents()
                for key in sorted({*DirectorySource.model_fields, *JsonlSource.model_fields} - {"type"})
            },
        ),
        min_size=1,
        max_size=2,
    )
)
def test_any_value_of_a_source(path: Path, sources: object) -> None:
    import yaml

    document = {"name": "docs", "sources": sources}
    loads_or_says_why(path, yaml.safe_dump(document).encode("utf-8", "backslashreplace"))


@quick
@given(
    st.fixed_dictionaries(
        {
            "provider": st.one_of(
                st.sampled_from(["openai", "cohere", "huggingface", "auto", "opnai"]), documents()
            )
        },
        optional={
            key: documents()
            for kind in (OpenAIEmbedder, HuggingFaceEmbedder, AutoEmbedder)
            for key in kind.model_fields
            if key != "provider"
        },
    ),
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "provider": st.sampled_from(["local", "openai", "cohere", "huggingface", "auto", 5]),
                **{key: documents() for key in OpenAIOption.model_fields if key != "provider"},
            },
        ),
        max_size=2,
    ),
)
def test_any_value_of_an_embedder(path: Path, embed: dict[str, object], options: list[object]) -> None:
    import yaml

    if embed["provider"] == "auto":
        embed = {**embed, "embedder_options": options}
    document = {"name": "docs", "sources": [{"type": "directory", "path": "a"}], "embed": embed}
    loads_or_says_why(path, yaml.safe_dump(document).encode("utf-8", "backslashreplace"))


@quick
@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: st.one_of(
                documents(), st.dictionaries(st.sampled_from(["embed", "x"]), documents(), max_size=2)
            )
            for key in AirflowSettings.model_fields
        },
    ),
    st.dictionaries(st.sampled_from(list(StageTask.model_fields)), documents(), max_size=3),
)
def test_any_value_of_airflow(path: Path, airflow: dict[str, object], task: object) -> None:
    import yaml

    stages = airflow.get("stages")
    merged = {**(stages if isinstance(stages, dict) else {}), "embed": task}
    document = {
        "name": "docs",
        "sources": [{"type": "directory", "path": "a"}],
        "airflow": {**airflow, "stages": merged},
    }
    loads_or_says_why(path, yaml.safe_dump(document).encode("utf-8", "backslashreplace"))


@quick
@given(
    st.lists(st.one_of(st.text(max_size=20), st.builds("{}.{}={}".format, KEYS, KEYS, st.text(max_size=8))))
)
def test_any_override(path: Path, overrides: list[str]) -> None:
    loads_or_says_why(path, b"name: docs\nsources: [{type: directory, path: a}]\n", *overrides)


def test_the_text_that_is_edited_is_sound(path: Path) -> None:
    path.write_text(SEED, encoding="utf-8")
    assert load_spec(path).spec.name == "docs"
