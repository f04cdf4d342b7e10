"""Where source code may be cut: before definitions, then at blank lines, then at lines.

A definition takes with it the comments, decorators and attributes that stand right above it: the cut is at
the blank line before them. Definitions at the left margin come before those within them. In languages
without a word for it (C), anything at the left margin after a blank line is taken for one.
"""

from __future__ import annotations

from ragctl.splitters.boundaries import CLAUSE, LINE, WORD

_MODIFIERS = (
    "abstract|async|const|constexpr|default|export|extern|external|final|fileprivate|infix|inline|internal|"
    "lazy|native|noncopyable|open|operator|override|partial|private|protected|pub(?:\\([a-z]+\\))?|public|"
    "sealed|static|strictfp|suspend|synchronized|tailrec|unsafe|virtual"
)
_DEFINING = (
    "actor|case class|class|data class|def|defmacro|defmodule|defp|defprotocol|enum|enum class|extension|fn|"
    "fun|func|function|impl|implementation|interface|macro|macro_rules!|message|method|mod|module|namespace|"
    "object|package|procedure|protocol|record|resource|service|struct|sub|template|trait|type|typedef|union"
)
_SQL = (
    "alter|begin|comment on|create|declare|delete from|drop|grant|insert into|merge into|select|update|with"
)
_SHELL_FUNCTION = r"[A-Za-z_][\w-]*[ \t]*\(\)[ \t]*(?:\{|$)"

_DEFINITION = rf"(?:(?:{_MODIFIERS})[ \t]+)*(?:{_DEFINING})\b"
_MODIFIED = rf"(?:{_MODIFIERS})[ \t]+\S"
_ABOVE = r"@\w|#\[|//|/\*|--[ \t]|\#[ \t]|\"\"\"|///"
_BY_LANGUAGE = {
    "sql": rf"(?i:(?:{_SQL})\b)",
    "python": r"(?:async[ \t]+def|def|class)\b",
    "ruby": r"(?:class|def|module)\b",
    "go": r"(?:func|type|var|const)\b",
    "shell": rf"(?:function[ \t]|{_SHELL_FUNCTION})",
    "sh": rf"(?:function[ \t]|{_SHELL_FUNCTION})",
    "bash": rf"(?:function[ \t]|{_SHELL_FUNCTION})",
}

_BLANK = r"\n[ \t]*\n"
_REST = (rf"{_BLANK}(?=\S)", _BLANK, LINE, WORD, CLAUSE)


def code_separators(language: str = "") -> tuple[str, ...]:
    """Regular expressions for code in `language`, as in the media type `text/x-…`; the best first.

    A language that is not known, or none, is cut by the words that define something in most.
    """
    definition = _BY_LANGUAGE.get(language, f"(?:{_DEFINITION}|{_MODIFIED})")
    return (
        rf"{_BLANK}(?={definition}|(?:{_ABOVE}))",
        rf"{_BLANK}(?=\S)",
        rf"{_BLANK}(?=[ \t]+(?:{definition}|(?:{_ABOVE})))",
        *_REST[1:],
    )
