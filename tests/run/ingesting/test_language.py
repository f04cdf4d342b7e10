"""Another language of the text: a new generation, with every vector that is there."""

from __future__ import annotations

from workspace import Workspace


def test_another_language_is_another_generation_and_embeds_nothing(workspace: Workspace) -> None:
    workspace.write("a.md", "# Haus\n\nDie Häuser stehen an der Straße.\n")
    first = workspace.ingest()
    workspace.spec(chunk={"language": "german"})
    second = workspace.ingest()
    assert (first["generation"], second["generation"]) == (1, 2)
    assert (second["counts"]["embedded"], second["counts"]["cached"]) == (0, first["counts"]["embedded"])
    workspace.spec(chunk={"language": "english"})  # the default, written out, and so the first recipe
    assert workspace.ingest("--yes")["counts"]["embedded"] == 0


def test_a_model_that_does_not_read_the_language_counts_less(workspace: Workspace) -> None:
    """What has the word comes first, whatever an English model makes of it."""
    workspace.write("a.md", "# 一\n\n长江是中国最长的河流。\n")
    workspace.write("b.md", "# 二\n\n上海有许多高楼。\n")
    workspace.write("c.md", "# 三\n\n北京是首都。\n")
    workspace.spec(chunk={"language": "chinese"})
    workspace.ingest()
    question = "哪一条河流最长？"
    asked = workspace.call("ask", question, "--format", "json")
    assert "reads english, and chunk.language is chinese" in asked.err
    fused = {hit["document"]: hit["score"] for hit in asked.json["hits"]}
    assert max(fused, key=fused.__getitem__) == "a.md"
    assert fused["a.md"] >= 1.0  # the first by words, which count 1
    assert all(score <= 0.25 for document, score in fused.items() if document != "a.md")
    given = workspace.call("ask", question, "--format", "json", "--set", "ask.query.dense_weight=1").json[
        "hits"
    ]
    assert {hit["document"]: hit["score"] for hit in given} != fused
    workspace.spec(chunk={"language": "simple"})
    workspace.ingest()
    assert "note:" not in workspace.call("ask", question, "--format", "json").err
