"""An index as Parquet files: out and in again, and files that somebody else made."""

from __future__ import annotations

import hashlib
import json
import math
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from run.moving.conftest import PAGES, QUESTION, Other, exported, hits_of

from ragctl.run.composition import Composition
from ragctl.spec.load import load_spec
from workspace import Called, Workspace


def imported(other: Other, path: Path, *arguments: str) -> dict[str, Any]:
    called = other.call("index", "import", str(path), "--format", "json", *arguments)
    assert called.code == 0, called.err
    found: dict[str, Any] = called.json
    return found


def refused(called: Called, code: int, words: str) -> None:
    assert called.code == code, called.err
    assert words in called.err
    assert "Traceback" not in called.err


@pytest.mark.parametrize("name", ["out.parquet", "folder"])
def test_out_and_in_again(filled: Workspace, name: str) -> None:
    path = exported(filled, name)
    other = Other(filled, f"{filled.name}-two", max_failures=9)
    assert imported(other, path)["documents"] == 3
    other.taken_up()
    assert other.hits() == hits_of(filled.call("ask", QUESTION, "--format", "json"))


def test_any_program_reads_it(filled: Workspace) -> None:
    table = parquet.read_table(exported(filled))
    assert set(table.column("document").to_pylist()) == set(PAGES)
    assert str(table.schema.field("vector").type) == "fixed_size_list<element: float>[384]"
    lengths = np.linalg.norm(np.array(table.column("vector").to_pylist()), axis=1)
    assert np.allclose(lengths, 1, atol=1e-5)
    (year,) = {json.loads(one).get("year") for one in table.column("metadata").to_pylist()} - {None}
    assert year == 1901


def test_files_that_are_there_are_left_alone(filled: Workspace) -> None:
    path = exported(filled)
    before = path.read_bytes()
    refused(filled.call("index", "export", str(path)), 4, "is there already")
    assert path.read_bytes() == before
    assert filled.call("index", "export", str(path), "--replace").code == 0


def test_where_nothing_can_be_written(filled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    refused(filled.call("index", "export", str(tmp_path / "file" / "a.parquet")), 2, "cannot be written")


KILLED = """
import os, signal, sys
from ragctl.run.moving.parquet_writing import ParquetFile
def finish(self, metadata):
    os.kill(os.getpid(), signal.SIGKILL)
ParquetFile.finish = finish
from ragctl.cli.main import main
main(["index", sys.argv[1], "export", sys.argv[2]])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_an_export_that_is_killed_leaves_no_half_file(filled: Workspace) -> None:
    path = filled.base / f"{filled.name}-killed.parquet"
    arguments = [sys.executable, "-c", KILLED, str(filled.spec_path), str(path)]
    killed = subprocess.run(arguments, capture_output=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not path.exists()
    assert filled.call("index", "export", str(path)).code == 0
    assert not [one for one in path.parent.iterdir() if one.name.endswith(".partial")]


def test_damage_is_found_before_anything_is_published(filled: Workspace) -> None:
    path = exported(filled)
    whole = path.read_bytes()
    other = Other(filled, f"{filled.name}-two", max_failures=9)
    for number, damaged in enumerate(
        (whole[: len(whole) // 2], whole[:400] + bytes(64) + whole[464:], b"", b"PAR1" * 9)
    ):
        path.write_bytes(damaged)
        called = other.call("index", "import", str(path))
        assert called.code in (2, 3, 5), (number, called.err)
        assert "Traceback" not in called.err
        assert other.call("ask", QUESTION).code != 0
    path.write_bytes(whole)
    assert imported(other, path)["published"]


def test_two_files_of_two_exports(filled: Workspace) -> None:
    path = exported(filled)
    items = path.with_name(f"{path.stem}.items.parquet")
    kept = items.read_bytes()
    filled.call("index", "export", str(path), "--replace")
    items.write_bytes(kept)
    other = Other(filled, f"{filled.name}-two")
    refused(other.call("index", "import", str(path)), 5, "is of another export")
    items.unlink()
    refused(other.call("index", "import", str(path)), 2, "there is no such file")


def test_another_recipe(filled: Workspace) -> None:
    path = exported(filled)
    other = Other(filled, f"{filled.name}-two", chunk={"max_tokens": 64, "overlap": 0})
    refused(other.call("index", "import", str(path)), 5, "other chunk settings")


TEXTS = {
    "tea.md": ["Green tea is brewed at eighty degrees.", "Black tea takes boiling water."],
    "ink": ["Blue."],
}


def foreign(filled: Workspace, path: Path, **columns: list[Any]) -> None:
    """What another program would write: texts, and vectors of the same model, of any length."""
    rows = [(document, text) for document, texts in TEXTS.items() for text in texts]
    with Composition(load_spec(filled.spec_path)) as composition:
        (batch,) = composition.embedder.embed([text for _, text in rows])
    vectors = [[3 * float(one) for one in vector] for vector in batch.vectors]
    table = {"document": [one for one, _ in rows], "text": [text for _, text in rows], "vector": vectors}
    parquet.write_table(pyarrow.table({**table, **columns}), path)


def test_somebody_else_s_file(filled: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "theirs.parquet"
    foreign(filled, path, page=[4, 5, 1], metadata=['{"drink": true}'] * 2 + [None])
    other = Other(filled, f"{filled.name}-two")
    done = imported(other, path)
    assert (done["documents"], done["chunks"]) == (2, 3)
    called = other.call("ask", "How hot is green tea?", "--where", "drink=true", "--format", "json")
    hit = called.json["hits"][0]
    assert (hit["document"], hit["text"], hit["page"]) == ("tea.md", TEXTS["tea.md"][0], 4)
    doctor = other.call("doctor", "--format", "json")
    assert [one for one in doctor.json["findings"] if not one["ok"]] == []
    refused(other.call("ingest"), 4, "delete")  # the folder has none of these documents
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    refused(other.call("index", "import", str(path)), 4, "--replace")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    ("columns", "code", "words"),
    [
        ({"document": ["a", "b", "a"]}, 3, "do not stand together"),
        ({"document": ["a\0", "a\0", "c"]}, 3, "document has a NUL character"),
        ({"text": ["a", None, "c"]}, 3, "a row has no text"),
        ({"vector": [[1.0, 0.0]] * 3}, 5, "dimensions"),
        ({"vector": ["a", "b", "c"]}, 3, "not lists of numbers"),
        ({"vector": [["a"] * 384] * 3}, 3, "not lists of numbers"),
        ({"vector": [[1.0] * 384, [1.0] * 383, [1.0] * 385]}, 3, "not every vector has 384"),
        ({"vector": [None] * 3}, 3, "not lists of numbers"),
        ({"vector": [[0.0] * 384] * 3}, 5, "is zero"),
        ({"vector": [[math.inf] * 384] * 3}, 5, "is zero"),
        ({"metadata": ["[1]"] * 3}, 3, "no JSON object"),
        ({"metadata": ['{"a": NaN}'] * 3}, 3, "no JSON object"),
        ({"metadata": [{"at": datetime(2020, 1, 1)}] * 3}, 3, "dates as text"),
        ({"metadata": ['{"a": "\\u0000"}'] * 3}, 3, "metadata has a NUL character"),
        ({"headings": ["a", "b", "c"]}, 3, "its column headings has the type string"),
        ({"page": [1.5, 2.0, 3.0]}, 3, "its column page has the type double"),
        ({"start": [5, 9, 1], "end": [2, 12, 3]}, 3, "cannot stand from 5 to 2"),
        ({"input_hash": ["aa", "bb", "cc"]}, 3, "64 hexadecimal digits"),
    ],
)
def test_somebody_else_s_file_that_does_not_do(
    filled: Workspace, tmp_path: Path, columns: dict[str, list[Any]], code: int, words: str
) -> None:
    path = tmp_path / "theirs.parquet"
    foreign(filled, path, **columns)
    called = Other(filled, f"{filled.name}-two").call("index", "import", str(path))
    refused(called, code, words)


def test_somebody_else_s_types(filled: Workspace, tmp_path: Path) -> None:
    """Ids that are numbers, metadata that is a struct, numbers that pandas made floats, other numbering."""
    path = tmp_path / "theirs.parquet"
    foreign(
        filled, path, document=[7, 7, 8], title=[7, 7, 8], page=[4.0, 5.0, None], chunk=[1, 2, 3],
        metadata=[{"drink": True}] * 3, lexemes=["'broken", "", None],
    )  # fmt: skip
    other = Other(filled, f"{filled.name}-two", ask={"query": {"mode": "lexical"}})
    imported(other, path)
    called = other.call("ask", "How hot is green tea?", "--where", "drink=true", "--format", "json")
    hit = called.json["hits"][0]
    assert (hit["document"], hit["text"], hit["page"]) == ("7", TEXTS["tea.md"][0], 4)


def test_a_key_of_the_metadata_that_is_not_ours(filled: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "theirs.parquet"
    foreign(filled, path)
    table = parquet.read_table(path)
    parquet.write_table(table.replace_schema_metadata({"ragctl": "version two"}), path)
    called = Other(filled, f"{filled.name}-two").call("index", "import", str(path))
    refused(called, 3, "not what an export writes")


def test_columns_that_are_missing(filled: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "theirs.parquet"
    parquet.write_table(pyarrow.table({"document": ["a"], "body": ["b"]}), path)
    called = Other(filled, f"{filled.name}-two").call("index", "import", str(path))
    assert "it has no column text and none vector" in called.err


MEMORY = """
import sys
from ragctl.cli.main import main
code = main(["index", *sys.argv[1:]])
with open("/proc/self/status", encoding="ascii") as status:  # ru_maxrss has the parent's from before exec
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""
FEW, MANY = 5_000, 20_000  # the few are more than what is held at a time, a row group of 16 MB included
MOST_KB = 30_000
"""More than the few take, the many may take. Held as a whole they would take some 65,000."""
QUICKLY = {"type": "pgvector", "hnsw": {"m": 4, "ef_construction": 8}}


def drawn(path: Path, rows: int) -> None:
    vectors = np.random.default_rng(1).standard_normal((rows, 384), dtype=np.float32)
    flat = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.reshape(-1)), 384)
    documents = [f"{number // 10:05}.md" for number in range(rows)]
    texts = [f"Passage {number} of {documents[number]}. " + "." * 4_000 for number in range(rows)]
    table = pyarrow.table({"document": documents, "text": texts, "vector": flat})
    parquet.write_table(table, path, row_group_size=1_000)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_twenty_thousand_chunks_pass_in_bounded_memory(filled: Workspace, tmp_path: Path) -> None:
    peaks: dict[int, dict[str, int]] = {}
    for rows in (FEW, MANY):
        theirs, ours = tmp_path / f"theirs{rows}.parquet", tmp_path / f"ours{rows}.parquet"
        drawn(theirs, rows)
        one = Other(filled, f"{filled.name}-{rows}", store=QUICKLY)
        two = Other(filled, f"{filled.name}-{rows}-two", store=QUICKLY)
        calls = {"import": [str(theirs)], "export": [str(ours)], "copy": ["--to", str(two.path)]}
        peaks[rows] = {
            action: peak_kb(str(one.path), action, *arguments) for action, arguments in calls.items()
        }
        assert parquet.read_metadata(ours).num_rows == rows
    more = {action: peaks[MANY][action] - peaks[FEW][action] for action in peaks[FEW]}
    assert max(more.values()) < MOST_KB, peaks


def peak_kb(*arguments: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1])
