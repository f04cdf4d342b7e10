"""`--set a.b=value`: values of the command line put into the data of a spec before it is validated."""

from __future__ import annotations

import re

from ragctl.spec.mistakes import KeyPath, Mistake, MistakeFound, Place, dotted, parsed
from ragctl.spec.plain import Plain, Value, read_plain

_FORM = re.compile(r"([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)=(.*)", re.DOTALL)


def override(plain: Plain, text: str, number: int) -> None:
    """Puts one override into `plain`; its mistakes are added to those of the file.

    Args:
        text: `chunk.max_tokens=128`; parts that are digits count a list's entries from 0, and the
            value is YAML.
        number: which override it is, from 0.
    """
    try:
        _override(plain, text, number)
    except MistakeFound as found:
        plain.mistakes.append(found.mistake)


def _override(plain: Plain, text: str, number: int) -> None:
    match = _FORM.fullmatch(text)
    if not match:
        # The text is not repeated: it may be a connection string that lost its key.
        example = "takes KEY=VALUE, such as chunk.max_tokens=128"
        raise MistakeFound(Mistake(Place(number + 1, 0, 0, "--set"), (), example))
    path = parsed(match.group(1))
    place = Place(number + 1, 0, 0, f"--set {dotted(path)}")
    value = read_plain(match.group(2), lambda line, column: place, root=path)
    plain.mistakes.extend(value.mistakes)
    plain.data = put(plain.data, path, value.data, place)
    plain.positions.override(path, place)


def put(data: Value, path: KeyPath, value: Value, place: Place) -> Value:
    """A copy of `data` in which `value` stands at `path`; mappings on the way are made if absent.

    Raises:
        MistakeFound: the path leads through something else; at `place`.
    """
    return _with(data, path, value, 0, place)


def _with(data: Value, path: KeyPath, value: Value, depth: int, place: Place) -> Value:
    if depth == len(path):
        return value
    part = path[depth]
    if data is None and isinstance(part, str):
        data = {}
    if isinstance(data, dict) and isinstance(part, str):
        return {**data, part: _with(data.get(part), path, value, depth + 1, place)}
    if isinstance(data, tuple) and isinstance(part, int):
        if part >= len(data):
            raise MistakeFound(
                Mistake(place, path, f"there is no entry {part}; {_entries(path[:depth], data)}")
            )
        inner = _with(data[part], path, value, depth + 1, place)
        return (*data[:part], inner, *data[part + 1 :])
    text = f"'{dotted(path[:depth]) or 'the spec'}' has no '{part}': it is {_kind(data)}"
    raise MistakeFound(Mistake(place, path, text))


def _entries(path: KeyPath, data: tuple[Value, ...]) -> str:
    if not data:
        return f"'{dotted(path)}' is empty"
    return f"'{dotted(path)}' has {len(data)}, counted from 0"


def _kind(data: Value) -> str:
    if isinstance(data, tuple):
        return "a list; name an entry by its number, from 0"
    return "a mapping, not a list" if isinstance(data, dict) else "a single value"
