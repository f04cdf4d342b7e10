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
