"""Python source as ruff's formatter writes it (default settings), for values that may be any text.

One argument a line with a comma after the last is a shape that the formatter keeps, however long
the values are; so whatever varies is written in that shape.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

LINE_LENGTH = 88
INDENT = "    "

# First and last character, and the columns that each takes. Of all other characters it depends on the
# release of Unicode, on the neighbours or on the terminal how wide they are; they are escaped.
_KNOWN_WIDTHS = (
    (0x20, 0x7E, 1),  # ASCII
    (0xA1, 0xAC, 1),  # Latin, without the soft hyphen
    (0xAE, 0x24F, 1),
    (0x388, 0x38A, 1),  # Greek
    (0x38E, 0x3A1, 1),
    (0x3A3, 0x3FF, 1),
    (0x400, 0x482, 1),  # Cyrillic, without its combining marks
    (0x48A, 0x52F, 1),
    (0x2013, 0x2014, 1),  # dashes, quotation marks, ellipsis
    (0x2018, 0x201E, 1),
    (0x2026, 0x2026, 1),
    (0x20AC, 0x20AC, 1),  # the euro sign
    (0x3041, 0x3096, 2),  # kana
    (0x30A1, 0x30FA, 2),
    (0x4E00, 0x9FA5, 2),  # Chinese characters
    (0xAC00, 0xD7A3, 2),  # Hangul
)
_FIRST = [first for first, _, _ in _KNOWN_WIDTHS]


@dataclass(frozen=True, slots=True)
class Code:
    """An expression that is written as it is, on one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call, one argument a line."""

    name: str
    positional: Sequence[Value] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)


Value = None | bool | int | float | str | Code | Call | Sequence["Value"] | Mapping[str, "Value"]
"""What can be written: JSON values, and expressions."""


def literal(text: str) -> str:
    """A string literal: in double quotes unless single ones save escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    body = "".join(f"\\{one}" if one == quote else escaped(one) for one in text)
    return f"{quote}{body}{quote}"


def escaped(text: str) -> str:
    """`text` as it may stand between quotes that it does not hold."""
    return "".join(_ESCAPES.get(one) or (one if _width(one) else _by_number(one)) for one in text)


def width(text: str) -> int:
    """Columns that it takes; `text` holds no character that `escaped` would have replaced."""
    return sum(_width(one) for one in text)


def spelled(before: str, value: Value, after: str = "") -> list[str]:
    """The lines of a value between two pieces of text; mappings, lists and calls with an entry a line."""
    if isinstance(value, Call):
        entries = [spelled("", one, ",") for one in value.positional]
        entries += [spelled(f"{name}=", one, ",") for name, one in value.keywords.items()]
        return _bracketed(f"{before}{value.name}(", entries, f"){after}")
    if isinstance(value, Mapping):
        entries = [spelled(f"{literal(key)}: ", one, ",") for key, one in value.items()]
        return _bracketed(f"{before}{{", entries, f"}}{after}")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _bracketed(f"{before}[", [spelled("", one, ",") for one in value], f"]{after}")
    return [f"{before}{_scalar(value)}{after}"]


def fitting(before: str, parts: Sequence[str], after: str, *, depth: int) -> list[str]:
    """`before` part, part `after` on one line; one part a line if that is too long at this depth."""
    line = f"{before}{', '.join(parts)}{after}"
    if depth * len(INDENT) + width(line) <= LINE_LENGTH:
        return [line]
    return [before, *(f"{INDENT}{part}," for part in parts), after]


def indented(lines: Iterable[str], depth: int = 1) -> list[str]:
    """Each line further in; empty ones stay empty."""
    return [f"{INDENT * depth}{line}" if line else "" for line in lines]


def wrapped(text: str, *, hanging: str = "") -> list[str]:
    """Words over lines of at most 88 columns, a longer word on a line of its own."""
    lines: list[str] = []
    for word in text.split():
        if lines and width(lines[-1]) + 1 + width(word) <= LINE_LENGTH:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{hanging if lines else ''}{word}")
    return lines


def with_long_lines_marked(lines: Iterable[str]) -> list[str]:
    """Lines of code that cannot be shorter, since a value in them is long, with a word to the linter.

    The linter lets a line of one word pass by itself.
    """
    return [
        f"{line}  # noqa: E501" if width(line) > LINE_LENGTH and len(line.split()) > 1 else line
        for line in lines
    ]


def _bracketed(opening: str, entries: Sequence[Sequence[str]], closing: str) -> list[str]:
    if not entries:
        return [opening + closing]
    return [opening, *indented(line for entry in entries for line in entry), closing]


def _scalar(value: bool | int | float | str | Code | None) -> str:
    if isinstance(value, Code):
        return value.text
    if isinstance(value, str):
        return literal(value)
    return repr(value).replace("e+", "e")  # 1e16, not 1e+16


_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _width(character: str) -> int:
    """1 or 2; 0 if it is not known."""
    number = ord(character)
    place = bisect_right(_FIRST, number) - 1
    if place < 0:
        return 0
    _, last, columns = _KNOWN_WIDTHS[place]
    return columns if number <= last else 0


def _by_number(character: str) -> str:
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
