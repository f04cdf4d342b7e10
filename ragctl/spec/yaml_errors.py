"""A YAML syntax error in words that say what to do about it."""

from __future__ import annotations

import yaml

from ragctl.spec.mistakes import Mistake, Place, PlaceAt

_TAB = "a tab stands where YAML wants spaces; indent with spaces"

_SENTENCES: tuple[tuple[str, str, bool, str], ...] = (
    # what the context says, what the problem says, place of the context?, our sentence.
    # The two parsers of PyYAML word the same problem differently; the needles fit both.
    ("quoted scalar", "unexpected end of stream", True, "the quote that opens here is never closed"),
    ("quoted scalar", "unexpected document", True, "the quote that opens here is never closed"),
    (
        "quoted scalar",
        "escape",
        False,
        "in double quotes a \\ begins an escape, and this is none; use single quotes, or / in a path",
    ),
    ("flow sequence", "", True, "the list that opens with [ here is not closed with ], or lacks a comma"),
    ("flow mapping", "", True, "the mapping that opens with { here is not closed with }, or lacks a comma"),
    ("alias", "", True, "a value that begins with * must be quoted, as in '*.md'"),
    ("anchor", "", True, "a value that begins with & must be quoted"),
    ("tag", "", True, "a value that begins with ! must be quoted"),
    ("", "tag handle", True, "a value that begins with ! must be quoted"),
    ("block scalar", "comment or line break", False, "after | or > the text must begin on the next line"),
    ("block scalar", "chomping", False, "after | or > the text must begin on the next line"),
    ("", "tab character", False, _TAB),
    (
        "",
        "mapping values are not allowed",
        False,
        "a ':' stands where no key can be: quote the value if it belongs to it, or check the indentation",
    ),
    ("", "sequence entries are not allowed", False, "a list must begin on a line of its own"),
    ("simple key", "expected ':'", True, "a line that is neither 'key: value' nor '- entry'"),
    (
        "block collection",
        "",
        False,
        "is indented like an entry of the list above, but does not begin with '-'",
    ),
    (
        "block mapping",
        "",
        False,
        "does not fit the lines above: check the indentation, and quotes that end too early",
    ),
    ("", "incompatible yaml", False, "is written for another version of YAML; remove the %YAML line"),
    ("", "<document start>", False, "something follows the end of the document"),
    ("", "node content", False, "a value is missing here"),
)


def syntax_mistake(error: yaml.YAMLError, text: str, place_at: PlaceAt) -> Mistake:
    """The mistake, with no text of the file in it: a line of a spec may hold what is nobody's business."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Mistake(place_at(1, 1), (), "cannot be read as YAML")
    context, problem = (error.context or "").lower(), (error.problem or "").lower()
    if "cannot start any token" in problem:
        return Mistake(_place(error.problem_mark, text, place_at), (), _bad_start(error.problem_mark, text))
    for in_context, in_problem, at_context, sentence in _SENTENCES:
        if in_context in context and in_problem in problem:
            mark = error.context_mark if at_context and error.context_mark else error.problem_mark
            return Mistake(_place(mark, text, place_at), (), sentence)
    return Mistake(_place(error.problem_mark, text, place_at), (), f"cannot be read as YAML: {error.problem}")


def _bad_start(mark: yaml.Mark | None, text: str) -> str:
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    rest = line[mark.column :] if mark else ""
    if rest.startswith("\t") or line.lstrip(" ").startswith("\t"):
        return _TAB
    return f"a value cannot begin with {rest[:1]}; quote it" if rest else "something here is not YAML"


def _place(mark: yaml.Mark | None, text: str, place_at: PlaceAt) -> Place:
    """A mark behind the last line is shown at that line's end, where an editor can go."""
    if mark is None:
        return place_at(1, 1)
    lines = text.splitlines() or [""]
    if mark.line >= len(lines):
        return place_at(len(lines), len(lines[-1]) + 1)
    return place_at(mark.line + 1, mark.column + 1)
