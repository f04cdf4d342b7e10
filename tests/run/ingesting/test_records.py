"""Records of a JSON Lines file in an index: what a run does for them, and what a broken file cannot do."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ragctl.run.composition import Composition
from ragctl.sources.jsonl import JsonlSource
from ragctl.spec.load import load_spec
from workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]
SCIFACT = ROOT / ".." / "shared" / "data" / "scifact" / "corpus.jsonl.gz"

RECORDS = {
    "coffee": {
        "title": "Coffee",
        "text": "The coffee machine on the third floor takes tokens.",
        "year": 2021,
    },
    "hours": {"title": "Hours", "text": "The office is open from nine to five.", "year": 2022},
    "parking": {"text": "Bicycles are parked in the yard behind the house.", "year": 2023},
}


class Records(Workspace):
    """A workspace with one file of records in place of a folder."""

    @property
    def file(self) -> Path:
        return self.base / f"{self.name}.jsonl"

    def spec(self, **sections: object) -> Path:
        source = {"type": "jsonl", "path": self.file.name, "name": "notes", "metadata_fields": ["year"]}
        return super().spec(**{"sources": [source], **sections})

    def put(self, records: Mapping[str, Mapping[str, Any]], *more: str, end: str = "\n") -> None:
        lines = [json.dumps({"id": name, **values}) for name, values in records.items()]
        self.file.write_text("\n".join([*lines, *more]) + end, encoding="utf-8")

    def states(self) -> dict[str, str]:
        shown = self.call("show", "--format", "json")
        assert shown.code == 0, shown.err
        return {row["document"].partition(".jsonl")[2]: row["state"] for row in shown.json["documents"]}

    def found(self, question: str) -> Any:
        asked = self.call("ask", question, "--format", "json")
        assert asked.code == 0, asked.err
        return asked.json["hits"][0]


@pytest.fixture
def records(workspace: Workspace) -> Records:
    workspace.documents.rmdir()
    made = Records(workspace.base, workspace.name)
    made.put(RECORDS)
    return made


def counts(report: Any, *names: str) -> tuple[int, ...]:
    return tuple(report["counts"][name] for name in names)


def test_a_hit_names_its_record(records: Records) -> None:
    report = records.ingest()
    assert counts(report, "listed", "added", "failed") == (3, 3, 0)
    hit = records.found("Where is the coffee machine?")
    assert hit["document"] == f"{records.name}.jsonl#coffee"
    assert hit["uri"] == f"{records.file.as_uri()}#coffee"
    assert (hit["title"], hit["text"]) == ("Coffee", RECORDS["coffee"]["text"])
    assert hit["line"] is None
    assert hit["metadata"] == {"year": 2021}
    shown = records.call("ask", "Where is the coffee machine?")
    assert f"notes: {records.name}.jsonl#coffee " in shown.out


def test_a_file_written_anew_in_another_order_is_left_alone(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.ingest()
    records.put({name: {"more": 1, **RECORDS[name]} for name in reversed(RECORDS)}, "", "  ")

    def no_reading(*_: object) -> None:
        raise AssertionError("a record was opened")

    monkeypatch.setattr(JsonlSource, "open", no_reading)
    assert counts(records.ingest(), "listed", "unchanged", "chunks") == (3, 3, 0)


def test_records_come_change_and_go(records: Records) -> None:
    records.ingest()
    changed = {**RECORDS, "hours": {"title": "Hours", "text": "The office is open from ten to six."}}
    del changed["parking"]
    records.put({"first": {"text": "A stapler hangs at the door."}, **changed})
    report = records.ingest()
    assert counts(report, "added", "changed", "unchanged", "deleted") == (1, 1, 1, 1)
    assert records.states() == dict.fromkeys(["#coffee", "#first", "#hours"], "stored")
    assert records.found("When is the office open?")["text"] == changed["hours"]["text"]


def test_metadata_follow_their_record_without_an_embedding(records: Records) -> None:
    records.ingest()
    records.put({**RECORDS, "coffee": {**RECORDS["coffee"], "year": 2024}})
    assert counts(records.ingest(), "changed", "unchanged", "embedded", "cached") == (1, 2, 0, 1)
    assert records.found("Where is the coffee machine?")["metadata"] == {"year": 2024}


def test_a_broken_line_fails_alone_and_nothing_is_deleted_meanwhile(records: Records) -> None:
    records.ingest()
    kept = {name: RECORDS[name] for name in ("coffee", "hours")}
    broken = json.dumps({"id": "parking", **RECORDS["parking"]})[:-5]
    new = {"text": "A stapler hangs at the door."}
    records.put({"new": new, **kept}, broken, '{"id": "last", "text": "The end."}')
    called = records.call("ingest", "--format", "json")
    assert called.code == 3
    assert counts(called.json, "added", "deleted", "failed") == (2, 0, 1)
    (failure,) = called.json["failures"]
    assert (failure["document"], failure["error"]) == (f"{records.name}.jsonl:4", "unidentified")
    assert records.found("Where are bicycles parked?")["document"].endswith("#parking")
    # above, a line more: the line that failed has another number, and the old one is forgotten
    records.put(
        {"new": new, "newer": {"text": "A lamp."}, **kept}, broken, '{"id": "last", "text": "The end."}'
    )
    assert records.call("ingest").code == 3
    assert {name for name, state in records.states().items() if state == "failed"} == {":5"}
    allowed = records.call("ingest", "--format", "json", "--allow-delete", "1")
    assert counts(allowed.json, "deleted", "failed") == (1, 1)
    assert "#parking" not in records.states()


def test_a_record_whose_text_goes_keeps_what_is_stored(records: Records) -> None:
    records.ingest()
    records.put({**RECORDS, "coffee": {"title": "Coffee", "text": ""}, "hours": {}, "empty": {"text": " "}})
    called = records.call("ingest", "--format", "json")
    assert called.code == 3
    assert {
        (one["document"].partition("#")[2], one["stage"], one["error"]) for one in called.json["failures"]
    } == {
        ("coffee", "extract", "empty"),
        ("hours", "list", "malformed"),
    }
    assert counts(called.json, "deleted", "skipped") == (0, 1)
    assert records.found("Where is the coffee machine?")["text"] == RECORDS["coffee"]["text"]
    assert records.found("When is the office open?")["text"] == RECORDS["hours"]["text"]


@pytest.mark.parametrize("how", ["gone", "cut off", "cut off in the middle of compressed data", "empty"])
def test_a_file_that_is_not_whole_deletes_nothing(records: Records, how: str) -> None:
    records.ingest()
    data = records.file.read_bytes()
    if how == "gone":
        records.file.unlink()
    else:
        packed = gzip.compress(data)
        left = {"cut off": data[:-20], "empty": b""}.get(how, packed[: len(packed) // 2])
        records.file.write_bytes(left)
    for arguments in ((), ("--allow-delete", "3")) if how != "empty" else ((),):
        called = records.call("ingest", "--format", "json", *arguments)
        assert called.code == 4
        assert called.json["error"]["kind"] == "listing_failed"
    assert records.states() == dict.fromkeys(["#coffee", "#hours", "#parking"], "stored")


def test_a_shrunken_file_is_held_by_the_guard(records: Records) -> None:
    many = {f"r{number:02}": {"text": f"Note {number} of many."} for number in range(30)}
    records.put(many)
    records.ingest()
    records.put(dict(list(many.items())[:19]))
    called = records.call("ingest", "--format", "json")
    assert called.code == 4
    assert called.json["error"]["kind"] == "deletion_refused"
    assert len(records.states()) == 30
    assert counts(records.ingest("--allow-delete", "11"), "deleted") == (11,)


def test_records_join_an_index_without_a_new_generation(workspace: Workspace) -> None:
    workspace.write("a.txt", "The coffee machine on the third floor takes tokens.\n")
    before = workspace.ingest()
    folder = {"type": "directory", "path": workspace.name, "name": "docs"}
    file = workspace.base / f"{workspace.name}.jsonl"
    file.write_text('{"id": 1, "text": "The office is open from nine to five."}\n', encoding="utf-8")
    workspace.spec(sources=[folder, {"type": "jsonl", "path": file.name}])
    assert workspace.call("check").code == 0
    after = workspace.ingest()
    assert (after["recipe"], after["generation"]) == (before["recipe"], before["generation"])
    assert counts(after, "added", "unchanged") == (1, 1)


def test_the_extract_part_of_a_recipe_is_the_same_without_and_with_another_source(tmp_path: Path) -> None:
    """A change here rebuilds every index: it must be meant."""
    for source in ("{type: directory, path: .}", "{type: jsonl, path: a.jsonl}"):
        spec = tmp_path / "spec.yaml"
        spec.write_text(f"name: docs\nsources: [{source}]\n", encoding="utf-8")
        with Composition(load_spec(spec)) as composition:
            extract = composition.recipe.extract
        assert extract == "c89608062ca90df215e13e40afaab86cd8f373c28d046e8dc2d1071c48b8163a"


def test_plan_says_what_ingest_does(records: Records) -> None:
    planned = records.call("plan", "--format", "json").json
    assert (planned["total"]["add"], planned["total"]["chunks"]) == (3, 3)
    records.ingest()
    again = records.call("plan", "--format", "json").json
    assert again["changes"] is False


def test_check_looks_for_the_file(records: Records) -> None:
    assert records.call("check").code == 0
    records.file.unlink()
    called = records.call("check")
    assert called.code == 2
    assert f"sources.0.path: {records.file.name} is not a file" in called.err


def test_a_line_over_the_limit_of_the_spec(records: Records) -> None:
    records.put({**RECORDS, "long": {"text": "word " * 1000}})
    records.spec(extract={"max_bytes": 1000})
    called = records.call("ingest", "--format", "json")
    assert called.code == 3
    assert "longer than extract.max_bytes (1,000 bytes)" in called.json["failures"][0]["message"]
    records.spec()
    assert counts(records.ingest(), "added", "failed") == (1, 0)


@pytest.mark.skipif(not SCIFACT.exists(), reason="the SciFact corpus is not beside this checkout")
def test_abstracts_of_scifact(records: Records) -> None:
    with gzip.open(SCIFACT, "rb") as corpus, gzip.open(f"{records.file}.gz", "wb") as part:
        part.writelines(corpus.readline() for _ in range(40))
    records.spec(sources=[{"type": "jsonl", "path": f"{records.file.name}.gz"}])
    report = records.ingest()
    assert counts(report, "listed", "added", "failed") == (40, 40, 0)
    hit = records.found("diffusion tensor imaging of the white matter of newborn infants")
    assert hit["document"] == f"{records.name}.jsonl.gz#4983"
    assert counts(records.ingest(), "unchanged", "embedded") == (40, 0)
