"""The shape of the model as data: which keys stand where. For mistakes, the schema and the reference.

A value that may be one of several sections is a union told apart by one of its keys, the tag: a source by
its `type`. pydantic puts the tag into a path, `("sources", 0, "directory", "path")`, where the spec has
none; the functions here take such paths, and `untagged` gives the spec's own.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from ragctl.spec.mistakes import KeyPath
from ragctl.spec.model import Spec
from ragctl.spec.section import Section

_UNIONS = (Union, types.UnionType)


def annotation_at(path: KeyPath, root: type[Section] = Spec) -> Any:
    """The type that the model gives the value at `path`; None where the model knows no such path."""
    found: Any = root
    for part in path:
        found = _step(bare(found), part)
        if found is None:
            return None
    return bare(found)


def section_at(path: KeyPath, root: type[Section] = Spec) -> type[Section] | None:
    """The section at `path`, if the value there is one; of several that it may be, the first."""
    found = annotation_at(path, root)
    if is_section(found):
        return cast(type[Section], found)
    return next(iter(members(found).values()), None)


def alternatives_at(path: KeyPath) -> dict[str, Any]:
    """The types of the value at `path`, by the tag of the kind of section that holds it.

    One tag for each type: the first of those kinds where several have the same. "" where it is held by a
    section that is one of no kinds.
    """
    holder = annotation_at(path[:-1])
    kinds = members(holder) or {"": holder}
    found: dict[str, Any] = {}
    for tag, kind in kinds.items():
        if is_section(kind) and path[-1] in kind.model_fields:
            one = bare(kind.model_fields[str(path[-1])].annotation)
            if one not in found.values():
                found[tag] = one
    return found


def choices_at(path: KeyPath) -> tuple[str, ...]:
    """The values that a closed choice at `path` allows; none if it is no such choice."""
    found = annotation_at(path)
    return get_args(found) if get_origin(found) is Literal else ()


def names_at(path: KeyPath) -> tuple[str, ...]:
    """The keys that a mapping at `path` may have, where they are a closed choice; none if it is no such."""
    return _names(annotation_at(path))


def members(annotation: Any) -> dict[str, type[Section]]:
    """The sections that a value may be, by their tags; none if it is not one of several."""
    parts = tuple(bare(part) for part in several(annotation))
    if not parts or not all(is_section(part) for part in parts):
        return {}
    key = tag_key(parts)
    return {tag: part for part in parts for tag in get_args(bare(part.model_fields[key].annotation))}


def several(annotation: Any) -> tuple[Any, ...]:
    """The types that a value may have, where it may have one of several besides none."""
    found = bare(annotation)
    present = [part for part in get_args(found) if part is not type(None)]
    return tuple(present) if get_origin(found) in _UNIONS else ()


def tag_key(parts: Iterable[type[Section]]) -> str:
    """The key that tells the sections of a union apart: the first with other choices in each of them."""
    all_parts = list(parts)
    for name in all_parts[0].model_fields:
        choices = [choice for one in all_parts for choice in _choices(one, name)]
        if all(_choices(one, name) for one in all_parts) and len(choices) == len(set(choices)):
            return name
    raise TypeError(f"nothing tells {all_parts[0].__name__} from the others")


def _choices(section: type[Section], name: str) -> tuple[Any, ...]:
    found = bare(section.model_fields[name].annotation) if name in section.model_fields else None
    return get_args(found) if get_origin(found) is Literal else ()


def untagged(path: KeyPath) -> KeyPath:
    """The path as it is in the spec, without the tags that pydantic puts into it."""
    found: Any = Spec
    out: list[str | int] = []
    for part in path:
        if not (isinstance(part, str) and part in members(found)):
            out.append(part)
        found = _step(bare(found), part)
    return tuple(out)


def homes_of(key: str) -> list[str]:
    """The mappings that have such a key, dotted; "" is the top level, N a number and * any name."""
    homes = []
    for prefix, section in sections():
        if key in section.model_fields:
            homes.append(prefix)
        for name, field in section.model_fields.items():
            if key in _names(field.annotation):
                homes.append(_under(prefix, name))
    return list(dict.fromkeys(homes))


def sections() -> list[tuple[str, type[Section]]]:
    """Every section and where it stands, outermost first: `sources.N` in a list, `stages.*` by name.

    Sections that one value may be follow one another, under the same place. One that stands under several
    of these, at the same key, is there once.
    """
    return list(dict.fromkeys(_sections(Spec, "")))


def _sections(root: type[Section], prefix: str) -> Iterator[tuple[str, type[Section]]]:
    yield prefix, root
    for name, field in root.model_fields.items():
        inner, where = bare(field.annotation), _under(prefix, name)
        if get_origin(inner) is tuple:
            inner, where = bare(get_args(inner)[0]), f"{where}.N"
        elif get_origin(inner) is dict:
            inner, where = bare(get_args(inner)[1]), f"{where}.*"
        for section in (inner,) if is_section(inner) else members(inner).values():
            yield from _sections(section, where)


def is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def bare(annotation: Any) -> Any:
    """Without `Annotated`, and without `None` where it is the one alternative."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in _UNIONS:
        present = [part for part in get_args(annotation) if part is not type(None)]
        if len(present) == 1:
            return bare(present[0])
    return annotation


def _step(annotation: Any, part: str | int) -> Any:
    if isinstance(part, int):
        return get_args(annotation)[0] if get_origin(annotation) is tuple else None
    if is_section(annotation):
        field = annotation.model_fields.get(part)
        return field.annotation if field else None
    if choices := members(annotation):
        having = (one for one in choices.values() if part in one.model_fields)
        return choices.get(part) or next((one.model_fields[part].annotation for one in having), None)
    return get_args(annotation)[1] if get_origin(annotation) is dict else None


def _names(annotation: Any) -> tuple[str, ...]:
    found = bare(annotation)
    key = bare(get_args(found)[0]) if get_origin(found) is dict else None
    return get_args(key) if get_origin(key) is Literal else ()


def _under(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
